#include "protocols/origin/spf_macro.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/dns_message.h"

namespace mailstead {

namespace {

constexpr std::string_view kTermLetters = "slodiphv";
constexpr std::string_view kExplanationLetters = "crt";  // RFC 7208 7.2: there only
constexpr std::string_view kDelimiters = ".-+,/_=";

// A macro, or a character that stands for itself.
struct MacroPiece {
  char literal = '\0';
  std::string_view fixed;  // of "%%", "%_" and "%-"
  char letter = '\0';      // as it is written: a capital wants to be escaped
  std::size_t parts = 0;   // from the right; 0: all
  bool reversed = false;
  std::string_view delimiters;  // none: a dot
};

// What is behind "%{". nullopt: it is no macro.
std::optional<MacroPiece> take_braced(std::string_view& text) {
  MacroPiece piece;
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  std::string_view inside = text.substr(0, end);
  text.remove_prefix(end + 1);
  piece.letter = inside.front();
  inside.remove_prefix(1);
  const std::size_t digits =
      static_cast<std::size_t>(std::ranges::find_if_not(inside, ascii::is_digit) - inside.begin());
  if (digits > 0) {
    // RFC 7208 7.3: never zero. What is more than a name has labels is all of them.
    constexpr std::size_t kPlenty = 1000;
    for (const char digit : inside.substr(0, digits))
      piece.parts = std::min(piece.parts * 10 + static_cast<std::size_t>(digit - '0'), kPlenty);
    if (piece.parts == 0) return std::nullopt;
    inside.remove_prefix(digits);
  }
  if (!inside.empty() && ascii::lower(inside.front()) == 'r') {
    piece.reversed = true;
    inside.remove_prefix(1);
  }
  piece.delimiters = inside;
  if (inside.find_first_not_of(kDelimiters) != std::string_view::npos) return std::nullopt;
  const char letter = ascii::lower(piece.letter);
  if (kTermLetters.find(letter) == std::string_view::npos &&
      kExplanationLetters.find(letter) == std::string_view::npos)
    return std::nullopt;
  return piece;
}

// The next of `text`, which is not empty. nullopt: RFC 7208 7.1 has no such macro.
std::optional<MacroPiece> take_piece(std::string_view& text) {
  MacroPiece piece;
  piece.literal = text.front();
  text.remove_prefix(1);
  if (piece.literal != '%') return piece;
  if (text.empty()) return std::nullopt;
  const char kind = text.front();
  text.remove_prefix(1);
  switch (kind) {
    case '%':
      piece.fixed = "%";
      return piece;
    case '_':
      piece.fixed = " ";
      return piece;
    case '-':
      piece.fixed = "%20";
      return piece;
    case '{':
      return take_braced(text);
    default:
      return std::nullopt;
  }
}

bool may_stand(const MacroPiece& piece, SpfMacroUse use) {
  if (!piece.fixed.empty()) return true;
  if (piece.letter != '\0')
    return use != SpfMacroUse::kTerm ||
           kTermLetters.find(ascii::lower(piece.letter)) != std::string_view::npos;
  return ascii::is_printable(piece.literal) && (piece.literal != ' ' || use == SpfMacroUse::kExplanation);
}

// RFC 7208 7.1: letters, digits and hyphens, not all of it digits, no hyphen at an end.
bool is_top_label(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  const auto is_alphanumeric_or_hyphen = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-';
  };
  return std::ranges::all_of(label, is_alphanumeric_or_hyphen) &&
         !std::ranges::all_of(label, ascii::is_digit);
}

// RFC 7208 7.3: an IPv6 address is its 32 hexadecimal digits, with dots between them.
std::string dotted(const IpAddress& ip) {
  if (ip.is_ipv4()) return ip.text();
  std::string text;
  for (const std::uint8_t octet : ip.octets)
    fmt::format_to(std::back_inserter(text), "{:x}.{:x}.", octet >> 4, octet & 15);
  text.pop_back();
  return text;
}

std::string macro_value(char letter, const SpfMacroValues& values) {
  switch (letter) {
    case 's':
      return values.local_part + "@" + values.sender_domain;
    case 'l':
      return values.local_part;
    case 'o':
      return values.sender_domain;
    case 'd':
      return values.domain;
    case 'i':
      return dotted(values.ip);
    case 'p':
      return values.reverse_name;
    case 'v':
      return values.ip.is_ipv4() ? "in-addr" : "ip6";
    case 'h':
      return values.helo;
    case 'c':
      return values.ip.text();
    case 'r':
      return values.host;
    case 't':
      return std::to_string(values.now);
    default:
      return {};
  }
}

// RFC 7208 7.3: split, turned round, cut down to the parts at the right, and joined with dots.
std::string transformed(const std::string& value, const MacroPiece& piece) {
  const std::string_view delimiters = piece.delimiters.empty() ? std::string_view(".") : piece.delimiters;
  std::vector<std::string_view> parts;
  std::string_view rest = value;
  while (true) {
    const std::size_t at = rest.find_first_of(delimiters);
    parts.push_back(rest.substr(0, at));
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at + 1);
  }
  if (piece.reversed) std::ranges::reverse(parts);
  const std::size_t wanted = piece.parts == 0 ? parts.size() : std::min(piece.parts, parts.size());
  return fmt::format("{}", fmt::join(parts.end() - static_cast<std::ptrdiff_t>(wanted), parts.end(), "."));
}

// RFC 3986 2.3: everything but the unreserved characters.
std::string url_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (ascii::is_letter(c) || ascii::is_digit(c) ||
        std::string_view("-._~").find(c) != std::string_view::npos) {
      escaped += c;
    } else {
      fmt::format_to(std::back_inserter(escaped), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::string expanded(const MacroPiece& piece, const SpfMacroValues& values) {
  if (!piece.fixed.empty()) return std::string(piece.fixed);
  if (piece.letter == '\0') return std::string(1, piece.literal);
  std::string text = transformed(macro_value(ascii::lower(piece.letter), values), piece);
  return piece.letter == ascii::lower(piece.letter) ? text : url_escaped(text);
}

}  // namespace

bool is_spf_macro_string(std::string_view text, SpfMacroUse use) {
  while (!text.empty()) {
    const auto piece = take_piece(text);
    if (!piece || !may_stand(*piece, use)) return false;
  }
  return true;
}

bool is_spf_domain_spec(std::string_view text) {
  bool ends_in_macro = false;
  for (std::string_view rest = text; !rest.empty();) {
    const auto piece = take_piece(rest);
    if (!piece || !may_stand(*piece, SpfMacroUse::kTerm)) return false;
    ends_in_macro = !piece->fixed.empty() || piece->letter != '\0';
  }
  if (ends_in_macro) return true;
  if (text.ends_with('.')) text.remove_suffix(1);
  // A dot inside of a macro is no border of labels; but then its "}" is in what would be the label.
  const std::size_t dot = text.rfind('.');
  return dot != std::string_view::npos && is_top_label(text.substr(dot + 1));
}

bool uses_spf_macro(std::string_view text, char letter) {
  while (!text.empty()) {
    const auto piece = take_piece(text);
    if (!piece) return false;
    if (ascii::lower(piece->letter) == letter) return true;
  }
  return false;
}

std::optional<std::string> expand_spf_domain(std::string_view text, const SpfMacroValues& values) {
  std::string name;
  while (!text.empty()) {
    const auto piece = take_piece(text);
    if (!piece) return std::nullopt;
    name += expanded(*piece, values);
    // What is cut off below, sooner: who writes many macros shall not make us hold much. One octet more, to
    // see that there was more, and one for the dot at the end.
    if (name.size() > dns::kMaxText + 2) name.erase(0, name.size() - (dns::kMaxText + 2));
  }
  if (name.ends_with('.')) name.pop_back();
  while (name.size() > dns::kMaxText) {
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) return std::nullopt;
    name.erase(0, dot + 1);
  }
  if (!dns::is_name(name)) return std::nullopt;
  return ascii::lower(name);
}

std::optional<std::string> expand_spf_explanation(std::string_view text, const SpfMacroValues& values) {
  if (text.size() > kMaxSpfMacroString) return std::nullopt;
  std::string words;
  while (!text.empty()) {
    const auto piece = take_piece(text);
    if (!piece) return std::nullopt;
    words += expanded(*piece, values);
    if (words.size() > kMaxSpfExplanation) return std::nullopt;
  }
  // RFC 7208 6.2: US-ASCII, and whatever a client or its HELO had in it, no line of a reply of its own.
  if (!std::ranges::all_of(words, ascii::is_printable)) return std::nullopt;
  return words;
}

}  // namespace mailstead
