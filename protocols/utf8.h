// UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing beyond U+10FFFF.
// Pure functions; any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::utf8 {

// Every octet is below 0x80.
inline bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The character at the start of `text`, and its octets. nullopt: none is there.
std::optional<char32_t> first_character(std::string_view text, std::size_t& octets);
// The octets of that character; 0: none.
std::size_t length(std::string_view text);

// Is this character, of the length above, one that terminals take for a command: U+0000 to U+001F, U+007F to
// U+009F?
bool is_control(std::string_view character);

// Does this character turn what stands beside it round: U+202A to U+202E, U+2066 to U+2069?
bool turns_direction(std::string_view character);

bool is_valid(std::string_view text);

void append(char32_t character, std::string& into);

}  // namespace mailstead::utf8
