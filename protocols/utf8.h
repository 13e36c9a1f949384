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

bool is_valid(std::string_view text);

void append(char32_t character, std::string& into);

}  // namespace mailstead::utf8
