#include "admin/doctor/doctor_names.h"

#include "tests/admin/doctor_fixture.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;
using namespace mailstead::admin_test;

namespace {

constexpr const char* kHost = "mail.example.org";

IpAddress ip(const char* text) {
  return parse_ip(text).value();
}

HostFacts host_at(std::vector<const char*> own) {
  HostFacts facts;
  facts.hostname = kHost;
  for (const char* each : own) {
    facts.own.push_back(ip(each));
    facts.addresses.push_back({ip(each), true});
    if (!ip(each).is_ipv4()) facts.has_ipv6_route = true;
  }
  return facts;
}

// As it should be.
void publish(WrittenNetwork& network) {
  network.add(kHost, "192.0.2.1");
  network.add("1.2.0.192.in-addr.arpa", dns::Type::kPtr, kHost);
}

HostFacts looked(HostFacts facts, WrittenNetwork& network) {
  HostLook look(facts);
  look.begin(network, nullptr);
  return facts;
}

Health health_of_name(const std::string& name) {
  HostFacts facts;
  facts.hostname = name;
  return worst(judged(judge_hostname, facts));
}

}  // namespace

TEST_CASE("the server's name has to be one that others can find", "[doctor]") {
  CHECK(health_of_name("mail.example.org") == Health::kOk);
  for (const char* bad : {"localhost", "localhost.localdomain", "mail", "3f2a9c1b4d5e", "box.local",
                          "192.0.2.1", "[192.0.2.1]", "mail.lan", "bad name.org"}) {
    CAPTURE(bad);
    CHECK(health_of_name(bad) == Health::kProblem);
  }
  HostFacts facts;
  facts.hostname = "3f2a9c1b4d5e";
  CHECK(says(judged(judge_hostname, facts), Health::kProblem, "by chance"));
}

TEST_CASE("a host whose name and address lead to each other is well", "[doctor]") {
  WrittenNetwork network;
  publish(network);
  const HostFacts facts = looked(host_at({"192.0.2.1"}), network);
  CHECK(worst(judged(judge_forward, facts)) == Health::kOk);
  CHECK(worst(judged(judge_reverse, facts)) == Health::kOk);
  CHECK(worst(judged(judge_ipv6, facts)) == Health::kOk);
}

TEST_CASE("the name has to lead to an address that is this machine's and can be reached", "[doctor]") {
  WrittenNetwork network;
  SECTION("none") {
    CHECK(
        says(judged(judge_forward, looked(host_at({"192.0.2.1"}), network)), Health::kProblem, "no address"));
  }
  SECTION("nobody answers") {
    network.fail(kHost, dns::Type::kA);
    network.fail(kHost, dns::Type::kAaaa);
    CHECK(worst(judged(judge_forward, looked(host_at({"192.0.2.1"}), network))) == Health::kSkipped);
  }
  SECTION("an inner one") {
    network.add(kHost, "192.168.1.5");
    CHECK(says(judged(judge_forward, looked(host_at({"192.0.2.1"}), network)), Health::kProblem,
               "nobody elsewhere"));
  }
  SECTION("another machine's") {
    network.add(kHost, "192.0.2.9");
    CHECK(
        says(judged(judge_forward, looked(host_at({"192.0.2.1"}), network)), Health::kWarning, "192.0.2.9"));
  }
  SECTION("a router's") {
    network.add(kHost, "192.0.2.9");
    CHECK(says(judged(judge_forward, looked(host_at({}), network)), Health::kOk, "behind"));
  }
}

TEST_CASE("the address has to lead back to the server's name", "[doctor]") {
  WrittenNetwork network;
  network.add(kHost, "192.0.2.1");
  const auto reverse = [&] { return judged(judge_reverse, looked(host_at({"192.0.2.1"}), network)); };
  const std::string name = "1.2.0.192.in-addr.arpa";
  SECTION("no name") {
    CHECK(says(reverse(), Health::kProblem, "no name in the DNS"));
  }
  SECTION("no answer") {
    network.fail(name, dns::Type::kPtr);
    CHECK(worst(reverse()) == Health::kSkipped);
  }
  SECTION("a name that leads nowhere") {
    network.add(name, dns::Type::kPtr, "host.isp.example");
    CHECK(says(reverse(), Health::kProblem, "does not lead back"));
  }
  SECTION("a name that leads elsewhere") {
    network.add(name, dns::Type::kPtr, kHost);
    network.add("host.isp.example", "192.0.2.7");
    CHECK(worst(reverse()) == Health::kOk);
  }
  SECTION("another name") {
    network.add(name, dns::Type::kPtr, "host.isp.example");
    network.add("host.isp.example", "192.0.2.1");
    CHECK(says(reverse(), Health::kWarning, "greets as mail.example.org"));
  }
  SECTION("with a smarthost it is only told") {
    HostFacts facts = host_at({"192.0.2.1"});
    facts.has_smarthost = true;
    CHECK(worst(judged(judge_reverse, looked(facts, network))) == Health::kNote);
  }
}

TEST_CASE("names that providers give to anybody are known", "[doctor]") {
  const IpAddress address = ip("198.51.100.23");
  for (const char* name :
       {"198-51-100-23.isp.example", "23.100.51.198.static.isp.example", "ip-198.51.100.23.isp.example",
        "c6336417.isp.example", "host.dyn.isp.example", "pool-7.isp.example", "x.dsl.isp.example"}) {
    CAPTURE(name);
    CHECK(looks_generic(name, address));
  }
  for (const char* name : {"mail.example.org", "mx23.example.org", "mail-51.example.org",
                           "cloud7.example.org", "dynamo.example.org", "mail2023.example.org"}) {
    CAPTURE(name);
    CHECK_FALSE(looks_generic(name, address));
  }
  CHECK_FALSE(looks_generic("mail.example.org", ip("2001:db8::1")));
}

TEST_CASE("IPv6 has to work where the DNS says so, and to have a name where mail leaves by it", "[doctor]") {
  WrittenNetwork network;
  publish(network);
  const std::string reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  SECTION("published and not there") {
    network.add(kHost, "2001:db8::1");
    CHECK(
        says(judged(judge_ipv6, looked(host_at({"192.0.2.1"}), network)), Health::kProblem, "does not work"));
    CHECK(says(judged(judge_ipv6, looked(host_at({}), network)), Health::kWarning, "does not work"));
  }
  SECTION("there, named and published") {
    network.add(kHost, "2001:db8::1");
    network.add(reverse, dns::Type::kPtr, kHost);
    CHECK(worst(judged(judge_ipv6, looked(host_at({"192.0.2.1", "2001:db8::1"}), network))) == Health::kOk);
  }
  SECTION("there, and not named") {
    network.add(kHost, "2001:db8::1");
    CHECK(says(judged(judge_ipv6, looked(host_at({"192.0.2.1", "2001:db8::1"}), network)), Health::kProblem,
               "Google"));
  }
  SECTION("there, and not published") {
    CHECK(says(judged(judge_ipv6, looked(host_at({"192.0.2.1", "2001:db8::1"}), network)), Health::kWarning,
               "SPF"));
  }
  SECTION("there, and without a way out") {
    network.add(kHost, "2001:db8::1");
    HostFacts facts = host_at({"192.0.2.1", "2001:db8::1"});
    facts.has_ipv6_route = false;
    CHECK(says(judged(judge_ipv6, looked(facts, network)), Health::kProblem, "does not work"));
  }
}
