#include "admin/commands/message_head.h"

#include <optional>

#include "admin/text.h"
#include "protocols/ascii.h"
#include "protocols/origin/results_border.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kLongestValue = 1000;  // octets of a field that are looked at

// RFC 2047 4.2.
std::string decode_q(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' && i + 2 < text.size()) {
      const auto high = ascii::hex_value(text[i + 1]);
      const auto low = ascii::hex_value(text[i + 2]);
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

// Of "from HELO ([192.0.2.1]) by HOST with ESMTPS (TLSv1.3) id ID; DATE" what is of the other side.
std::string came(const std::string& trace) {
  const std::size_t by = trace.find(" by ");
  const std::size_t with = trace.find(" with ", by == std::string::npos ? 0 : by);
  const std::size_t id = trace.find(" id ", with == std::string::npos ? 0 : with);
  if (!trace.starts_with("from ") || by == std::string::npos || with == std::string::npos ||
      id == std::string::npos)
    return {};
  return printable(trace.substr(0, by) + trace.substr(with, id - with));
}

// Of the same line the host that wrote it: ours, by the name that it had then.
std::string receiver(const std::string& trace) {
  const std::size_t by = trace.find(" by ");
  if (!trace.starts_with("from ") || by == std::string::npos) return {};
  const std::size_t begin = by + 4;
  return trace.substr(begin, trace.find(' ', begin) - begin);
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

MessageHead read_head(std::string_view beginning, std::string_view host) {
  MessageHead head;
  bool is_ours = true;  // what stands above our trace line
  std::vector<std::string_view> results;
  std::string trace;
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
    if (is_ours && ascii::same(name, "Received")) {
      trace = unfolded(field.substr(colon + 1).substr(0, kLongestValue));
      head.came = came(trace);
    }
    is_ours = is_ours && !ascii::same(name, "Received");
    if (is_ours && ascii::same(name, kResultsName)) results.push_back(field);
    std::string* const into = ascii::same(name, "From")                     ? &head.from
                              : ascii::same(name, "Subject")                ? &head.subject
                              : ascii::same(name, "Date")                   ? &head.date
                              : is_ours && ascii::same(name, "Return-Path") ? &head.return_path
                                                                            : nullptr;
    if (into == nullptr || !into->empty()) continue;
    *into = printable(decode_words(unfolded(field.substr(colon + 1).substr(0, kLongestValue))));
  }
  const std::string then = receiver(trace);
  for (const std::string_view field : results) {
    if (!head.checks.empty()) break;
    if (claims_results_of(field, host) || (!then.empty() && claims_results_of(field, then)))
      head.checks = results_told(field);
  }
  return head;
}

bool names_address(std::string_view text, const Address& address) {
  const std::string said = ascii::lower(text);
  const std::string wanted = ascii::lower(address.text());
  return said == wanted || said.find('<' + wanted + '>') != std::string::npos;
}

}  // namespace mailstead::admin
