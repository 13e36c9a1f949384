// Base64 as RFC 4648 4 has it, with padding. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead::base64 {

// nullopt: not base64, whole and padded.
std::optional<std::string> decode(std::string_view text);

std::string encode(std::string_view octets);

// The same with the alphabet for URLs and file names, without padding (RFC 4648 5, RFC 7515 2).
std::optional<std::string> decode_url(std::string_view text);
std::string encode_url(std::string_view octets);

}  // namespace mailstead::base64
