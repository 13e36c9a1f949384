// When a message is to be delivered, and how urgent it is: the parameters of MAIL of FUTURERELEASE (RFC
// 4865), DELIVERBY (RFC 2852) and MT-PRIORITY (RFC 6710). Pure functions; any thread. Times are Unix seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/smtp/envelope.h"

namespace mailstead {

// How long a message may be held, seconds.
inline constexpr std::int64_t kLongestHold = std::int64_t{30} * 24 * 3600;

// HOLDFOR=: seconds, up to nine digits and not 0; the time that they come to.
std::optional<std::int64_t> parse_hold_for(std::string_view value, std::int64_t now);
// HOLDUNTIL=, and any other date and time of RFC 3339 5.6. Fractions of a second are cut off.
std::optional<std::int64_t> parse_date_time(std::string_view value);
// As RFC 3339 has it, in UTC.
std::string date_time(std::int64_t at);

// BY=: "120;R", "-10;NT". What is to be returned has to have some time.
std::optional<DeliverBy> parse_deliver_by(std::string_view value, std::int64_t now);
std::string deliver_by_text(const DeliverBy& deliver_by, std::int64_t now);

// MT-PRIORITY=: from -9 to 9.
std::optional<int> parse_priority(std::string_view value);

}  // namespace mailstead
