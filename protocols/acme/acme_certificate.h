// Certificates as ACME needs them: the request for one (RFC 2986, RFC 8555 7.4), the one that answers a
// TLS-ALPN-01 challenge (RFC 8737), and a look at what the CA issued. No I/O; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "protocols/acme/acme_key.h"
#include "protocols/result.h"

namespace mailstead {

// RFC 8737 6.2: the protocol by which a CA asks for the challenge's certificate.
inline constexpr std::string_view kAcmeTlsProtocol = "acme-tls/1";

// DER. The names are DNS names of A-labels, at least one.
Result<std::string> certificate_request(const AcmeKey& key, std::span<const std::string> names);

// RFC 8737 3: self-signed, for one name, with the SHA-256 of the key authorization in a critical extension.
struct AcmeProof {
  std::string certificate;  // DER
  AcmeKey key;              // its own, of no other use
};
Result<AcmeProof> make_acme_proof(const std::string& name, std::string_view key_authorization);

// Is the chain in PEM one for this key and all these names? kInvalid says what is wrong.
Result<void> check_issued_chain(std::string_view pem, const AcmeKey& key, std::span<const std::string> names);

}  // namespace mailstead
