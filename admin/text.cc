#include "admin/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "protocols/utf8.h"

namespace mailstead::admin {
namespace {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0u) != 0x80u;
  }));
}

std::tm utc(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return parts;
}

// Edits that turn one word into the other; two neighbours changing places count as one.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before(to.size() + 1), last(to.size() + 1), row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t change = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[to.size()];
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8::length(text), 1);
    const std::string_view character = text.substr(0, length);
    const bool broken = length == 1 && static_cast<unsigned char>(character[0]) >= 0x80;
    if (broken || utf8::is_control(character) || utf8::turns_direction(character)) {
      for (const char byte : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    } else {
      out += character;
    }
    text.remove_prefix(length);
  }
  return out;
}

namespace {

// Does a shell take it as it is?
bool is_plain_word(std::string_view text) {
  constexpr std::string_view kHarmless = "@%+=:,./-_";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    const bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alphanumeric || static_cast<unsigned char>(c) >= 0x80 ||
           kHarmless.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string address_word(std::string_view address) {
  return std::string(is_plain_word(address) ? address : "ADDRESS");
}

std::string shell_word(std::string_view text) {
  if (is_plain_word(text)) return std::string(text);
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + '\'';
}

std::string size_text(std::uint64_t octets) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (octets < 1024) return fmt::format("{} B", octets);
  auto value = static_cast<double>(octets);
  std::size_t unit = 0;
  // 1023.95 would be printed as "1024.0".
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string time_text(std::int64_t unix_seconds) {
  if (unix_seconds == 0) return "never";
  const std::tm parts = utc(unix_seconds);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min);
}

std::string rfc3339(std::int64_t unix_seconds) {
  const std::tm parts = utc(unix_seconds);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string span_text(std::int64_t seconds) {
  seconds = std::max<std::int64_t>(seconds, 0);
  const std::int64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;
  if (days > 0) return fmt::format("{} {} {} h", days, days == 1 ? "day" : "days", hours);
  if (hours > 0) return fmt::format("{} h {} min", hours, minutes);
  if (minutes > 0) return fmt::format("{} min {} s", minutes, seconds % 60);
  return fmt::format("{} s", seconds);
}

std::string counted(std::uint64_t number, std::string_view thing) {
  const bool es = thing.ends_with('x') || (thing.ends_with('s'));
  return fmt::format("{} {}{}", number, thing, number == 1 ? "" : es ? "es" : "s");
}

std::string filled(std::string_view text, std::size_t at, std::size_t hang) {
  std::string lines;
  bool is_first = true;
  while (!text.empty()) {
    const std::size_t close = text.starts_with('[') ? text.find(']') : 0;
    const std::size_t end =
        std::min(text.find(' ', close == std::string_view::npos ? 0 : close), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!is_first && at + 1 + characters(word) > kTextWidth) {
      lines += '\n' + std::string(hang, ' ');
      at = hang;
    } else if (!is_first) {
      lines += ' ';
      ++at;
    }
    lines += word;
    at += characters(word);
    is_first = false;
  }
  return lines;
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < std::min(row.size(), widths.size()); ++i) {
      widths[i] = std::max(widths[i], characters(row[i]));
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < std::min(row.size(), widths.size()); ++i) {
      if (i > 0) line += "  ";
      const std::string padding(widths[i] - characters(row[i]), ' ');
      line += columns_[i] == Align::kRight ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return {};
  std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
  std::string found;
  for (const std::string& candidate : known) {
    const std::size_t edits = distance(word, candidate);
    if (edits < least) {
      least = edits;
      found = candidate;
    }
  }
  return found;
}

}  // namespace mailstead::admin
