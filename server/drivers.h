// Makes the driver, with its session, of a connection that has come in: which protocol, on which terms.
//
// Ownership: one for the server; a driver belongs to its connection. Threads: the reactor.
#pragma once

#include <memory>

#include "server/driver.h"
#include "server/http/pages.h"
#include "server/net/certificates.h"
#include "server/net/listener.h"
#include "server/services.h"

namespace mailstead {

class Drivers {
 public:
  // All of it outlives every driver.
  struct Context {
    Services& services;
    const Certificates& certificates;
    const Store& store;
    Pages& pages;
  };
  explicit Drivers(Context context) : context_(context) {}

  // When the connection is ready for the protocol: at once, or after the handshake of implicit TLS.
  std::shared_ptr<Driver> make(Service service, const PeerFacts& peer) const;

 private:
  std::shared_ptr<Driver> make_pop3(Service service, const PeerFacts& peer) const;
  std::shared_ptr<Driver> make_smtp(Service service, const PeerFacts& peer) const;
  bool can_start_tls(Service service) const;

  Context context_;
};

}  // namespace mailstead
