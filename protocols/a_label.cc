#include "protocols/a_label.h"

#include <unictype.h>

#include <algorithm>
#include <cstdint>

#include "protocols/address.h"
#include "protocols/letters.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

// RFC 3492 5.
constexpr std::uint32_t kBase = 36;
constexpr std::uint32_t kLeast = 1;
constexpr std::uint32_t kMostOfPunycode = 26;
constexpr std::uint32_t kSkew = 38;
constexpr std::uint32_t kDamp = 700;
constexpr std::uint32_t kFirstBias = 72;
constexpr std::uint32_t kFirstCharacter = 0x80;

constexpr std::size_t kMaxALabel = 63;  // octets, RFC 1035 2.3.4; no fewer than characters

char digit(std::uint32_t value) {
  return static_cast<char>(value < 26 ? 'a' + value : '0' + (value - 26));
}

// RFC 3492 6.1.
std::uint32_t adapted_bias(std::uint32_t delta, std::uint32_t count, bool first) {
  delta = first ? delta / kDamp : delta / 2;
  delta += delta / count;
  std::uint32_t k = 0;
  while (delta > ((kBase - kLeast) * kMostOfPunycode) / 2) {
    delta /= kBase - kLeast;
    k += kBase;
  }
  return k + (kBase - kLeast + 1) * delta / (delta + kSkew);
}

// RFC 3492 6.3. A label has few characters, so nothing here can overflow.
std::string punycode(const std::u32string& label) {
  std::string out;
  for (const char32_t c : label) {
    if (c < kFirstCharacter) out += static_cast<char>(c);
  }
  const auto basic = static_cast<std::uint32_t>(out.size());
  if (basic > 0) out += '-';
  std::uint32_t character = kFirstCharacter;
  std::uint32_t delta = 0;
  std::uint32_t bias = kFirstBias;
  for (std::uint32_t done = basic; done < label.size();) {
    std::uint32_t next = 0x110000;
    for (const char32_t c : label) {
      if (c >= character) next = std::min<std::uint32_t>(next, c);
    }
    delta += (next - character) * (done + 1);
    character = next;
    for (const char32_t c : label) {
      if (c < character) ++delta;
      if (c != character) continue;
      std::uint32_t rest = delta;
      for (std::uint32_t k = kBase;; k += kBase) {
        const std::uint32_t threshold = k <= bias ? kLeast : std::min(k - bias, kMostOfPunycode);
        if (rest < threshold) break;
        out += digit(threshold + (rest - threshold) % (kBase - threshold));
        rest = (rest - threshold) / (kBase - threshold);
      }
      out += digit(rest);
      bias = adapted_bias(delta, done + 1, done == basic);
      delta = 0;
      ++done;
    }
    ++delta;
    ++character;
  }
  return out;
}

std::optional<std::uint32_t> digit_value(char c) {
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a');
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 26);
  return std::nullopt;
}

// RFC 3492 6.2, of a label without its "xn--".
std::optional<std::u32string> from_punycode(std::string_view text) {
  constexpr std::uint64_t kMostDelta = 0x110000 * 64;  // nothing in a label needs more
  std::u32string characters;
  if (const std::size_t hyphen = text.rfind('-'); hyphen != std::string_view::npos) {
    for (const char c : text.substr(0, hyphen)) characters += static_cast<unsigned char>(c);
    text.remove_prefix(hyphen + 1);
  }
  std::uint32_t bias = kFirstBias;
  std::uint64_t character = kFirstCharacter;
  std::uint64_t place = 0;
  while (!text.empty()) {
    const std::uint64_t before = place;
    std::uint64_t weight = 1;
    for (std::uint32_t k = kBase;; k += kBase) {
      const auto value = text.empty() ? std::nullopt : digit_value(text.front());
      if (!value || place > kMostDelta || weight > kMostDelta) return std::nullopt;
      text.remove_prefix(1);
      place += *value * weight;
      const std::uint32_t threshold = k <= bias ? kLeast : std::min(k - bias, kMostOfPunycode);
      if (*value < threshold) break;
      weight *= kBase - threshold;
    }
    const std::uint64_t count = characters.size() + 1;
    if (place - before > kMostDelta) return std::nullopt;
    bias = adapted_bias(static_cast<std::uint32_t>(place - before), static_cast<std::uint32_t>(count),
                        before == 0 && character == kFirstCharacter);
    character += place / count;
    place %= count;
    if (character > 0x10FFFF) return std::nullopt;
    characters.insert(characters.begin() + static_cast<std::ptrdiff_t>(place++),
                      static_cast<char32_t>(character));
  }
  return characters;
}

// Some letters and marks cannot be seen either (fillers, variation selectors), and some are another way to
// write others: is_unambiguous() knows them.
bool is_label_character(char32_t c) {
  constexpr std::uint32_t kLetterDigits =
      UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc | UC_CATEGORY_MASK_Nd;  // RFC 5892 2.1
  return c == '-' || uc_is_general_category_withtable(c, kLetterDigits);
}

bool is_u_label(const std::u32string& characters) {
  // RFC 5891 4.2.3.2: a mark at the start would be one of the dot before it.
  return !characters.empty() && !uc_is_general_category_withtable(characters.front(), UC_CATEGORY_MASK_M) &&
         std::ranges::all_of(characters, is_label_character);
}

std::string unicode_label(std::string_view label) {
  constexpr std::string_view kPrefix = "xn--";
  if (!label.starts_with(kPrefix) || label.size() > kMaxALabel) return std::string(label);
  const auto characters = from_punycode(label.substr(kPrefix.size()));
  if (!characters || !is_u_label(*characters)) return std::string(label);
  std::string text;
  for (const char32_t c : *characters) utf8::append(c, text);
  return is_unambiguous(text) && ascii_domain(text) == label ? text : std::string(label);
}

std::optional<std::string> ascii_label(std::string_view label) {
  if (utf8::is_ascii(label)) return std::string(label);
  std::u32string characters;
  std::size_t octets = 0;
  while (!label.empty()) {
    const auto c = utf8::first_character(label, octets);
    if (!c || characters.size() == kMaxALabel) return std::nullopt;
    characters += *c;
    label.remove_prefix(octets);
  }
  return "xn--" + punycode(characters);
}

}  // namespace

// A label in a message is one of IDNA2008, in small letters; what people type may have capitals.
std::optional<std::string> ascii_domain(std::string_view text) {
  const std::string small = folded(text);
  std::string_view domain = small;
  std::string result;
  while (true) {
    const std::size_t dot = domain.find('.');
    const auto label = ascii_label(domain.substr(0, dot));
    if (!label) return std::nullopt;
    result += *label;
    if (dot == std::string_view::npos) break;
    result += '.';
    domain.remove_prefix(dot + 1);
  }
  return parse_domain(result);
}

std::string unicode_domain(std::string_view domain) {
  std::string result;
  while (true) {
    const std::size_t dot = domain.find('.');
    result += unicode_label(domain.substr(0, dot));
    if (dot == std::string_view::npos) return result;
    result += '.';
    domain.remove_prefix(dot + 1);
  }
}

}  // namespace mailstead
