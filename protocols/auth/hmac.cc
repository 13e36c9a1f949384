#include "protocols/auth/hmac.h"

#include <openssl/hmac.h>

namespace mailstead {

Sha256 hmac_sha256(std::string_view key, std::string_view text) {
  Sha256 digest{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), key.size(), reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
       digest.data(), &length);
  return digest;
}

}  // namespace mailstead
