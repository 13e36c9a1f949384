// What an authority finds here when it looks whether a name is ours: pages for HTTP-01 (RFC 8555 8.3),
// certificates for TLS-ALPN-01 (RFC 8737). Empty but for the moments of an attempt.
// Ownership: shared; one for the server. Threads: the reactor.
#pragma once

#include <map>
#include <string>

#include "protocols/acme/acme_certificate.h"
#include "protocols/acme/acme_session.h"

namespace mailstead {

class AcmeChallenges {
 public:
  Result<void> publish(const AcmePublication& publication);
  void withdraw_all();

  // The key authorization behind a token; null: nobody was told to look there. Good until the next change.
  const std::string* page(const std::string& token) const;
  // The certificate for a name, lower case; likewise.
  const AcmeProof* proof(const std::string& name) const;

 private:
  std::map<std::string, std::string> pages_;
  std::map<std::string, AcmeProof> proofs_;
};

}  // namespace mailstead
