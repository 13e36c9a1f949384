// A key that signs for a domain: RSA (RFC 6376 3.3.1, RFC 8301) or Ed25519 (RFC 8463).
//
// Ownership: a value; copies share the key, which never changes. Threads: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocols/auth/hmac.h"
#include "protocols/result.h"

// BoringSSL's EVP_PKEY, whose headers stay out of here.
struct evp_pkey_st;

namespace mailstead {

// RFC 8301 3.2
inline constexpr unsigned kLeastRsaBits = 1024;
inline constexpr unsigned kMostRsaBits = 4096;

enum class DkimAlgorithm { kRsaSha256, kEd25519Sha256 };
// As a= tells it: "rsa-sha256".
std::string_view name_of(DkimAlgorithm algorithm);

class DkimKey {
 public:
  // A new one: RSA of 2048 bits takes some 100 ms. kUnavailable: no memory.
  static Result<DkimKey> make(DkimAlgorithm algorithm);
  // PKCS #8 or, for RSA, PKCS #1 in PEM, as OpenSSL writes it. kInvalid: it is something else, encrypted, or
  // an RSA key of fewer than 1024 or more than 4096 bits (RFC 8301 3.2).
  static Result<DkimKey> parse(std::string_view pem);

  DkimAlgorithm algorithm() const { return algorithm_; }
  std::string_view algorithm_name() const { return name_of(algorithm_); }
  std::string pem() const;  // PKCS #8; a secret
  // What a verifier looks up under SELECTOR._domainkey.DOMAIN: "v=DKIM1; k=rsa; p=…", RFC 6376 3.6.1.
  std::string record() const;

  // A signature of the hash of what is signed. RSA of 2048 bits takes about a millisecond.
  std::string sign(const Sha256& digest) const;

 private:
  DkimKey(std::shared_ptr<evp_pkey_st> key, DkimAlgorithm algorithm)
      : key_(std::move(key)), algorithm_(algorithm) {}
  static Result<DkimKey> checked(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  DkimAlgorithm algorithm_;
};

// Whose signature it is: what d= and s= say, and the key.
struct DkimIdentity {
  std::string domain;    // of A-labels, as Address::domain has it
  std::string selector;  // labels of letters, digits and hyphens
  DkimKey key;
};

}  // namespace mailstead
