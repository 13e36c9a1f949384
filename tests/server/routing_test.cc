#include "server/outgoing/routing.h"

#include <set>

#include "tests/catch.h"

using namespace mailstead;

namespace {

dns::Record mx(std::uint16_t preference, const std::string& host) {
  dns::Record record;
  record.type = dns::Type::kMx;
  record.preference = preference;
  record.text = host;
  return record;
}

std::vector<std::string> hosts_of(const std::vector<dns::Record>& records) {
  std::vector<std::string> hosts;
  for (const dns::Record& each : records) hosts.push_back(each.text);
  return hosts;
}

}  // namespace

TEST_CASE("hosts are tried by preference, equal ones in any order", "[routing]") {
  std::mt19937 random(1);
  bool us = false;
  std::set<std::vector<std::string>> orders;
  for (int i = 0; i < 50; ++i) {
    const auto hosts =
        hosts_of(order_of({mx(20, "c"), mx(10, "a"), mx(30, "d"), mx(10, "b")}, "we", random, us));
    CHECK_FALSE(us);
    REQUIRE(hosts.size() == 4);
    CHECK(hosts[2] == "c");
    CHECK(hosts[3] == "d");
    orders.insert(hosts);
  }
  CHECK(orders.size() == 2);
}

TEST_CASE("hosts that are no nearer than we are are none", "[routing]") {
  std::mt19937 random(1);
  bool us = false;
  CHECK(hosts_of(order_of({mx(20, "We.example"), mx(10, "a"), mx(20, "b"), mx(30, "c")}, "we.example", random,
                          us)) == std::vector<std::string>{"a"});
  CHECK(us);
  CHECK(order_of({mx(5, "we.example"), mx(10, "a")}, "we.example", random, us).empty());
  CHECK(us);
}
