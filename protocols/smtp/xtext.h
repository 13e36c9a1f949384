// xtext: any octets as one word of printable ASCII, for the parameters of RFC 3461 (section 4).
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

std::string encode_xtext(std::string_view octets);
// nullopt: not xtext.
std::optional<std::string> decode_xtext(std::string_view text);

}  // namespace mailstead
