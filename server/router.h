// From a recipient's domain to the hosts that take its mail, in the order to try them: what the configuration
// says (routes, smarthost), else what the DNS does. The decisions are protocols/route.h's.
//
// Ownership: who asks holds the ticket as long as he wants the answer. `done` runs once, in a later turn of
// the loop; it may drop the ticket and ask again. The resolver has to outlive the tickets' use, the router
// has not. Threads: the reactor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "admin/config.h"
#include "protocols/route.h"
#include "server/resolver.h"

namespace mailstead {

struct Route {
  std::vector<RouteHost> hosts;  // never empty, each with an address
  std::uint16_t port = 25;
  // Set when the configuration says where to: then user, password and TLS are as it says.
  std::optional<FixedRoute> fixed;
};

class Router {
 public:
  using Answer = std::variant<Route, RouteFailure>;
  using Done = std::function<void(Answer)>;
  using Ticket = std::shared_ptr<const void>;

  struct Context {
    Resolver& resolver;
    std::function<const Config&()> config;                  // the newest
    std::function<std::vector<IpAddress>()> own_addresses;  // of this machine; see interface_addresses()
  };

  explicit Router(Context context);

  // `domain` as Address::domain has it: in lower case, or an address literal.
  [[nodiscard]] Ticket route(const std::string& domain, Done done);

 private:
  class Inquiry;

  Context context_;
  std::minstd_rand random_;
};

// What the configuration says of a domain: a route of its own, else of what it is below, else the smarthost.
// An address literal goes to the smarthost, too. nullptr: ask the DNS.
const FixedRoute* fixed_route(const Config::Queue& config, const std::string& domain);

RoutePolicy route_policy(const Config& config, std::vector<IpAddress> own_addresses);

}  // namespace mailstead
