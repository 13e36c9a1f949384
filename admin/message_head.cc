#include "admin/message_head.h"

#include <optional>

#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kLongestValue = 1000;  // octets of a field that are looked at

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return std::nullopt;
}

// RFC 2047 4.2.
std::string decode_q(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' && i + 2 < text.size()) {
      const auto high = hex_value(text[i + 1]);
      const auto low = hex_value(text[i + 2]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    out += text[i] == '_' ? ' ' : text[i];
  }
  return out;
}

// RFC 2045 6.8; what is no base64 is passed over.
std::string decode_b(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) continue;
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

std::string utf8_of_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else if (byte < 0xA0) {
      out += '?';  // a control character
    } else {
      out += static_cast<char>(0xC0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

struct Word {
  std::string text;
  std::size_t end = 0;  // behind it
};

// The encoded word "=?charset?Q?text?=" at `from`, if there is one that we can read.
std::optional<Word> encoded_word(std::string_view value, std::size_t from) {
  const std::size_t charset_end = value.find('?', from + 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= value.size()) return std::nullopt;
  const char encoding = value[charset_end + 1];
  if (value[charset_end + 2] != '?') return std::nullopt;
  const std::size_t begin = charset_end + 3;
  const std::size_t end = value.find("?=", begin);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view charset = value.substr(from + 2, charset_end - from - 2);
  charset = charset.substr(0, charset.find('*'));  // RFC 2231 5: a language
  const std::string_view text = value.substr(begin, end - begin);
  std::string octets;
  if (encoding == 'Q' || encoding == 'q') {
    octets = decode_q(text);
  } else if (encoding == 'B' || encoding == 'b') {
    octets = decode_b(text);
  } else {
    return std::nullopt;
  }
  if (ascii::same(charset, "iso-8859-1")) {
    octets = utf8_of_latin1(octets);
  } else if (!ascii::same(charset, "utf-8") && !ascii::same(charset, "us-ascii")) {
    return std::nullopt;
  }
  return Word{std::move(octets), end + 2};
}

std::string unfolded(std::string_view value) {
  std::string out;
  for (const char c : ascii::trim(value)) {
    if (c == '\r' || c == '\n') continue;
    out += c == '\t' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string decode_words(std::string_view value) {
  std::string out;
  std::size_t at = 0;
  std::size_t last_end = std::string::npos;  // in `out`: where an encoded word ended
  while (at < value.size()) {
    if (value.substr(at, 2) == "=?") {
      if (auto word = encoded_word(value, at)) {
        // RFC 2047 6.2: blanks between two of them are not part of the text.
        if (last_end != std::string::npos && out.find_first_not_of(' ', last_end) == std::string::npos) {
          out.resize(last_end);
        }
        out += word->text;
        last_end = out.size();
        at = word->end;
        continue;
      }
    }
    out += value[at++];
  }
  return out;
}

MessageHead read_head(std::string_view beginning) {
  MessageHead head;
  while (!beginning.empty()) {
    // A field with the lines that go on with it.
    std::size_t end = 0;
    do {
      end = beginning.find('\n', end);
      end = end == std::string_view::npos ? beginning.size() : end + 1;
    } while (end < beginning.size() && (beginning[end] == ' ' || beginning[end] == '\t'));
    const std::string_view field = beginning.substr(0, end);
    beginning.remove_prefix(end);
    const std::size_t colon = field.find(':');
    if (field == "\r\n" || field == "\n" || colon == std::string_view::npos) break;
    const std::string_view name = ascii::trim_end(field.substr(0, colon));
    std::string* const into = ascii::same(name, "From")      ? &head.from
                              : ascii::same(name, "Subject") ? &head.subject
                              : ascii::same(name, "Date")    ? &head.date
                                                             : nullptr;
    if (into == nullptr || !into->empty()) continue;
    *into = printable(decode_words(unfolded(field.substr(colon + 1).substr(0, kLongestValue))));
  }
  return head;
}

}  // namespace mailstead::admin
