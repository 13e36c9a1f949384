#include "server/policy/known_peers.h"

#include "server/net/network.h"

namespace mailstead {
namespace {

constexpr std::int64_t kRemembered = 7 * 86400;
constexpr std::size_t kMostKnown = 20'000;

}  // namespace

void KnownPeers::remember(const PeerFacts& peer, std::int64_t now) {
  if (peer.loopback || peer.proxy || peer.hidden) return;
  if (until_.size() >= kMostKnown) {
    std::erase_if(until_, [now](const auto& each) { return each.second <= now; });
  }
  // Still full: whoever was forgotten waits two seconds more.
  if (until_.size() >= kMostKnown) until_.clear();
  until_[network_of(peer.address)] = now + kRemembered;
}

bool KnownPeers::knows(const PeerFacts& peer, std::int64_t now) const {
  if (peer.loopback || peer.proxy || peer.hidden) return true;
  const auto found = until_.find(network_of(peer.address));
  return found != until_.end() && found->second > now;
}

}  // namespace mailstead
