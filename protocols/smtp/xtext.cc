#include "protocols/smtp/xtext.h"

#include <fmt/format.h>

namespace mailstead {

namespace {

bool stands_for_itself(char c) {
  return c > ' ' && c < 0x7F && c != '+' && c != '=';
}

// RFC 3461 4: capital letters only.
std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::string encode_xtext(std::string_view octets) {
  std::string text;
  for (const char c : octets) {
    if (stands_for_itself(c)) {
      text += c;
    } else {
      text += fmt::format("+{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string octets;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '+') {
      if (!stands_for_itself(text[i])) return std::nullopt;
      octets += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    octets += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return octets;
}

}  // namespace mailstead
