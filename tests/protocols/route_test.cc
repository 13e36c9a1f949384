#include "protocols/route.h"

#include <set>
#include <string>

#include "tests/catch.h"

using namespace mailstead;

namespace {

DnsAnswer absent(DnsStatus status) {
  DnsAnswer answer;
  answer.status = status;
  return answer;
}

DnsAnswer mx_answer(std::vector<MxRecord> records) {
  DnsAnswer answer = absent(DnsStatus::kFound);
  answer.exchanges = std::move(records);
  return answer;
}

DnsAnswer addresses(const std::vector<std::string>& texts) {
  DnsAnswer answer = absent(texts.empty() ? DnsStatus::kNoRecords : DnsStatus::kFound);
  for (const std::string& text : texts) answer.addresses.push_back(*parse_ip(text));
  return answer;
}

RoutePolicy our_policy() {
  RoutePolicy policy;
  policy.hostname = "mail.us.example";
  policy.addresses = {*parse_ip("198.51.100.1"), *parse_ip("2001:db8::5")};
  return policy;
}

std::string hosts_text(const std::vector<MailHost>& hosts) {
  std::string out;
  for (const MailHost& host : hosts) out += host.name + " ";
  return out;
}

std::string chosen(const DnsAnswer& mx, unsigned seed = 1) {
  std::minstd_rand random(seed);
  const Candidates found = candidates("them.example", mx, our_policy(), random);
  if (const auto* failure = std::get_if<RouteFailure>(&found)) return std::string(failure->enhanced);
  return hosts_text(std::get<std::vector<MailHost>>(found));
}

std::string routed(const std::vector<HostAnswers>& answers, const RoutePolicy& policy = our_policy()) {
  const auto found = route_to("them.example", answers, policy);
  if (const auto* failure = std::get_if<RouteFailure>(&found)) return std::string(failure->enhanced);
  std::string out;
  for (const RouteHost& host : std::get<std::vector<RouteHost>>(found)) {
    out += host.name + ":";
    for (const IpAddress& address : host.addresses) out += " " + address.text();
    out += "; ";
  }
  return out;
}

}  // namespace

TEST_CASE("hosts come by preference, equal ones in any order", "[route]") {
  CHECK(chosen(mx_answer({{20, "b.example"}, {10, "a.example"}, {30, "c.example"}})) ==
        "a.example b.example c.example ");
  std::set<std::string> orders;
  for (unsigned seed = 1; seed < 50; ++seed) {
    orders.insert(chosen(mx_answer({{10, "a"}, {10, "b"}, {5, "c"}}), seed * 123456789U));
  }
  CHECK(orders == std::set<std::string>{"c a b ", "c b a "});
}

TEST_CASE("what the DNS says of a domain without hosts for its mail", "[route]") {
  CHECK(chosen(absent(DnsStatus::kTemporary)) == "4.4.3");
  CHECK(chosen(absent(DnsStatus::kNoDomain)) == "5.1.2");
  CHECK(chosen(absent(DnsStatus::kNoRecords)) == "them.example ");
  CHECK(chosen(mx_answer({{0, "."}})) == "5.1.10");
  CHECK(chosen(mx_answer({{0, "."}, {10, "a.example"}})) == "a.example ");
  CHECK(chosen(mx_answer({{10, "192.0.2.1"}, {10, "a\\046b.example"}, {10, "-x"}})) == "5.4.4");
}

TEST_CASE("no better host than we are is tried", "[route]") {
  CHECK(
      chosen(mx_answer({{10, "a.example"}, {20, "mail.us.example"}, {20, "b.example"}, {30, "c.example"}})) ==
      "a.example ");
  CHECK(chosen(mx_answer({{10, "mail.us.example"}, {30, "c.example"}})) == "5.4.6");
  const HostAnswers first{{"a", 10, false}, addresses({"192.0.2.1"}), addresses({})};
  const HostAnswers us{{"b", 20, false}, addresses({"198.51.100.1", "192.0.2.2"}), addresses({})};
  const HostAnswers equal{{"d", 20, false}, addresses({"192.0.2.4"}), addresses({})};
  const HostAnswers last{{"c", 30, false}, addresses({"192.0.2.3"}), addresses({})};
  CHECK(routed({first, us, last}) == "a: 192.0.2.1; ");
  CHECK(routed({first, equal, us, last}) == "a: 192.0.2.1; ");
  CHECK(routed({us, last}) == "5.4.6");
  CHECK(routed({{{"l", 0, false}, addresses({"127.0.0.1"}), addresses({})}}) == "5.4.6");
  // At another port than ours it is somebody else.
  RoutePolicy trial = our_policy();
  trial.port = RoutePolicy::Port::kOthers;
  CHECK(routed({us, last}, trial) == "b: 198.51.100.1 192.0.2.2; c: 192.0.2.3; ");
  CHECK(routed({{{"l", 0, false}, addresses({"127.0.0.1"}), addresses({})}}, trial) == "l: 127.0.0.1; ");
}

TEST_CASE("a better host that cannot be looked up may come back", "[route]") {
  const HostAnswers doubtful{{"a", 10, false}, absent(DnsStatus::kTemporary), addresses({})};
  const HostAnswers us{{"b", 20, false}, addresses({"198.51.100.1"}), addresses({})};
  const HostAnswers other{{"c", 20, false}, addresses({"192.0.2.1"}), addresses({})};
  CHECK(routed({doubtful, us}) == "4.4.3");
  CHECK(routed({doubtful, other}) == "c: 192.0.2.1; ");
  CHECK(routed({doubtful}) == "4.4.3");
}

TEST_CASE("families take turns, IPv6 first", "[route]") {
  CHECK(routed({{{"a", 0, false},
                 addresses({"192.0.2.1", "192.0.2.2", "192.0.2.3"}),
                 addresses({"2001:db8::1", "2001:db8::2"})}}) ==
        "a: 2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3; ");
}

TEST_CASE("hosts and addresses are bounded", "[route]") {
  std::vector<MxRecord> records;
  for (int i = 0; i < 100; ++i) records.push_back({10, "m" + std::to_string(i) + ".example"});
  std::minstd_rand random(1);
  const auto hosts =
      std::get<std::vector<MailHost>>(candidates("them.example", mx_answer(records), our_policy(), random));
  CHECK(hosts.size() == kMostMailHosts);
  std::vector<HostAnswers> answers;
  for (const MailHost& host : hosts) {
    answers.push_back({host, addresses({"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}), addresses({})});
  }
  std::size_t count = 0;
  const auto found = route_to("them.example", answers, our_policy());
  for (const RouteHost& host : std::get<std::vector<RouteHost>>(found)) {
    CHECK_FALSE(host.addresses.empty());
    count += host.addresses.size();
  }
  CHECK(count == kMostMailAddresses);
}

TEST_CASE("addresses that nobody is to be found at are not tried", "[route]") {
  const auto only = [](const std::string& address, const RoutePolicy& policy = our_policy()) {
    const bool ipv4 = parse_ip(address)->is_ipv4();
    return routed({{{"a", 0, false},
                    addresses(ipv4 ? std::vector{address} : std::vector<std::string>{}),
                    addresses(ipv4 ? std::vector<std::string>{} : std::vector{address})}},
                  policy);
  };
  for (const char* never : {"224.0.0.1", "255.255.255.255", "169.254.169.254", "240.0.0.1", "ff02::1",
                            "fe80::1", "::192.0.2.1"}) {
    INFO(never);
    CHECK(only(never) == "5.4.4");
  }
  for (const char* here : {"0.0.0.0", "127.0.0.1", "127.8.8.8", "::1", "::", "::ffff:127.0.0.1"}) {
    INFO(here);
    CHECK(only(here) == "5.4.6");
  }
  RoutePolicy strict = our_policy();
  strict.private_addresses = RoutePolicy::Private::kRefused;
  for (const char* inner : {"10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"}) {
    INFO(inner);
    CHECK(only(inner) == "a: " + std::string(inner) + "; ");
    CHECK(only(inner, strict) == "5.4.4");
  }
}

TEST_CASE("a host is authenticated when every answer on the way to it is", "[route]") {
  const auto is_authenticated = [](bool mx, bool ipv4, bool ipv6) {
    HostAnswers answers{{"a", 0, mx}, addresses({"192.0.2.1"}), addresses({})};
    answers.ipv4.authenticated = ipv4;
    answers.ipv4.name = "b";
    answers.ipv6.authenticated = ipv6;
    const auto found = route_to("them.example", {answers}, our_policy());
    CHECK(std::get<std::vector<RouteHost>>(found)[0].canonical == "b");
    return std::get<std::vector<RouteHost>>(found)[0].authenticated;
  };
  CHECK(is_authenticated(true, true, true));
  CHECK_FALSE(is_authenticated(false, true, true));
  CHECK_FALSE(is_authenticated(true, false, true));
  CHECK_FALSE(is_authenticated(true, true, false));
}

TEST_CASE("an address literal is its own route", "[route]") {
  const auto literal = [](std::string_view text) {
    const auto found = route_to_literal(text, our_policy());
    const auto* failure = std::get_if<RouteFailure>(&found);
    return failure != nullptr ? std::string(failure->enhanced)
                              : std::get<RouteHost>(found).addresses[0].text();
  };
  CHECK(literal("[192.0.2.1]") == "192.0.2.1");
  CHECK(literal("[ipv6:2001:db8::1]") == "2001:db8::1");
  CHECK(literal("[198.51.100.1]") == "5.4.6");
  CHECK(literal("[127.0.0.1]") == "5.4.6");
  CHECK(literal("[255.255.255.255]") == "5.1.2");
  CHECK(literal("[x:y]") == "5.1.2");
}

TEST_CASE("what is wrong with a configured host costs nobody his mail", "[route]") {
  const auto fixed = [](const DnsAnswer& ipv4) {
    const auto found = route_to_fixed({{"s.example", 0, false}, ipv4, addresses({})});
    const auto* failure = std::get_if<RouteFailure>(&found);
    return failure != nullptr ? std::string(failure->enhanced)
                              : std::get<RouteHost>(found).addresses[0].text();
  };
  CHECK(fixed(addresses({"127.0.0.1"})) == "127.0.0.1");
  CHECK(fixed(absent(DnsStatus::kTemporary)) == "4.4.3");
  CHECK(fixed(absent(DnsStatus::kNoDomain)) == "4.4.4");
}
