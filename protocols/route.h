// Where mail for a domain goes: what follows from the DNS' answers (RFC 5321 5.1, RFC 7505), without asking.
//
// First candidates() of the answer for MX, then the addresses of each, then route_to(). The random numbers
// are the caller's. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/ip_address.h"

namespace mailstead {

inline constexpr std::size_t kMostMailHosts = 20;      // that are looked at
inline constexpr std::size_t kMostMailAddresses = 30;  // of all hosts of a route

struct RouteHost {
  std::string name;                  // as MX or the configuration has it; of an address its text
  std::string canonical;             // at the end of its aliases: RFC 7672 2.2.2 looks for TLSA there first
  std::vector<IpAddress> addresses;  // in the order to try: families by turns, IPv6 first (RFC 8305 4)
  unsigned preference = 0;
  bool authenticated = false;  // by DNSSEC: that this host takes the domain's mail, and its addresses
  bool operator==(const RouteHost&) const = default;
};

struct RouteFailure {
  enum class Lasts { kForNow, kForGood };
  Lasts lasts = Lasts::kForNow;
  std::string_view enhanced;  // RFC 3463
  std::string text;           // one line for the sender
};

// What is ourselves, and what may be contacted.
struct RoutePolicy {
  std::string hostname;              // ours
  std::vector<IpAddress> addresses;  // of this machine's interfaces
  enum class Port { kOurs, kOthers };
  Port port = Port::kOurs;  // do we listen where the mail would go to? Loopback at port 25 counts as it
  enum class Private { kAllowed, kRefused };
  Private private_addresses = Private::kAllowed;
};

enum class AddressKind {
  kPublic,
  kPrivate,   // RFC 1918, RFC 4193, RFC 6598
  kLoopback,  // also 0.0.0.0 and ::, which Linux takes for it
  kNever      // multicast, broadcast, link-local (it would need an interface), reserved, IPv4 within IPv6
};
AddressKind address_kind(const IpAddress& address);

struct MailHost {
  std::string name;  // a domain
  unsigned preference = 0;
  bool authenticated = false;
};
using Candidates = std::variant<std::vector<MailHost>, RouteFailure>;

// Whose addresses are to be asked for: those of an MX sorted by preference, equal ones shuffled; the domain
// itself where there is no MX. Never empty. Hosts that are we are left out with all that are no better.
Candidates candidates(const std::string& domain, const DnsAnswer& mx, const RoutePolicy& policy,
                      std::minstd_rand& random);

// The same for a domain that is an address literal.
std::variant<RouteHost, RouteFailure> route_to_literal(std::string_view literal, const RoutePolicy& policy);

struct HostAnswers {
  MailHost host;
  DnsAnswer ipv4, ipv6;  // A, AAAA
};
// In the order of the candidates. Hosts without an address are left out, and so is one with an address of
// ours with all that are no better.
std::variant<std::vector<RouteHost>, RouteFailure> route_to(const std::string& domain,
                                                            const std::vector<HostAnswers>& answers,
                                                            const RoutePolicy& policy);

// A host that the configuration names: any address that can be contacted. All its failures are for now, since
// a slip of the administrator should cost nobody his mail.
std::variant<RouteHost, RouteFailure> route_to_fixed(const HostAnswers& answers);

}  // namespace mailstead
