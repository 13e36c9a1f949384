// The client's side of TLS: to other mail servers, opportunistically, or to one that has to show who it is.
//
// Opportunistic TLS (RFC 7435) refuses nobody: most mail servers' certificates name another host, and plain
// text would be the alternative. Ownership: shared_ptr. Threads: the reactor.
#pragma once

#include <memory>
#include <string>

#include "server/net/tls_party.h"
#include "server/outgoing/tls_identity.h"

namespace mailstead {

class TlsClientContext {
 public:
  // Reads the machine's authorities, or those in the file that the environment's SSL_CERT_FILE names.
  TlsClientContext();
  // Trusts those in this PEM file and nobody else. ok() is false when it cannot be read.
  explicit TlsClientContext(const std::string& authorities);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  bool ok() const { return ok_; }

  // For one connection. `finding` is filled in by its handshake, and may be null. An expectation that is not
  // met ends the handshake.
  std::shared_ptr<const TlsParty> to(TlsExpectation expectation, std::shared_ptr<TlsFinding> finding) const;

 private:
  bssl::UniquePtr<SSL_CTX> context_;
  bool ok_ = true;
};

}  // namespace mailstead
