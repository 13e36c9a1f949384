#include "server/connection_set.h"

#include <utility>
#include <vector>

#include "server/network.h"

namespace mailstead {

Admission ConnectionSet::admit(const PeerFacts& peer, const ConnectionLimits& limits) const {
  if (open_.size() >= limits.total) return Admission::kTooMany;
  if (peer.loopback) return Admission::kWelcome;
  const auto found = by_network_.find(network_of(peer.address));
  return found != by_network_.end() && found->second >= limits.per_address ? Admission::kTooManyFromAddress
                                                                           : Admission::kWelcome;
}

void ConnectionSet::start(uv_loop_t* loop, std::unique_ptr<TcpStream> stream, Log& log,
                          ConnectionOptions options, TlsStart tls, std::function<void()> closed) {
  // The connection is destroyed by its own last callback.
  auto self = std::make_shared<Connection*>(nullptr);
  options.closed = [this, self, network = network_of(options.peer.address), closed = std::move(closed)] {
    if (const auto counted = by_network_.find(network);
        counted != by_network_.end() && --counted->second == 0) {
      by_network_.erase(counted);
    }
    open_.erase(*self);
    closed();
  };
  ++by_network_[network_of(options.peer.address)];
  auto connection = std::make_unique<Connection>(loop, std::move(stream), log, std::move(options));
  *self = connection.get();
  Connection& started = *connection;
  open_.emplace(connection.get(), std::move(connection));
  started.start(tls);
}

// Closing frees a connection only in a later turn of the loop, so the pointers stay good.
std::vector<Connection*> ConnectionSet::all() const {
  std::vector<Connection*> all;
  all.reserve(open_.size());
  for (const auto& entry : open_) all.push_back(entry.first);
  return all;
}

void ConnectionSet::check_all() {
  for (Connection* connection : all()) connection->check();
}

void ConnectionSet::tidy_all() {
  for (const auto& entry : open_) entry.second->tidy();
}

void ConnectionSet::shut_down_all() {
  for (Connection* connection : all()) connection->shut_down();
}

void ConnectionSet::close_all() {
  for (const auto& entry : open_) entry.second->close();
}

}  // namespace mailstead
