// What a person can make of an attempt's status code (RFC 3463), in plain words. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mailstead {

// What became of a recipient that has not got the message.
enum class DeliveryFate { kRefused, kWaits, kGivenUp };

// Did the other host say so? Its replies begin with a code (RFC 5321 4.2), our own words with none.
bool is_theirs(std::string_view reply);

// What is the matter and, when nothing more is tried, what to do. Empty: nothing is known beyond `reply`.
std::string_view delivery_advice(DeliveryFate fate, std::string_view status, std::string_view reply);

// "It was tried for 5 days, 41 times."
std::string tried_words(std::int64_t seconds, std::uint32_t attempts);

}  // namespace mailstead
