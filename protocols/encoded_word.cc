#include "protocols/encoded_word.h"

#include <fmt/format.h>
#include <openssl/base64.h>

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxLine = 78;         // octets without CRLF, RFC 5322 2.1.1
constexpr std::size_t kMaxEncodedWord = 75;  // octets, RFC 2047 2
constexpr std::string_view kNotPlain = "%*'()<>@,;:\\\"/[]?=";

std::string_view charset_of(std::string_view text) {
  return utf8::is_valid(text) ? "UTF-8" : "unknown-8bit";
}

// What may stand as itself in "Q", wherever the encoded-word stands: RFC 2047 5 (3).
bool is_plain_in_q(char c) {
  return ascii::is_letter(c) || ascii::is_digit(c) || c == '!' || c == '*' || c == '+' || c == '-' ||
         c == '/';
}

// RFC 2231 7: attribute-char.
bool is_attribute_char(char c) {
  return c > ' ' && ascii::is_printable(c) && kNotPlain.find(c) == std::string_view::npos;
}

void append_hex(char mark, char c, std::string& into) {
  into += fmt::format("{}{:02X}", mark, static_cast<unsigned char>(c));
}

std::string q_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += '_';
    } else if (is_plain_in_q(c)) {
      out += c;
    } else {
      append_hex('=', c, out);
    }
  }
  return out;
}

std::size_t q_length(std::string_view text) {
  std::size_t length = 0;
  for (const char c : text) length += c == ' ' || is_plain_in_q(c) ? 1 : 3;
  return length;
}

std::size_t b_length(std::string_view text) {
  return (text.size() + 2) / 3 * 4;
}

std::string b_encoded(std::string_view text) {
  std::string out(b_length(text) + 1, '\0');
  out.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(out.data()),
                             reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return out;
}

// How much of `text` has room: whole characters, at least one. RFC 2047 5: none is cut in two.
std::size_t fitting(std::string_view text, std::size_t room, std::size_t (*length)(std::string_view)) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t octets = 1;
    if (!utf8::first_character(text.substr(end), octets)) octets = 1;
    if (end > 0 && length(text.substr(0, end + octets)) > room) break;
    end += octets;
    if (end > room) break;
  }
  return end;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_attribute_char(c)) {
      out += c;
    } else {
      append_hex('%', c, out);
    }
  }
  return out;
}

std::string extended_value(std::string_view text) {
  return fmt::format("{}''{}", charset_of(text), percent_encoded(text));
}

bool looks_encoded(std::string_view word) {
  return word.size() > 8 && utf8::is_ascii(word) && word.starts_with("=?") && word.ends_with("?=");
}

FoldedField::FoldedField(std::string_view name) : text_(name), column_(name.size() + 1) {
  text_ += ':';
}

void FoldedField::put(std::string_view blank, std::string_view word) {
  if (!blank.empty() && column_ + blank.size() + word.size() > kMaxLine) {
    text_ += "\r\n";
    column_ = 0;
  }
  text_ += blank;
  text_ += word;
  column_ += blank.size() + word.size();
}

void FoldedField::put_verbatim(std::string_view blank, std::string_view words) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find_first_of(" \t"), words.size());
    put(blank, words.substr(0, end));
    words.remove_prefix(end);
    const std::size_t next = std::min(words.find_first_not_of(" \t"), words.size());
    blank = words.substr(0, next);
    words.remove_prefix(next);
  }
}

void FoldedField::put_encoded(std::string_view blank, std::string_view text, std::string_view before,
                              std::string_view after) {
  const std::string_view charset = charset_of(text);
  // What is mostly ASCII can still be read in "Q" (RFC 2047 4), which may cost a little.
  const bool q = q_length(text) <= b_length(text) + 4;
  const std::size_t around = charset.size() + 7;  // =?…?Q?…?=
  do {
    std::size_t room = kMaxEncodedWord - around;
    // What is left of this line is used when it is worth it.
    const std::size_t used = column_ + blank.size() + before.size() + around + after.size();
    constexpr std::size_t kWorthIt = 16;
    if (used + kWorthIt < kMaxLine) room = std::min(room, kMaxLine - used);
    const std::size_t length = fitting(text, room, q ? q_length : b_length);
    const std::string_view piece = text.substr(0, length);
    text.remove_prefix(length);
    put(blank, fmt::format("{}=?{}?{}?{}?={}", before, charset, q ? 'Q' : 'B',
                           q ? q_encoded(piece) : b_encoded(piece), text.empty() ? after : ""));
    blank = " ";
    before = {};
  } while (!text.empty());
}

}  // namespace mailstead
