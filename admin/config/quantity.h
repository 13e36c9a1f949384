// Sizes, durations and listen addresses as they stand in the configuration. Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "admin/config/config.h"

namespace mailstead::admin {

// "50 MiB", "64KiB", "10 MB" (a million octets each), "4096 B", "4096". nullopt: not a size, or beyond 64
// bits.
std::optional<std::uint64_t> parse_size(std::string_view text);
// In the largest binary unit that divides it: "50 MiB".
std::string print_size(std::uint64_t octets);

// A size that something may have at most, or "none" for any number, which is 0 as a number, too. nullopt: not
// that, or beyond `most`.
std::optional<std::uint64_t> parse_limit(std::string_view text, std::uint64_t most);
std::string print_limit(std::uint64_t octets);  // "none" for 0

// "90 s", "10 min", "2 h", "7 days". A number without a unit is not a duration.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);
std::string print_duration(std::chrono::seconds duration);

// "127.0.0.1:2525", "[::1]:2525", ":25" (every address, the same as "[::]:25"), and the absolute path of a
// Unix socket. No host names.
std::optional<ListenAddress> parse_listen(std::string_view text);

}  // namespace mailstead::admin
