#include "protocols/auth/saslprep.h"

#include <openssl/mem.h>
#include <stringprep.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "protocols/utf8.h"

namespace mailstead::saslprep {
namespace {

// The most that a character of Unicode 3.2 becomes by NFKC: U+FDFA.
constexpr std::size_t kMostOfOne = 18;

// What may be a password does not stay behind in memory.
class Characters {
 public:
  explicit Characters(std::size_t capacity) : characters_(capacity) {}
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;
  ~Characters() { OPENSSL_cleanse(characters_.data(), characters_.size() * sizeof(std::uint32_t)); }

  void append(char32_t character) { characters_[size_++] = character; }
  // Is it prepared now?
  bool prepare(Use use) {
    const auto flags = use == Use::kStored ? STRINGPREP_NO_UNASSIGNED : Stringprep_profile_flags{};
    return stringprep_4i(characters_.data(), &size_, characters_.size(), flags, stringprep_saslprep) ==
           STRINGPREP_OK;
  }
  std::string text() const {
    std::string text;
    text.reserve(size_ * 4);  // grown in place, it leaves no copies
    for (std::size_t i = 0; i < size_; ++i) utf8::append(characters_[i], text);
    return text;
  }

 private:
  std::vector<std::uint32_t> characters_;
  std::size_t size_ = 0;
};

}  // namespace

std::optional<std::string> prepare(std::string_view text, Use use) {
  if (text.empty() || text.size() > kMaxText) return std::nullopt;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  // RFC 4013 2.3. The library, besides, would take a NUL for the end.
  if (std::any_of(text.begin(), text.end(), is_control)) return std::nullopt;
  if (utf8::is_ascii(text)) return std::string(text);
  Characters characters(text.size() * kMostOfOne);
  while (!text.empty()) {
    std::size_t octets = 0;
    const auto character = utf8::first_character(text, octets);
    if (!character) return std::nullopt;
    characters.append(*character);
    text.remove_prefix(octets);
  }
  if (!characters.prepare(use)) return std::nullopt;
  std::string prepared = characters.text();
  if (prepared.empty()) return std::nullopt;
  return prepared;
}

}  // namespace mailstead::saslprep
