#include "server/net/gateways.h"

#include "tests/catch.h"

using namespace mailstead;
using namespace std::chrono_literals;

TEST_CASE("the gateway of a route for everywhere is told, and of no other", "[gateways]") {
  CHECK(gateway_of_route("eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0") == "172.17.0.1");
  CHECK(gateway_of_route("eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0").empty());
  CHECK(
      gateway_of_route("eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0").empty());  // no gateway
  CHECK(gateway_of_route("Iface\tDestination\tGateway \tFlags").empty());
  CHECK(gateway_of_route("").empty());
  const std::string nothing(32, '0');
  CHECK(gateway_of_route6(nothing + " 00 " + nothing + " 00 fd000000000000000000000000000001 00000400") ==
        "fd00::1");
  CHECK(gateway_of_route6(nothing + " 00 " + nothing + " 00 " + nothing + " 00000400").empty());
  CHECK(gateway_of_route6(nothing + " 40 " + nothing + " 00 fd000000000000000000000000000001 00000400")
            .empty());
  CHECK(gateway_of_route6(nothing + " 00 " + nothing + " 00 zz000000000000000000000000000001 00000400")
            .empty());
}

TEST_CASE("networks that come later are seen within a minute", "[gateways]") {
  std::chrono::steady_clock::time_point now{};
  Gateways::Addresses addresses{{"172.17.0.1"}, {"172.17.0.2"}};
  Gateways gateways(
      Gateways::Place::kMachine, [&] { return addresses; }, [&] { return now; });
  CHECK(gateways.hides("172.17.0.1"));
  CHECK_FALSE(gateways.hides("172.17.0.9"));
  CHECK_FALSE(gateways.hides(""));
  addresses.gateways = {"10.0.2.2"};
  now += 59s;
  CHECK(gateways.hides("172.17.0.1"));
  now += 1s;
  CHECK_FALSE(gateways.hides("172.17.0.1"));
  CHECK(gateways.hides("10.0.2.2"));
}

TEST_CASE("only in a container may anybody be behind its own address", "[gateways]") {
  const auto read = [] { return Gateways::Addresses{{"172.17.0.1"}, {"172.17.0.2"}}; };
  Gateways machine(Gateways::Place::kMachine, read);
  CHECK_FALSE(machine.hides("172.17.0.2"));
  CHECK(machine.is_own("172.17.0.2"));
  CHECK_FALSE(machine.is_own("172.17.0.1"));
  Gateways container(Gateways::Place::kContainer, read);
  CHECK(container.hides("172.17.0.2"));
}

TEST_CASE("loopback is none of the machine's own addresses", "[gateways]") {
  CHECK_FALSE(Gateways::read_addresses().own.contains("127.0.0.1"));
  CHECK_FALSE(Gateways::read_addresses().own.contains("::1"));
}
