// A delivery's message as a whole, whether it is in memory or in a spool. Threads: one at a time for each
// delivery; any thread. Errors: as Spool's; kIo also for a spool that has become shorter.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "storage/store.h"

namespace mailstead {

// From its first octet to its last, without tags, in pieces of at most 256 KiB but for the last.
Result<void> read_content(const Delivery& delivery, const std::function<void(std::string_view)>& read);

// As many octets in their place; they are there.
Result<void> overwrite_content(Delivery& delivery, std::uint64_t offset, std::string_view bytes);

}  // namespace mailstead
