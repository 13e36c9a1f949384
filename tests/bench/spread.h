// How times are spread: their middle, and how bad it gets.
#pragma once

#include <string>
#include <vector>

namespace mailstead::bench {

// A JSON object of milliseconds, {"median":…,"p99":…,"max":…}, all 0 of no times.
std::string spread(std::vector<float> milliseconds);

}  // namespace mailstead::bench
