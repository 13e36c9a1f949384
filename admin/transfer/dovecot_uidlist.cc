#include "admin/transfer/dovecot_uidlist.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace mailstead::admin {
namespace {

std::string_view take_list_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<std::uint32_t> list_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool read_header(std::string_view line, Uidlist& list, bool& has_fields) {
  const std::string_view version = take_list_word(line);
  has_fields = version == "3";
  if (version == "1") {
    const auto validity = list_number(take_list_word(line));
    const auto next = list_number(take_list_word(line));
    list.uid_validity = validity.value_or(0);
    list.next_uid = next.value_or(1);
    return validity && next;
  }
  if (!has_fields) return false;
  while (!line.empty()) {
    const std::string_view word = take_list_word(line);
    if (word.empty()) continue;
    const auto number = list_number(word.substr(1));
    if (word[0] == 'V') list.uid_validity = number.value_or(0);
    if (word[0] == 'N') list.next_uid = number.value_or(1);
  }
  return list.uid_validity != 0;
}

bool read_entry(std::string_view line, bool has_fields, Uidlist& list) {
  UidlistEntry entry;
  const auto uid = list_number(take_list_word(line));
  if (!uid || *uid == 0) return false;
  entry.uid = *uid;
  while (has_fields && !line.starts_with(':')) {
    if (line.empty()) return false;
    const std::string_view word = take_list_word(line);
    if (word.starts_with('P')) entry.saved_uidl = word.substr(1);
    if (word.starts_with('G')) entry.guid = word.substr(1);
    if (word.starts_with('O')) entry.order = list_number(word.substr(1));
  }
  if (has_fields) line.remove_prefix(1);
  const std::string_view name = line.substr(0, line.find(':'));
  if (name.empty()) return false;
  list.entries.insert_or_assign(std::string(name), std::move(entry));
  return true;
}

// "%08Xu": its parts; nullopt: it is none of ours.
struct Conversion {
  char what = '\0';
  bool zero = false;
  bool hex = false;
  std::size_t width = 0;
};

std::optional<Conversion> take_conversion(std::string_view& format) {
  Conversion found;
  format.remove_prefix(1);
  while (format.starts_with('0')) {
    found.zero = true;
    format.remove_prefix(1);
  }
  while (!format.empty() && format[0] >= '0' && format[0] <= '9' && found.width < 100) {
    found.width = found.width * 10 + static_cast<std::size_t>(format[0] - '0');
    format.remove_prefix(1);
  }
  if (format.starts_with('X')) {
    found.hex = true;
    format.remove_prefix(1);
  }
  if (format.empty()) return std::nullopt;
  found.what = format[0];
  format.remove_prefix(1);
  return std::string_view("uvfg%").find(found.what) == std::string_view::npos ? std::nullopt
                                                                              : std::optional(found);
}

std::string converted(const Conversion& conversion, const Uidlist& list, const UidlistEntry& entry,
                      std::string_view file) {
  std::string text;
  switch (conversion.what) {
    case 'u':
    case 'v': {
      const std::uint32_t number = conversion.what == 'u' ? entry.uid : list.uid_validity;
      text = conversion.hex ? fmt::format("{:x}", number) : fmt::format("{}", number);
      break;
    }
    case 'f':
      text = file;
      break;
    case 'g':
      text = entry.guid.empty() ? std::string(file) : entry.guid;
      break;
    default:
      return "%";
  }
  if (text.size() < conversion.width)
    text.insert(0, conversion.width - text.size(), conversion.zero ? '0' : ' ');
  return text;
}

}  // namespace

Result<Uidlist> parse_uidlist(std::string_view text) {
  Uidlist list;
  bool has_fields = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;  // somebody was writing it
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1 ? read_header(line, list, has_fields) : read_entry(line, has_fields, list)) continue;
    return Error{ErrorKind::kCorrupt,
                 fmt::format("line {} of dovecot-uidlist is none that Dovecot writes", number)};
  }
  if (list.uid_validity == 0) return Error{ErrorKind::kCorrupt, "dovecot-uidlist has no first line"};
  return list;
}

Result<void> check_uidl_format(std::string_view format) {
  const Error wrong{
      ErrorKind::kInvalid,
      "--uidl-format is Dovecot's pop3_uidl_format, such as '%08Xu%08Xv' or '%f': %u, %v, %f and "
      "%g, with a width and X"};
  bool tells = false;
  while (!format.empty()) {
    if (format[0] != '%') {
      format.remove_prefix(1);
      continue;
    }
    const auto conversion = take_conversion(format);
    if (!conversion) return wrong;
    tells |= conversion->what != '%' && conversion->what != 'v';
  }
  return tells ? Result<void>() : wrong;
}

std::string format_uidl(std::string_view format, const Uidlist& list, const UidlistEntry& entry,
                        std::string_view file) {
  std::string text;
  while (!format.empty()) {
    if (format[0] != '%') {
      text += format[0];
      format.remove_prefix(1);
    } else if (const auto conversion = take_conversion(format)) {
      text += converted(*conversion, list, entry, file);
    }
  }
  return text;
}

}  // namespace mailstead::admin
