// SNTP (RFC 5905 14): a question for the time, and what an answer says of one's own clock. An answer is input
// from anybody. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::sntp {

// Asks a server. `mark` comes back in the answer: take one by chance, nobody else shall answer. Not 0.
std::string question(std::uint64_t mark);

// By how many seconds one's own clock is behind the server's, the way there and back taken as equally long.
// `sent` and `received`: when, by one's own clock, Unix seconds with fractions. nullopt: it is no answer to
// that question, or of a server that does not know the time itself.
std::optional<double> clock_behind(std::string_view answer, std::uint64_t mark, double sent, double received);

}  // namespace mailstead::sntp
