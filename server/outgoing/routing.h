// Where mail for a domain goes (RFC 5321 5.1): the hosts of its MX records, in order, with their addresses;
// or why there is nowhere.
//
// Ownership: of who waits; destroying it ends it, and `done` never runs. Threads: the reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "protocols/dns_message.h"
#include "server/net/resolver.h"

namespace mailstead {

struct RouteTarget {
  std::string host;  // as the MX record names it; of an address literal the address
  IpAddress address;
  // All the way here DNS was validated: the MX records, and the host's address. Then its TLSA records count.
  bool is_authenticated = false;
  std::string canonical;  // what the host's name leads to by CNAMEs; the same without

  std::string words() const;  // "mx.example.org [192.0.2.1]"
};

struct RouteFailure {
  bool permanent = false;
  std::string status;  // enhanced status code
  std::string text;
};

// Not empty.
using Route = std::vector<RouteTarget>;
using RouteResult = std::variant<Route, RouteFailure>;

struct RoutingTerms {
  std::string hostname;                           // ours: mail that leads to us goes in a loop
  std::function<bool(const IpAddress&)> is_ours;  // somebody may listen there who is us
};

// Where nothing is sent by a name or a literal, whoever wrote it: this machine, everybody, nobody.
bool is_nowhere(const IpAddress& address);

// The order in which hosts of these MX records are tried: by preference, equal ones shuffled, those from us
// on left out (RFC 5321 5.1). `leads_to_us`: we were among them.
std::vector<dns::Record> order_of(std::vector<dns::Record> mx, const std::string& hostname,
                                  std::mt19937& random, bool& leads_to_us);

class Routing {
 public:
  using Done = std::function<void(RouteResult)>;

  enum class By {
    kMx,
    kHost,  // a smarthost: its name has addresses
  };

  // `domain`: as in Address, an address literal too. `done` runs later, and may destroy the Routing.
  Routing(Resolver& resolver, RoutingTerms terms, std::string domain, By by, Done done);
  Routing(const Routing&) = delete;
  Routing& operator=(const Routing&) = delete;

 private:
  struct Host {
    std::string name;
    std::uint16_t preference = 0;
    std::vector<RouteTarget> v6;
    std::vector<RouteTarget> v4;
    bool unsure = false;  // a look-up failed
  };

  void on_mx(const dns::Answer& answer);
  void ask_addresses(std::vector<Host> hosts);
  void on_addresses(std::size_t host, dns::Type type, const dns::Answer& answer);
  void assemble();
  void finish(RouteResult result);
  void fail(bool permanent, std::string status, std::string text);

  Resolver& resolver_;
  RoutingTerms terms_;
  std::string domain_;
  By by_;
  Done done_;
  std::vector<Resolver::Question> questions_;
  std::vector<Host> hosts_;
  std::size_t open_ = 0;  // questions
  bool leads_to_us_ = false;
  bool has_mx_ = false;
  bool mx_is_authenticated_ = false;  // or that there are none
};

}  // namespace mailstead
