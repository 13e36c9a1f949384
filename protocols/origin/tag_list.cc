#include "protocols/origin/tag_list.h"

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr bool is_space(char c) {
  return ascii::is_blank(c) || c == '\r' || c == '\n';
}

// RFC 6376 3.2: ALPHA and then letters, digits, underscores.
bool is_tag_name(std::string_view name) {
  return !name.empty() && ascii::is_letter(name.front()) && std::ranges::all_of(name, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_';
  });
}

// RFC 6376 3.2, and UTF-8 in it (RFC 8616 5). A line end is one only in a fold.
bool is_tag_value(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\r') {
      if (i + 2 >= value.size() || value[i + 1] != '\n' || !ascii::is_blank(value[i + 2])) return false;
      i += 2;
    } else if (!ascii::is_printable(c) && c != '\t' && static_cast<unsigned char>(c) < 0x80) {
      return false;
    }
  }
  return utf8::is_valid(value);
}

}  // namespace

std::string_view without_space_around(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string without_space(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  std::ranges::remove_copy_if(text, std::back_inserter(result), is_space);
  return result;
}

std::optional<TagList> TagList::parse(std::string_view text) {
  TagList list;
  if (!is_tag_value(text)) return std::nullopt;
  while (true) {
    const bool is_last = text.find(';') == std::string_view::npos;
    std::string_view rest = ascii::take_until(text, ';');
    // Only behind the last semicolon there may be nothing.
    if (is_last && !list.tags_.empty() && without_space_around(rest).empty()) break;
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = without_space_around(rest.substr(0, equals));
    rest.remove_prefix(equals + 1);
    if (!is_tag_name(name) || list.find(name) != nullptr || list.tags_.size() == kMaxTags) {
      return std::nullopt;
    }
    list.tags_.push_back({name, without_space_around(rest), rest});
    if (is_last) break;
  }
  return list;
}

const Tag* TagList::find(std::string_view name) const {
  const auto found = std::ranges::find(tags_, name, &Tag::name);
  return found == tags_.end() ? nullptr : &*found;
}

std::optional<std::string_view> TagList::value(std::string_view name) const {
  const Tag* const tag = find(name);
  if (tag == nullptr) return std::nullopt;
  return tag->value;
}

void for_each_part(std::string_view text, const std::function<bool(std::string_view)>& each) {
  while (true) {
    const bool is_last = text.find(':') == std::string_view::npos;
    if (!each(without_space_around(ascii::take_until(text, ':'))) || is_last) return;
  }
}

bool has_part(std::string_view text, std::string_view wanted) {
  bool found = false;
  for_each_part(text, [&](std::string_view part) {
    found = part == wanted;
    return !found;
  });
  return found;
}

std::optional<std::string> folded_base64(std::string_view text) {
  std::string squeezed = without_space(text);
  // RFC 6376 2.10: it may lack its padding.
  if (const std::size_t past = squeezed.size() % 4; past > 1) squeezed.append(4 - past, '=');
  return base64::decode(squeezed);
}

}  // namespace mailstead
