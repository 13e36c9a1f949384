// The networks that a running server lets nobody log in from for a while: what the commands see of them.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mailstead {

struct Ban {
  std::string network;        // "192.0.2.1", "2001:db8:1:2::/64"
  std::int64_t since = 0;     // Unix seconds
  std::int64_t until = 0;     // Unix seconds
  unsigned wrong_logins = 0;  // different guesses that led to it
  std::uint64_t refused = 0;  // connections since
};

class BanList {
 public:
  virtual ~BanList() = default;
  // Those in force, the one that ends first in front.
  virtual std::vector<Ban> bans() const = 0;
  // Ends the ban of this network and forgets what led to it. False: it is not banned.
  virtual bool lift(const std::string& network) = 0;
};

}  // namespace mailstead
