#include "protocols/utf8.h"

namespace mailstead::utf8 {
namespace {

// What the first octet says: how many follow, its own bits, and the least character that needs so many.
struct Form {
  std::size_t following;
  unsigned char bits;
  char32_t least;
};

std::optional<Form> form_of(unsigned char first) {
  if (first < 0x80) return Form{0, 0x7f, 0};
  if (first >= 0xc2 && first <= 0xdf) return Form{1, 0x1f, 0x80};
  if (first >= 0xe0 && first <= 0xef) return Form{2, 0x0f, 0x800};
  if (first >= 0xf0 && first <= 0xf4) return Form{3, 0x07, 0x10000};
  return std::nullopt;
}

}  // namespace

std::optional<char32_t> first_character(std::string_view text, std::size_t& octets) {
  if (text.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(text.front());
  const auto form = form_of(first);
  if (!form || form->following >= text.size()) return std::nullopt;
  char32_t character = first & form->bits;
  for (std::size_t i = 1; i <= form->following; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    character = (character << 6) | (next & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  if (character < form->least || character > 0x10ffff || surrogate) return std::nullopt;
  octets = form->following + 1;
  return character;
}

std::size_t length(std::string_view text) {
  std::size_t octets = 0;
  return first_character(text, octets) ? octets : 0;
}

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

bool turns_direction(std::string_view character) {
  return (character >= "\xe2\x80\xaa" && character <= "\xe2\x80\xae") ||
         (character >= "\xe2\x81\xa6" && character <= "\xe2\x81\xa9");
}

bool is_valid(std::string_view text) {
  std::size_t octets = 0;
  while (!text.empty()) {
    if (!first_character(text, octets)) return false;
    text.remove_prefix(octets);
  }
  return true;
}

void append(char32_t character, std::string& into) {
  const auto put = [&](char32_t octet) { into += static_cast<char>(static_cast<unsigned char>(octet)); };
  if (character < 0x80) return put(character);
  if (character < 0x800) {
    put(0xc0 | (character >> 6));
  } else if (character < 0x10000) {
    put(0xe0 | (character >> 12));
    put(0x80 | ((character >> 6) & 0x3f));
  } else {
    put(0xf0 | (character >> 18));
    put(0x80 | ((character >> 12) & 0x3f));
    put(0x80 | ((character >> 6) & 0x3f));
  }
  put(0x80 | (character & 0x3f));
}

}  // namespace mailstead::utf8
