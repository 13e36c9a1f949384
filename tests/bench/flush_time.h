// What one flush of a file system takes: an append and its fdatasync, over and over.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mailstead::bench {

// Milliseconds of each of `count` appends of `size` octets with their flush, to a new file in `folder` that
// is removed again. `pause` milliseconds lie between them.
std::vector<float> flush_times(const std::string& folder, std::size_t count, std::size_t size, double pause);

}  // namespace mailstead::bench
