#include "server/router.h"

#include <algorithm>
#include <optional>
#include <string>

#include "server/network.h"
#include "tests/catch.h"
#include "tests/server/dns_script.h"
#include "tests/server/resolving.h"

using namespace mailstead;
using namespace mailstead::testing;

namespace {

std::vector<std::string> the_dns(const DnsAsked& asked) {
  const auto is = [&](const char* name, int type) { return asked.name == name && asked.type == type; };
  if (is("two.example", 15)) {
    return {dns_message(asked, 0,
                        {dns_mx("two.example", 20, "b.example"), dns_mx("two.example", 10, "a.example")})};
  }
  if (is("a.example", 1)) return {dns_message(asked, 0, {dns_a("a.example", "192.0.2.1")})};
  if (is("a.example", 28)) return {dns_message(asked, 0, {dns_a("a.example", "2001:db8::1")})};
  if (is("b.example", 1)) {
    return {dns_message(asked, 0, {dns_cname("b.example", "c.example"), dns_a("c.example", "192.0.2.2")})};
  }
  if (is("bare.example", 1)) return {dns_message(asked, 0, {dns_a("bare.example", "192.0.2.3")})};
  if (asked.name == "none.example") return {dns_message(asked, 3, {})};
  return {dns_message(asked, 0, {})};
}

struct RouterHouse {
  RouterHouse() { config.hostname = "mail.us.example"; }

  std::string route(const std::string& domain) {
    std::optional<Router::Answer> answer;
    const auto ticket = router.route(domain, [&](Router::Answer came) { answer = std::move(came); });
    CHECK_FALSE(answer);
    house.run_until([&] { return answer.has_value(); });
    if (const auto* failure = std::get_if<RouteFailure>(&*answer)) return std::string(failure->enhanced);
    std::string out;
    const Route& found = std::get<Route>(*answer);
    for (const RouteHost& host : found.hosts) {
      out += host.name + (host.canonical == host.name ? "" : "=" + host.canonical);
      for (const IpAddress& address : host.addresses) out += " " + address.text();
      out += "; ";
    }
    return out + std::to_string(found.port) + (found.fixed ? " fixed" : "");
  }

  DnsScript script{the_dns};
  ResolverHouse house{script.port()};
  Config config;
  Router router{{*house.resolver, [this]() -> const Config& { return config; },
                 [] { return std::vector{*parse_ip("198.51.100.1")}; }}};
};

}  // namespace

TEST_CASE("the way to a domain's hosts", "[router]") {
  RouterHouse house;
  CHECK(house.route("two.example") == "a.example 2001:db8::1 192.0.2.1; b.example=c.example 192.0.2.2; 25");
  CHECK(house.route("bare.example") == "bare.example 192.0.2.3; 25");
  CHECK(house.route("none.example") == "5.1.2");
  CHECK(house.route("empty.example") == "5.4.4");
  CHECK(house.route("[192.0.2.9]") == "192.0.2.9 192.0.2.9; 25");
  CHECK(house.route("[127.0.0.1]") == "5.4.6");
  house.config.queue.port = 2525;
  CHECK(house.route("[127.0.0.1]") == "127.0.0.1 127.0.0.1; 2525");
  house.config.listen.smtp = {{"127.0.0.1", 2525}};
  CHECK(house.route("[127.0.0.1]") == "5.4.6");
}

TEST_CASE("the configuration's routes come before the DNS", "[router]") {
  RouterHouse house;
  house.config.queue.smarthost = FixedRoute{"a.example", 587, "", "", RouteTls::kStarttls};
  house.config.queue.routes = {{"inner.example", {"127.0.0.1", 2526, "", "", RouteTls::kNever}},
                               {"*.inner.example", {"192.0.2.7", 25, "", "", RouteTls::kNever}},
                               {"lost.example", {"none.example", 25, "", "", RouteTls::kNever}}};
  CHECK(house.route("two.example") == "a.example 2001:db8::1 192.0.2.1; 587 fixed");
  CHECK(house.route("[192.0.2.9]") == "a.example 2001:db8::1 192.0.2.1; 587 fixed");
  CHECK(house.route("inner.example") == "127.0.0.1 127.0.0.1; 2526 fixed");
  CHECK(house.route("a.b.inner.example") == "192.0.2.7 192.0.2.7; 25 fixed");
  CHECK(house.route("lost.example") == "4.4.4");
}

TEST_CASE("who no longer asks for a way is not told of it", "[router]") {
  RouterHouse house;
  bool called = false;
  auto ticket = house.router.route("two.example", [&](const Router::Answer&) { called = true; });
  auto literal = house.router.route("[192.0.2.1]", [&](const Router::Answer&) { called = true; });
  ticket = literal = nullptr;
  CHECK(house.route("two.example").starts_with("a.example"));
  CHECK_FALSE(called);
  // By his own answer as well.
  bool done = false;
  ticket = house.router.route("two.example", [&](const Router::Answer&) {
    ticket = nullptr;
    done = true;
  });
  house.house.run_until([&] { return done; });
}

TEST_CASE("our own addresses are those of the interfaces", "[router]") {
  const std::vector<IpAddress> addresses = interface_addresses();
  CHECK(std::find(addresses.begin(), addresses.end(), *parse_ip("127.0.0.1")) != addresses.end());
}
