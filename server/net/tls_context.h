// Certificates and keys, loaded for use: what a TLS stream is made from.
//
// Several pairs may be loaded; the client's server name (SNI, RFC 6066 3) picks the pair whose certificate
// has that name, else the first is used. An authority that looks whether a name is ours (RFC 8737) is shown
// what AcmeChallenges has for it, and nothing else. A context never changes: a reload makes a new one, and
// connections keep the one they began with. Ownership: shared_ptr. Threads: make it anywhere, use it on the
// reactor.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "admin/certificate.h"
#include "protocols/result.h"
#include "server/acme/acme_challenges.h"
#include "server/net/tls_party.h"

namespace mailstead {

class TlsContext final : public TlsParty {
 public:
  // At least one pair; the first is the default. The error names the file.
  // `challenges` may be null.
  static Result<std::shared_ptr<const TlsContext>> load(
      const std::vector<CertificateFiles>& pairs, std::shared_ptr<const AcmeChallenges> challenges = nullptr);
  ~TlsContext() override;

  // As they were when they were loaded; the default first.
  const std::vector<CertificateInUse>& certificates() const { return certificates_; }

  // A server-side SSL in accept state, TLS 1.2 or better.
  bssl::UniquePtr<SSL> make() const override;

 private:
  struct Pair;
  TlsContext();
  static int choose_pair(SSL* ssl, int* alert, void* self);
  static bool is_validation(const SSL* ssl);
  static ssl_select_cert_result_t look_at_hello(const SSL_CLIENT_HELLO* hello);
  static int choose_protocol(SSL* ssl, const std::uint8_t** chosen, std::uint8_t* length,
                             const std::uint8_t* offered, unsigned offered_length, void* self);
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<CertificateInUse> certificates_;
  std::shared_ptr<const AcmeChallenges> challenges_;
};

}  // namespace mailstead
