// Addresses behind which anybody may be: those of the machine's default gateways, and in a container its own.
//
// A container's bridge, a router that rewrites addresses and a proxy in front of a container's port (Docker's
// for IPv6, rootless Podman's) show a server nothing but themselves. Who comes from there is not banned,
// counted, delayed or checked by SPF as if he were one: that would hit everybody. What is looked at again is
// the machine's own tables, once a minute, since networks come and go. Ownership: plain values. Threads: one.
// Errors: tables that cannot be read name nobody.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>

namespace mailstead {

class Gateways {
 public:
  static constexpr std::chrono::minutes kReadAgain{1};
  struct Addresses {
    std::set<std::string> gateways;
    std::set<std::string> own;  // loopback is none
  };
  enum class Place { kMachine, kContainer };
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `read` and `clock` are for tests.
  explicit Gateways(Place place, std::function<Addresses()> read = read_addresses,
                    Clock clock = std::chrono::steady_clock::now);

  // `address` as PeerFacts has it: may anybody be behind it?
  bool hides(const std::string& address);
  bool is_own(const std::string& address);

  // Of /proc and of the machine's interfaces.
  static Addresses read_addresses();

 private:
  void read_again();

  const Place place_;
  std::function<Addresses()> read_;
  Clock clock_;
  Addresses addresses_;
  std::chrono::steady_clock::time_point read_at_;
};

// The gateway that a line of /proc/net/route, or of /proc/net/ipv6_route, has for everywhere; else "".
std::string gateway_of_route(const std::string& line);
std::string gateway_of_route6(const std::string& line);

}  // namespace mailstead
