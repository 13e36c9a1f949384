// Is a server who it should be? Its certificate is looked at in one of two ways: for its name, by an
// authority that the machine trusts (PKIX, RFC 6125), or by TLSA records of DNS (DANE, RFC 6698, as RFC 7672
// has it).
//
// It is always looked at, and only refused where the expectation says so: what was found decides what may be
// sent (REQUIRETLS) and is counted (TLSRPT). Threads: the reactor.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <string>
#include <vector>

#include "protocols/tls/tls_report.h"
#include "protocols/tls/tlsa.h"

namespace mailstead {

enum class TlsVerification {
  kNone,  // whoever answers (RFC 7435)
  kNameAndAuthority,
  kDane,
};

struct TlsExpectation {
  std::string host;  // told to the server (SNI) when it is a name; an IP address as its text
  TlsVerification verification = TlsVerification::kNone;
  // With kDane: one of these has to match.
  std::vector<Tlsa> tlsa = {};
  // Other names that a certificate below a trust anchor may be for (RFC 7672 3.2.2).
  std::vector<std::string> other_names = {};
};

// What a handshake has found.
struct TlsFinding {
  bool was_looked_at = false;
  TlsVerdict verdict = TlsVerdict::kSuccess;  // of the certificate, by the expectation's way
  std::string words = {};                     // what is wrong with it, for people
  bool is_good() const { return was_looked_at && verdict == TlsVerdict::kSuccess; }
};

// During the handshake: what the server's certificates are worth. `authorities`: whom the machine trusts.
TlsFinding look_at_certificates(SSL* ssl, X509_STORE* authorities, const TlsExpectation& expectation);

}  // namespace mailstead
