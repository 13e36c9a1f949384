// Addresses that have brought mail lately. They need not wait for the greeting again (smtp.greeting_delay).
// In memory: after a restart everybody waits once. Threads: the reactor.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "protocols/smtp/envelope.h"

namespace mailstead {

class KnownPeers {
 public:
  // `now`: Unix seconds. An IPv6 address stands for its /64, as everywhere.
  void remember(const PeerFacts& peer, std::int64_t now);
  // The machine itself is always known, and a proxy that speaks for itself.
  bool knows(const PeerFacts& peer, std::int64_t now) const;

 private:
  std::unordered_map<std::string, std::int64_t> until_;  // by network; Unix seconds
};

}  // namespace mailstead
