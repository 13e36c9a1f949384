// The client's side of TLS: to other mail servers, opportunistically, or to one that has to show who it is.
//
// Opportunistic TLS (RFC 7435) verifies nothing: most mail servers' certificates name another host, and
// plain text would be the alternative. A verified party has to have a certificate for its name by an
// authority that the machine trusts (RFC 6125). Ownership: shared_ptr. Threads: the reactor.
#pragma once

#include <memory>
#include <string>

#include "server/tls_party.h"

namespace mailstead {

enum class TlsVerification { kNone, kNameAndAuthority };

class TlsClientContext {
 public:
  // Reads the machine's authorities, or those in the file that the environment's SSL_CERT_FILE names.
  TlsClientContext();
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  // For connections to `host`, whose name is told to it (SNI) when it is one.
  std::shared_ptr<const TlsParty> to(const std::string& host, TlsVerification verification) const;

 private:
  bssl::UniquePtr<SSL_CTX> context_;
};

}  // namespace mailstead
