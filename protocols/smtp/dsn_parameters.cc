#include "protocols/smtp/dsn_parameters.h"

#include <algorithm>
#include <charconv>

#include "protocols/ascii.h"
#include "protocols/smtp/xtext.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostEnvelopeId = 100;  // RFC 3461 4.4, as it comes
constexpr std::size_t kMostOriginal = 500;    // RFC 3461 4.2

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, ascii::is_printable);
}

// Beyond ASCII, and without control characters.
bool is_plain_utf8(std::string_view text) {
  if (utf8::is_ascii(text) || !utf8::is_valid(text)) return false;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, utf8::length(text));
    if (utf8::is_control(character)) return false;
    text.remove_prefix(character.size());
  }
  return true;
}

// Octets beyond ASCII as xtext has them; all others as they are.
std::string encoded_octets(std::string_view text) {
  std::string encoded;
  for (const char c : text) encoded += utf8::is_ascii({&c, 1}) ? std::string(1, c) : encode_xtext({&c, 1});
  return encoded;
}

// RFC 6533 3: "\x{E4}" stands for a character; in utf-8-addr-unitext characters stand for themselves.
std::optional<std::string> decode_utf8_address(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    if (!text.starts_with("\\x{")) {
      if (text.front() == '\\' || text.front() == ' ') return std::nullopt;
      decoded += text.front();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t end = text.find('}');
    std::uint32_t value = 0;
    if (end == std::string_view::npos || end < 5 || end > 9) return std::nullopt;
    const auto [stop, error] = std::from_chars(text.data() + 3, text.data() + end, value, 16);
    if (error != std::errc() || stop != text.data() + end || value > 0x10FFFF) return std::nullopt;
    utf8::append(static_cast<char32_t>(value), decoded);
    text.remove_prefix(end + 1);
  }
  if (!utf8::is_valid(decoded)) return std::nullopt;
  for (std::string_view rest = decoded; !rest.empty(); rest.remove_prefix(utf8::length(rest))) {
    if (utf8::is_control(rest.substr(0, utf8::length(rest)))) return std::nullopt;
  }
  return decoded;
}

}  // namespace

std::optional<ReturnedContent> parse_returned(std::string_view value) {
  if (ascii::same(value, "FULL")) return ReturnedContent::kFull;
  if (ascii::same(value, "HDRS")) return ReturnedContent::kHeaders;
  return std::nullopt;
}

std::optional<std::string> parse_envelope_id(std::string_view value) {
  if (value.empty() || value.size() > kMostEnvelopeId) return std::nullopt;
  auto id = decode_xtext(value);
  // RFC 3461 4.4: printable before it was encoded.
  if (!id || !is_printable(*id)) return std::nullopt;
  return id;
}

std::optional<Notify> parse_notify(std::string_view value) {
  Notify notify;
  if (ascii::same(value, "NEVER")) return notify;
  while (true) {
    const std::size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    bool* const wanted = ascii::same(word, "SUCCESS")   ? &notify.success
                         : ascii::same(word, "FAILURE") ? &notify.failure
                         : ascii::same(word, "DELAY")   ? &notify.delay
                                                        : nullptr;
    if (wanted == nullptr) return std::nullopt;
    *wanted = true;
    if (comma == std::string_view::npos) return notify;
    value.remove_prefix(comma + 1);
  }
}

std::optional<std::string> parse_original_recipient(std::string_view value, bool smtputf8) {
  const std::size_t semicolon = value.find(';');
  if (value.size() > kMostOriginal || semicolon == std::string_view::npos || semicolon == 0)
    return std::nullopt;
  const std::string_view type = value.substr(0, semicolon);
  const std::string_view text = value.substr(semicolon + 1);
  const bool is_atom =
      std::ranges::all_of(type, [](char c) { return ascii::is_letter(c) || ascii::is_digit(c) || c == '-'; });
  if (!is_atom || text.empty()) return std::nullopt;
  std::optional<std::string> address;
  if (ascii::same(type, "utf-8") && (smtputf8 || utf8::is_ascii(text))) {
    const auto plain = text.find('+') == std::string_view::npos ? std::string(text) : decode_xtext(text);
    if (plain) address = decode_utf8_address(*plain);
  } else {
    address = decode_xtext(utf8::is_ascii(text) || !smtputf8 ? std::string(text) : encoded_octets(text));
    // RFC 6533 3 wants "utf-8" for it, and Postfix says "rfc822": better that than no mail.
    if (address && smtputf8 && ascii::same(type, "rfc822") && is_plain_utf8(*address))
      return "utf-8;" + *address;
    if (address && !is_printable(*address)) address.reset();
  }
  if (!address) return std::nullopt;
  return std::string(type) + ';' + *address;
}

std::optional<Notify> both(const std::optional<Notify>& a, const std::optional<Notify>& b) {
  if (!a && !b) return std::nullopt;
  const Notify not_said{false, true, true};
  const Notify x = a.value_or(not_said);
  const Notify y = b.value_or(not_said);
  return Notify{x.success || y.success, x.failure || y.failure, x.delay || y.delay};
}

}  // namespace mailstead
