// Small files read and written whole. Blocking; any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "protocols/result.h"

namespace mailstead::admin {

// kNotFound, kDenied, kInvalid (a folder, or larger than `most` octets), kIo; the message names the path.
Result<std::string> read_file(const std::string& path, std::size_t most);

// Written beside, synced, renamed, its folder synced: the old file or the new one, never half of one.
Result<void> write_file(const std::string& path, std::string_view bytes, mode_t mode);

// Symbolic links followed; empty: there is nothing of this name.
std::string real_path_of(const std::string& path);

}  // namespace mailstead::admin
