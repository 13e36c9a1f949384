#include "protocols/base64.h"

#include <openssl/base64.h>

#include <algorithm>
#include <cstdint>

namespace mailstead::base64 {

std::optional<std::string> decode(std::string_view text) {
  std::string octets(text.size() / 4 * 3 + 3, '\0');
  std::size_t length = 0;
  // RFC 4954 4: octets outside the alphabet are an error. BoringSSL takes none, and works in constant time.
  if (EVP_DecodeBase64(reinterpret_cast<std::uint8_t*>(octets.data()), &length, octets.size(),
                       reinterpret_cast<const std::uint8_t*>(text.data()), text.size()) != 1) {
    return std::nullopt;
  }
  octets.resize(length);
  return octets;
}

std::string encode(std::string_view octets) {
  std::string text(4 * ((octets.size() + 2) / 3) + 1, '\0');
  text.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(text.data()),
                              reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()));
  return text;
}

std::optional<std::string> decode_url(std::string_view text) {
  std::string usual(text);
  for (char& c : usual) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  usual.append((4 - usual.size() % 4) % 4, '=');
  return decode(usual);
}

std::string encode_url(std::string_view octets) {
  std::string text = encode(octets);
  text.erase(std::min(text.find('='), text.size()));
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

}  // namespace mailstead::base64
