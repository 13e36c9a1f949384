#include "server/net/connection_set.h"

#include <utility>
#include <vector>

#include "server/net/network.h"

namespace mailstead {

namespace {

// Where its connections are counted; empty: nowhere.
std::string counted_network(const PeerFacts& peer) {
  return peer.loopback || peer.proxy || peer.hidden ? std::string() : network_of(peer.address);
}

}  // namespace

bool ConnectionSet::is_full_for(const PeerFacts& peer, std::uint32_t per_address) const {
  const auto found = by_network_.find(counted_network(peer));
  return found != by_network_.end() && found->second >= per_address;
}

void ConnectionSet::start(uv_loop_t* loop, std::unique_ptr<TcpStream> stream, Log& log,
                          ConnectionOptions options, TlsStart tls, std::function<void()> closed) {
  // The connection is destroyed by its own last callback.
  auto self = std::make_shared<Connection*>(nullptr);
  const std::string network = counted_network(options.peer);
  options.closed = [this, self, network, closed = std::move(closed)] {
    if (const auto counted = by_network_.find(network);
        counted != by_network_.end() && --counted->second == 0) {
      by_network_.erase(counted);
    }
    open_.erase(*self);
    closed();
  };
  if (!network.empty()) ++by_network_[network];
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
