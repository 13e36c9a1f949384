#include "admin/transfer/mbox_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <vector>

#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr std::string_view kFromMark = "From ";
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
// What mail programs note in the header of an mbox, and no part of the message.
constexpr std::array<std::string_view, 11> kNotes = {
    "status",           "x-status",          "x-uid",         "x-uidl",
    "x-imap",           "x-imapbase",        "x-keywords",    "content-length",
    "x-mozilla-status", "x-mozilla-status2", "x-mozilla-keys"};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t\r\n"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<int> small_number(std::string_view text, int most) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size() || number < 0 ||
      number > most)
    return std::nullopt;
  return number;
}

// "12:34" or "12:34:56", in seconds.
std::optional<int> time_of_day(std::string_view text) {
  if (text.size() != 5 && text.size() != 8) return std::nullopt;
  if (text[2] != ':' || (text.size() == 8 && text[5] != ':')) return std::nullopt;
  const auto hours = small_number(text.substr(0, 2), 23);
  const auto minutes = small_number(text.substr(3, 2), 59);
  const auto seconds = text.size() == 8 ? small_number(text.substr(6, 2), 60) : 0;
  if (!hours || !minutes || !seconds) return std::nullopt;
  return *hours * 3600 + *minutes * 60 + *seconds;
}

// "+0130", in seconds.
std::optional<int> zone_of(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto number = small_number(text.substr(1), 2359);
  if (!number) return std::nullopt;
  const int seconds = *number / 100 * 3600 + *number % 100 * 60;
  return text[0] == '+' ? seconds : -seconds;
}

// The words behind the day of the week: "Jan 1 00:00:00 [zone] 1970 [zone]".
std::optional<std::int64_t> date_of(const std::vector<std::string_view>& words, std::size_t at) {
  if (words.size() < at + 4) return std::nullopt;
  const auto month = std::find(kMonths.begin(), kMonths.end(), words[at]);
  const auto day = small_number(words[at + 1], 31);
  const auto time = time_of_day(words[at + 2]);
  if (month == kMonths.end() || !day || *day == 0 || !time) return std::nullopt;
  int zone = 0;
  for (std::size_t i = at + 3; i < std::min(words.size(), at + 6); ++i) {
    if (const auto found = zone_of(words[i])) zone = *found;
    const auto year = words[i].size() == 4 ? small_number(words[i], 9999) : std::nullopt;
    if (!year || *year < 1970) continue;
    if (i + 1 < words.size()) {
      if (const auto found = zone_of(words[i + 1])) zone = *found;
    }
    const std::chrono::year_month_day date{
        std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
        std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(days).count() + *time - zone;
  }
  return std::nullopt;
}

std::string_view without_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

std::string_view without_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// ">>From " and the like: one mark less (mboxrd).
bool is_quoted_from(std::string_view line) {
  const std::size_t marks = std::min(line.find_first_not_of('>'), line.size());
  return marks > 0 && line.substr(marks).starts_with(kFromMark);
}

}  // namespace

std::optional<std::int64_t> mbox_date(std::string_view from_line) {
  const auto words = words_of(from_line);
  // The sender may have spaces; the day of the week comes behind it.
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    const std::string_view word = words[i].substr(0, 3);
    if (words[i].size() > 4 || std::find(kWeekdays.begin(), kWeekdays.end(), word) == kWeekdays.end())
      continue;
    if (const auto date = date_of(words, i + 1)) return date;
  }
  return std::nullopt;
}

void MboxReader::add(std::string_view bytes) {
  while (!bytes.empty() && !is_no_mbox_) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end == std::string_view::npos ? end : end + 1);
    bytes.remove_prefix(piece.size());
    line_.append(piece);
    offset_ += piece.size();
    if (end != std::string_view::npos) {
      take_line(line_);
      line_.clear();
    } else if (line_.size() >= kLongestLine) {
      take_long_line();
    }
  }
}

void MboxReader::finish() {
  if (!line_.empty() && !is_no_mbox_) take_line(line_);
  line_.clear();
  if (in_message_) end();
}

void MboxReader::take_long_line() {
  take_line(line_);
  in_long_line_ = true;
  line_.clear();
}

void MboxReader::take_line(std::string_view line) {
  if (in_long_line_) {
    in_long_line_ = !line.ends_with('\n');
    if (!skips_field_) pass(line);
    return;
  }
  const bool is_empty = without_end(line).empty();
  const bool looks_new = line.starts_with(kFromMark) && (!in_message_ || mbox_date(line).has_value());
  if (looks_new && after_empty_line_) return begin(line);
  if (!in_message_) {
    // Empty lines may stand before the first message.
    is_no_mbox_ = !is_empty;
    return;
  }
  if (looks_new) ++doubtful_lines_;
  if (in_header_ && !is_empty) {
    after_empty_line_ = false;
    return take_header_line(is_quoted_from(line) ? line.substr(1) : line);
  }
  in_header_ = false;
  skips_field_ = false;
  after_empty_line_ = is_empty;
  if (!is_empty) return pass(is_quoted_from(line) ? line.substr(1) : line);
  pass({});
  empty_line_ = line;
}

void MboxReader::begin(std::string_view line) {
  if (in_message_) end();
  in_message_ = in_header_ = true;
  after_empty_line_ = skips_field_ = false;
  uidl_.clear();
  has_imap_field_ = has_folder_subject_ = false;
  sink_.message_begins(mbox_date(line), offset_ - line.size());
}

void MboxReader::end() {
  in_message_ = false;
  // The empty line that it ends with is the file's.
  empty_line_.clear();
  sink_.message_ends(uidl_, has_imap_field_ && has_folder_subject_);
}

void MboxReader::take_header_line(std::string_view line) {
  if (line[0] != ' ' && line[0] != '\t') {
    const std::size_t colon = line.find(':');
    const std::string name = ascii::lower(line.substr(0, std::min(colon, line.size())));
    const std::string_view value = colon == std::string_view::npos
                                       ? std::string_view()
                                       : without_blanks(without_end(line.substr(colon + 1)));
    skips_field_ =
        colon != std::string_view::npos && std::find(kNotes.begin(), kNotes.end(), name) != kNotes.end();
    if (name == "x-uidl" && uidl_.empty()) uidl_ = value;
    has_imap_field_ |= name == "x-imap" || name == "x-imapbase";
    has_folder_subject_ |= name == "subject" && value.starts_with("DON'T DELETE THIS MESSAGE");
  }
  if (!skips_field_) pass(line);
}

void MboxReader::pass(std::string_view line) {
  if (!empty_line_.empty()) sink_.message_content(empty_line_);
  empty_line_.clear();
  if (!line.empty()) sink_.message_content(line);
}

}  // namespace mailstead::admin
