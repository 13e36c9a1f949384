#include "protocols/letters.h"

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include <cstdlib>
#include <memory>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

// One for one: a name keeps its number of letters, and the full case folding would make "strauß" and
// "strauss" one mailbox.
void append_folded(char32_t character, std::string& into) {
  constexpr char32_t kFinalSigma = 0x3c2;
  constexpr char32_t kSigma = 0x3c3;
  constexpr char32_t kCapitalDottedI = 0x130;
  constexpr char32_t kDotAbove = 0x307;
  if (character == kCapitalDottedI) {  // the library drops the dot, which it does not when it stands apart
    utf8::append('i', into);
    utf8::append(kDotAbove, into);
  } else {
    utf8::append(character == kFinalSigma ? kSigma : static_cast<char32_t>(uc_tolower(character)), into);
  }
}

std::string normalised(std::string_view text, uninorm_t form) {
  std::size_t length = 0;
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> made(
      u8_normalize(form, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), nullptr, &length),
      &std::free);
  if (made == nullptr) return std::string(text);  // no memory
  return {reinterpret_cast<const char*>(made.get()), length};
}

}  // namespace

std::string folded(std::string_view text) {
  if (utf8::is_ascii(text)) return ascii::lower(text);
  if (!utf8::is_valid(text)) return std::string(text);
  std::string small;
  for (std::string_view left = text; !left.empty();) {
    std::size_t octets = 0;
    const auto character = utf8::first_character(left, octets);
    append_folded(*character, small);
    left.remove_prefix(octets);
  }
  return normalised(small, UNINORM_NFC);
}

bool is_unambiguous(std::string_view text) {
  constexpr char32_t kNonJoiner = 0x200c;  // RFC 5892 A.1, A.2: some scripts need the two
  constexpr char32_t kJoiner = 0x200d;
  for (std::string_view left = text; !left.empty();) {
    std::size_t octets = 0;
    const auto character = utf8::first_character(left, octets);
    if (!character) return false;
    const bool joins = *character == kNonJoiner || *character == kJoiner;
    const bool unseen =
        uc_is_property_white_space(*character) || uc_is_property_default_ignorable_code_point(*character);
    if (unseen && !joins) return false;
    left.remove_prefix(octets);
  }
  return normalised(text, UNINORM_NFKC) == normalised(text, UNINORM_NFC);
}

bool is_seen_whole(std::string_view text) {
  return text.find("\xe2\x80\x8c") == std::string_view::npos &&
         text.find("\xe2\x80\x8d") == std::string_view::npos && is_unambiguous(text);
}

}  // namespace mailstead
