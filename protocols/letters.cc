#include "protocols/letters.h"

#include <unicase.h>
#include <uninorm.h>

#include <cstdlib>
#include <memory>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

// One for one: a name keeps its number of letters, and the full case folding would make "strauß" and
// "strauss" one mailbox.
char32_t fold(char32_t character) {
  constexpr char32_t kFinalSigma = 0x3c2;
  constexpr char32_t kSigma = 0x3c3;
  return character == kFinalSigma ? kSigma : static_cast<char32_t>(uc_tolower(character));
}

}  // namespace

std::string folded(std::string_view text) {
  if (utf8::is_ascii(text)) return ascii::lower(text);
  if (!utf8::is_valid(text)) return std::string(text);
  std::string small;
  for (std::string_view left = text; !left.empty();) {
    std::size_t octets = 0;
    const auto character = utf8::first_character(left, octets);
    utf8::append(fold(*character), small);
    left.remove_prefix(octets);
  }
  std::size_t length = 0;
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> composed(
      u8_normalize(UNINORM_NFC, reinterpret_cast<const std::uint8_t*>(small.data()), small.size(), nullptr,
                   &length),
      &std::free);
  if (composed == nullptr) return small;  // no memory
  return {reinterpret_cast<const char*>(composed.get()), length};
}

}  // namespace mailstead
