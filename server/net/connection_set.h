// All open connections: counts them, in all and for each address (IPv6: each /64), and owns them. Threads:
// the reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/net/connection.h"

namespace mailstead {

class ConnectionSet {
 public:
  // Has the peer's network so many connections already? Never loopback, nor a proxy: behind them are many.
  bool is_full_for(const PeerFacts& peer, std::uint32_t per_address) const;
  // Starts a connection; `closed` runs when it has gone.
  void start(uv_loop_t* loop, std::unique_ptr<TcpStream> stream, Log& log, ConnectionOptions options,
             TlsStart tls, std::function<void()> closed);

  std::size_t size() const { return open_.size(); }
  void check_all();
  void tidy_all();
  void shut_down_all();
  void close_all();

 private:
  std::vector<Connection*> all() const;

  std::unordered_map<Connection*, std::unique_ptr<Connection>> open_;
  std::unordered_map<std::string, std::uint32_t> by_network_;
};

}  // namespace mailstead
