// A key of ECDSA over P-256: that of an ACME account, which signs its requests (RFC 8555 6.2), or of a
// certificate.
//
// Ownership: a value; copies share the key, which never changes. Threads: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocols/result.h"

// BoringSSL's EVP_PKEY, whose headers stay out of here.
struct evp_pkey_st;

namespace mailstead {

class AcmeKey {
 public:
  // A new one, in well under a millisecond. kUnavailable: no memory.
  static Result<AcmeKey> make();
  // In PEM. kInvalid: it is none, or of another kind.
  static Result<AcmeKey> parse(std::string_view pem);

  std::string pem() const;  // PKCS #8; a secret

  // The public half as JSON: its members, order and form are those that RFC 7638 3 hashes.
  std::string jwk() const;
  // RFC 7638, base64url: what proves in a challenge whose account it is (RFC 8555 8.1).
  std::string thumbprint() const;
  // ES256 (RFC 7518 3.4): 64 octets.
  std::string sign(std::string_view text) const;

  evp_pkey_st* handle() const { return key_.get(); }

 private:
  explicit AcmeKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace mailstead
