#include "server/net/proxy_gate.h"

#include <string>

#include "tests/catch.h"
#include "tests/server/loopback.h"

using namespace mailstead;
using namespace mailstead::testing;

namespace {

const std::string kLine = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n";
const std::string kLocal{"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16};

struct GatedHouse : Loopback {
  GatedHouse() : Loopback(TlsStart::kOnCommand, nullptr, Entry::kProxyGate) {}
};

}  // namespace

TEST_CASE("a session begins behind the header, and what came with it is not lost", "[proxy]") {
  GatedHouse house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send(kLine + "one\ntwo\nquit\n");
    REQUIRE(client.read_all() == "hello\r\nsaid one\r\nsaid two\r\nbye\r\n");
  });
  CHECK(house.driver->line_session.lines == "one|two|quit|");
  CHECK(house.peer.address == "192.0.2.7");
  CHECK_FALSE(house.peer.loopback);
  CHECK_FALSE(house.peer.proxy);
}

TEST_CASE("a header may come in pieces", "[proxy]") {
  for (std::size_t cut = 1; cut < kLine.size(); ++cut) {
    GatedHouse house;
    house.run([&](std::uint16_t port) {
      Client client(port);
      client.send(kLine.substr(0, cut));
      uv_sleep(2);
      client.send(kLine.substr(cut) + "quit\n");
      REQUIRE(client.read_all() == "hello\r\nbye\r\n");
    });
    CHECK(house.peer.address == "192.0.2.7");
  }
}

TEST_CASE("a client that waits for the greeting gets it behind the header alone", "[proxy]") {
  GatedHouse house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send(kLine);
    REQUIRE(client.read_line() == "hello");
    client.send("quit\n");
    REQUIRE(client.read_all() == "bye\r\n");
  });
}

TEST_CASE("a header that names nobody leaves the proxy's address, without loopback's privileges", "[proxy]") {
  for (const std::string& header : {kLocal, std::string("PROXY UNKNOWN\r\n")}) {
    GatedHouse house;
    house.run([&](std::uint16_t port) {
      Client client(port);
      client.send(header + "quit\n");
      REQUIRE(client.read_all() == "hello\r\nbye\r\n");
    });
    CHECK(house.peer.address == "127.0.0.1");
    CHECK_FALSE(house.peer.loopback);
    CHECK(house.peer.proxy);
  }
}

TEST_CASE("who claims to be loopback is not", "[proxy]") {
  for (const char* claim : {"TCP4 127.0.0.1 127.0.0.1", "TCP6 ::1 ::1", "TCP6 ::ffff:127.0.0.1 ::1"}) {
    GatedHouse house;
    house.run([&](std::uint16_t port) {
      Client client(port);
      client.send("PROXY " + std::string(claim) + " 1 25\r\nquit\n");
      REQUIRE(client.read_all() == "hello\r\nbye\r\n");
    });
    CHECK((house.peer.address == "127.0.0.1" || house.peer.address == "::1"));
    CHECK_FALSE(house.peer.loopback);
    CHECK_FALSE(house.peer.proxy);
  }
}

TEST_CASE("without a header the connection is closed without a word", "[proxy]") {
  GatedHouse house;
  house.run([](std::uint16_t port) {
    for (const std::string& wrong :
         {std::string("x"), std::string("PROXY TCP4 1.2.3.4\r\n"), kLine.substr(1)}) {
      Client client(port);
      client.send(wrong);
      REQUIRE(client.read_all().empty());
    }
    for (const std::string& beginning : {std::string(), kLine.substr(0, 20)}) {
      Client client(port);
      client.send(beginning);
      client.half_close();
      REQUIRE(client.read_all().empty());
    }
  });
  CHECK(house.peer.address.empty());
}

TEST_CASE("those who wait for their header are counted, and can be sent away", "[proxy]") {
  GatedHouse house;
  uv_timer_t later;
  uv_timer_init(house.loop(), &later);
  later.data = &house;
  uv_timer_start(
      &later,
      [](uv_timer_t* timer) {
        auto* gated = static_cast<GatedHouse*>(timer->data);
        if (gated->gate.waiting() < 2) return;
        CHECK(gated->connections.size() == 0);
        gated->gate.close_all();
        CHECK(gated->gate.waiting() == 0);
        uv_timer_stop(timer);
      },
      5, 5);
  house.run([](std::uint16_t port) {
    // They say nothing: the kernel resets a connection that is closed with octets that nobody has read.
    Client one(port);
    Client two(port);
    REQUIRE(one.read_all().empty());
    REQUIRE(two.read_all().empty());
  });
  CHECK(house.peer.address.empty());
  uv_close(reinterpret_cast<uv_handle_t*>(&later), nullptr);
}
