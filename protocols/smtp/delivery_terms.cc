#include "protocols/smtp/delivery_terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::size_t kMostDigits = 9;  // RFC 2852 4, RFC 4865 4

std::optional<std::int64_t> digits(std::string_view text, std::size_t least, std::size_t most) {
  if (text.size() < least || text.size() > most || !std::ranges::all_of(text, ascii::is_digit)) {
    return std::nullopt;
  }
  const auto number = ascii::number(text);
  if (!number) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

// The next `size` digits and then `end`, which are taken; 0: nothing has to follow.
std::optional<std::int64_t> take_digits(std::string_view& text, std::size_t size, char end) {
  const auto number = digits(text.substr(0, size), size, size);
  if (!number) return std::nullopt;
  text.remove_prefix(size);
  if (end == 0) return number;
  if (text.empty() || ascii::lower(text.front()) != ascii::lower(end)) return std::nullopt;
  text.remove_prefix(1);
  return number;
}

// "Z", "+01:00"; seconds east of UTC.
std::optional<std::int64_t> parse_zone(std::string_view text) {
  if (ascii::same(text, "z")) return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const std::int64_t sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2, ':');
  const auto minutes = hours ? take_digits(text, 2, 0) : std::nullopt;
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<std::int64_t> parse_hold_for(std::string_view value, std::int64_t now) {
  const auto seconds = digits(value, 1, kMostDigits);
  if (!seconds || *seconds == 0) return std::nullopt;
  return now + *seconds;
}

std::optional<std::int64_t> parse_date_time(std::string_view value) {
  using namespace std::chrono;
  const auto year_number = take_digits(value, 4, '-');
  const auto month_number = year_number ? take_digits(value, 2, '-') : std::nullopt;
  const auto day_number = month_number ? take_digits(value, 2, 'T') : std::nullopt;
  const auto hour = day_number ? take_digits(value, 2, ':') : std::nullopt;
  const auto minute = hour ? take_digits(value, 2, ':') : std::nullopt;
  const auto second = minute ? take_digits(value, 2, 0) : std::nullopt;
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const year_month_day date(year(static_cast<int>(*year_number)), month(static_cast<unsigned>(*month_number)),
                            day(static_cast<unsigned>(*day_number)));
  if (!date.ok()) return std::nullopt;
  if (value.starts_with('.')) {
    value.remove_prefix(1);
    const std::size_t fraction = std::min(value.find_first_not_of("0123456789"), value.size());
    if (fraction == 0) return std::nullopt;
    value.remove_prefix(fraction);
  }
  const auto zone = parse_zone(value);
  if (!zone) return std::nullopt;
  const std::int64_t days = sys_days(date).time_since_epoch().count();
  return days * 86'400 + *hour * 3600 + *minute * 60 + *second - *zone;
}

std::string date_time(std::int64_t at) {
  const std::time_t seconds = at;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::optional<DeliverBy> parse_deliver_by(std::string_view value, std::int64_t now) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  std::string_view time = value.substr(0, semicolon);
  const std::string_view mode = value.substr(semicolon + 1);
  const bool is_negative = time.starts_with('-');
  if (is_negative || time.starts_with('+')) time.remove_prefix(1);
  const auto seconds = digits(time, 1, kMostDigits);
  if (!seconds || mode.empty() || mode.size() > 2) return std::nullopt;
  DeliverBy deliver_by;
  deliver_by.at = now + (is_negative ? -*seconds : *seconds);
  deliver_by.returns = ascii::same(mode.substr(0, 1), "R");
  deliver_by.traced = mode.size() == 2;
  if (!deliver_by.returns && !ascii::same(mode.substr(0, 1), "N")) return std::nullopt;
  if (deliver_by.traced && !ascii::same(mode.substr(1), "T")) return std::nullopt;
  if (deliver_by.returns && deliver_by.at <= now) return std::nullopt;
  return deliver_by;
}

std::string deliver_by_text(const DeliverBy& deliver_by, std::int64_t now) {
  constexpr std::int64_t kMost = 999'999'999;
  return fmt::format("{};{}{}", std::clamp(deliver_by.at - now, -kMost, kMost),
                     deliver_by.returns ? 'R' : 'N', deliver_by.traced ? "T" : "");
}

std::optional<int> parse_priority(std::string_view value) {
  const bool is_negative = value.starts_with('-');
  const auto number = digits(value.substr(is_negative ? 1 : 0), 1, 1);
  if (!number || (is_negative && *number == 0)) return std::nullopt;
  return static_cast<int>(is_negative ? -*number : *number);
}

}  // namespace mailstead
