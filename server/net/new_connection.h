// A connection that has been accepted and is not admitted yet. Plain value; the reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "protocols/smtp/envelope.h"
#include "server/net/listener.h"
#include "server/net/tcp_stream.h"

namespace mailstead {

struct NewConnection {
  Service service = Service::kSmtp;
  std::shared_ptr<std::uint64_t> open_connections;  // of its listener, which may be gone by now
  std::unique_ptr<TcpStream> stream;
  PeerFacts peer;     // the TCP peer's; behind a PROXY header, what that says
  std::string input;  // what the client has said already: it was read together with the header
};

}  // namespace mailstead
