#include "storage/mailbox/names.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>
#include <cstdint>

namespace mailstead {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kHashBytesShown = 16;

bool stands_for_itself(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+' || c == '=' ||
         c == '-';
}

std::string hash_text(std::string_view text) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (std::size_t i = 0; i < kHashBytesShown; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

std::string encode_name(std::string_view text) {
  if (text.empty()) return "%";
  std::string name;
  for (char c : text) {
    const bool leading = name.empty() && (c == '.' || c == '-');
    if (stands_for_itself(c) && !leading) {
      name += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      name += '%';
      name += kHex[byte >> 4];
      name += kHex[byte & 15];
    }
  }
  if (name.size() <= kMaxEncoded) return name;
  const std::string tail = "%~" + hash_text(text);
  return name.substr(0, kMaxEncoded - tail.size()) + tail;
}

std::optional<std::string> decode_name(std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '%') {
      text += name[i];
      continue;
    }
    if (i + 2 >= name.size()) break;
    const std::size_t high = kHex.find(name[i + 1]);
    const std::size_t low = kHex.find(name[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    text += static_cast<char>(high << 4 | low);
    i += 2;
  }
  if (encode_name(text) != name) return std::nullopt;
  return text;
}

MailboxFolderName folder_name(const Address& address) {
  // The key is both parts in lower case, joined by "@"; a domain holds no "@".
  const std::string key = address.key();
  const std::size_t at = key.rfind('@');
  if (at == std::string::npos) return {encode_name(""), encode_name(key)};
  return {encode_name(key.substr(at + 1)), encode_name(key.substr(0, at))};
}

}  // namespace mailstead
