// Who makes the SSL of a TLS stream: the server's side from its certificates, the client's for one server.
//
// Ownership: shared_ptr; outlives the SSLs that it makes. Threads: use it on the reactor.
#pragma once

#include <openssl/base.h>

namespace mailstead {

class TlsParty {
 public:
  TlsParty() = default;
  TlsParty(const TlsParty&) = delete;
  TlsParty& operator=(const TlsParty&) = delete;
  virtual ~TlsParty() = default;

  // Ready for the handshake: in accept state, or in connect state. TLS 1.2 or better.
  virtual bssl::UniquePtr<SSL> make() const = 0;
};

}  // namespace mailstead
