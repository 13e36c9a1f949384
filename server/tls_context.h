// Certificates and keys, loaded for use: what a TLS stream is made from.
//
// Several pairs may be loaded; the client's server name (SNI, RFC 6066 3) picks the pair whose certificate
// has that name, else the first is used. A context never changes: a reload makes a new one, and connections
// keep the one they began with. Ownership: shared_ptr. Threads: make it anywhere, use it on the reactor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/certificate.h"
#include "protocols/result.h"
#include "server/tls_party.h"

namespace mailstead {

class TlsContext final : public TlsParty {
 public:
  // At least one pair; the first is the default. The error names the file.
  static Result<std::shared_ptr<const TlsContext>> load(const std::vector<CertificateFiles>& pairs);
  ~TlsContext() override;

  // A server-side SSL in accept state, TLS 1.2 or better.
  bssl::UniquePtr<SSL> make() const override;

 private:
  struct Pair;
  TlsContext();
  static int choose_pair(SSL* ssl, int* alert, void* self);
  std::vector<std::unique_ptr<Pair>> pairs_;
};

}  // namespace mailstead
