#include "protocols/header_token.h"

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr auto kNone = std::string_view::npos;

// Behind the octet that ends what begins at `from`. Quoted pairs count as text; comments nest.
std::size_t end_of(std::string_view value, std::size_t from, char open, char close) {
  std::size_t depth = 0;
  for (std::size_t i = from; i < value.size(); ++i) {
    if (value[i] == '\\') {
      ++i;
    } else if (value[i] == close && depth > 0) {
      if (--depth == 0) return i + 1;
    } else if (value[i] == open) {
      ++depth;
    }
  }
  return kNone;
}

std::size_t end_of_quoted(std::string_view value, std::size_t from) {
  for (std::size_t i = from + 1; i < value.size(); ++i) {
    if (value[i] == '\\') {
      ++i;
    } else if (value[i] == '"') {
      return i + 1;
    }
  }
  return kNone;
}

}  // namespace

std::optional<std::vector<HeaderToken>> header_tokens(std::string_view value, std::string_view specials) {
  using enum HeaderToken::Kind;
  std::vector<HeaderToken> tokens;
  bool blank = false;
  std::size_t i = 0;
  const auto add = [&](HeaderToken::Kind kind, std::size_t end) {
    tokens.push_back({kind, value.substr(i, end - i), blank});
    blank = false;
    i = end;
  };
  while (i < value.size()) {
    const char c = value[i];
    if (ascii::is_blank(c)) {
      blank = true;
      ++i;
    } else if (c == '"' || c == '(') {
      const std::size_t end = c == '"' ? end_of_quoted(value, i) : end_of(value, i, '(', ')');
      if (end == kNone) return std::nullopt;
      add(c == '"' ? kQuoted : kComment, end);
    } else if (specials.find(c) != kNone) {
      add(kSpecial, i + 1);
    } else {
      std::size_t end = i;
      while (end < value.size() && !ascii::is_blank(value[end]) && value[end] != '"' && value[end] != '(' &&
             specials.find(value[end]) == kNone) {
        end = value[end] == '[' ? end_of(value, end, '[', ']') : end + 1;
        if (end == kNone) return std::nullopt;
      }
      add(kText, end);
    }
  }
  return tokens;
}

void skip_comments(std::string_view& value) {
  while (true) {
    value.remove_prefix(std::min(value.find_first_not_of(" \t\r\n"), value.size()));
    const std::size_t end = value.starts_with('(') ? end_of(value, 0, '(', ')') : kNone;
    if (end == kNone) return;
    value.remove_prefix(end);
  }
}

std::string unquoted(std::string_view token) {
  std::string text;
  for (std::size_t i = 1; i + 1 < token.size(); ++i) {
    if (token[i] == '\\' && i + 2 < token.size()) ++i;
    text += token[i];
  }
  return text;
}

std::vector<std::string_view> mime_parts(std::string_view value) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  std::size_t i = 0;
  // One without an end is text, and so are all behind it: each look for an end may go through the whole
  // value.
  bool has_quotes = true;
  bool has_comments = true;
  while (i < value.size()) {
    std::size_t end = i + 1;
    if (value[i] == '"' && has_quotes) {
      end = end_of_quoted(value, i);
      has_quotes = end != kNone;
    } else if (value[i] == '(' && has_comments) {
      end = end_of(value, i, '(', ')');
      has_comments = end != kNone;
    } else if (value[i] == ';') {
      parts.push_back(ascii::trim(value.substr(begin, i - begin)));
      begin = end;
    }
    i = end == kNone ? i + 1 : end;
  }
  parts.push_back(ascii::trim(value.substr(begin)));
  return parts;
}

std::string unfolded_value(std::string_view field) {
  const std::size_t name = field_name(field).size();
  if (name > 0) field.remove_prefix(field.find(':') + 1);
  std::string value;
  for (const char c : field) {
    if (c != '\r' && c != '\n') value += c;
  }
  return std::string(ascii::trim(value));
}

std::string_view field_name(std::string_view field) {
  const std::size_t colon = std::min(field.find_first_of(":\n"), field.size());
  if (colon == field.size() || field[colon] != ':') return {};
  // RFC 5322 3.6.8: printable ASCII; 4.5: older writers put blanks before the colon.
  const std::string_view name = ascii::trim_end(field.substr(0, colon));
  const bool good = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  return good ? name : std::string_view();
}

NameMatch match_name(std::string_view field, std::string_view name) {
  bool clear = true;
  bool behind_blank = false;
  for (const char c : field) {
    const bool is_text = c > ' ' && c <= '~';
    if (!is_text) {
      behind_blank = name.empty();
      clear &= behind_blank && ascii::is_blank(c);
    } else if (name.empty()) {
      if (c == ':') return clear ? NameMatch::kSame : NameMatch::kUnclear;
      return behind_blank ? NameMatch::kUnclear : NameMatch::kOther;
    } else if (ascii::lower(c) == ascii::lower(name.front())) {
      name.remove_prefix(1);
    } else {
      return NameMatch::kOther;
    }
  }
  return name.empty() ? NameMatch::kUnclear : NameMatch::kBeginning;
}

}  // namespace mailstead
