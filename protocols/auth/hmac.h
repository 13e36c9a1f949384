// HMAC-SHA-256, RFC 2104. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mailstead {

using Sha256 = std::array<std::uint8_t, 32>;

inline std::string_view octets_of(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Sha256 hmac_sha256(std::string_view key, std::string_view text);

}  // namespace mailstead
