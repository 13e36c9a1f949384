#include "admin/transfer/received_time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <vector>

#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr std::int64_t kFirstDate = 315'532'800;  // 1980
constexpr std::array<std::string_view, 12> kMonthNames = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};

std::optional<int> digits(std::string_view text, std::size_t most) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || text.size() > most || problem != std::errc() || end != text.data() + text.size() ||
      number < 0)
    return std::nullopt;
  return number;
}

// Words outside of comments, which do not nest in any date that was ever seen.
std::vector<std::string> date_words(std::string_view text) {
  std::vector<std::string> words(1);
  bool in_comment = false;
  for (const char c : text) {
    if (c == '(') in_comment = true;
    const bool ends = in_comment || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
    if (c == ')') in_comment = false;
    if (!ends) {
      words.back() += ascii::lower(c);
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::optional<int> seconds_of_day(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = std::min(text.find(':', first + 1), text.size());
  const auto hours = digits(text.substr(0, first), 2);
  const auto minutes = digits(text.substr(first + 1, second - first - 1), 2);
  const auto seconds = second == text.size() ? 0 : digits(text.substr(second + 1), 2);
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
  return *hours * 3600 + *minutes * 60 + *seconds;
}

// "+0200"; names of zones mean UTC (RFC 5322 4.3 knows some of America: hours do not matter here).
int zone_offset(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return 0;
  const int number = digits(text.substr(1), 4).value_or(0);
  const int seconds = number / 100 * 3600 + number % 100 * 60;
  return text[0] == '-' ? -seconds : seconds;
}

// The value of the first field of this name, unfolded or not; empty: there is none.
std::string_view field(std::string_view header, std::string_view name) {
  std::size_t at = 0;
  while (at < header.size()) {
    std::size_t end = std::min(header.find('\n', at), header.size());
    if (end - at <= 1) return {};  // the empty line
    while (end + 1 < header.size() && (header[end + 1] == ' ' || header[end + 1] == '\t'))
      end = std::min(header.find('\n', end + 1), header.size());
    const std::string_view line = header.substr(at, end - at);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        ascii::lower(line.substr(0, name.size())) == name)
      return line.substr(name.size() + 1);
    at = end + 1;
  }
  return {};
}

}  // namespace

std::optional<std::int64_t> mail_date(std::string_view text) {
  const auto words = date_words(text);
  // The day of the week is optional.
  const std::size_t at = !words.empty() && digits(words[0], 2) ? 0 : 1;
  if (words.size() < at + 4) return std::nullopt;
  const auto day = digits(words[at], 2);
  const auto month = std::find(kMonthNames.begin(), kMonthNames.end(), words[at + 1].substr(0, 3));
  auto year = digits(words[at + 2], 4);
  const auto time = seconds_of_day(words[at + 3]);
  if (!day || month == kMonthNames.end() || !year || !time) return std::nullopt;
  if (words[at + 2].size() == 2) year = *year + (*year < 50 ? 2000 : 1900);  // RFC 5322 4.3
  const std::chrono::year_month_day date{
      std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(month - kMonthNames.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const int zone = words.size() > at + 4 ? zone_offset(words[at + 4]) : 0;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(days).count() + *time - zone;
}

std::optional<std::int64_t> ReceivedTime::value() const {
  std::string_view received = field(header_, "received");
  std::optional<std::int64_t> time;
  if (const std::size_t semicolon = received.rfind(';'); semicolon != std::string_view::npos)
    time = mail_date(received.substr(semicolon + 1));
  if (!time) time = mail_date(field(header_, "date"));
  return time && *time >= kFirstDate ? time : std::nullopt;
}

}  // namespace mailstead::admin
