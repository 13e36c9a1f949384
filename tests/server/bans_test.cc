#include "server/policy/bans.h"

#include "server/net/network.h"
#include "tests/catch.h"

using namespace mailstead;
using std::chrono::seconds;

namespace {

PeerFacts from(const std::string& address) {
  PeerFacts peer;
  peer.address = address;
  peer.loopback = address == "127.0.0.1";
  peer.hidden = address == "198.51.100.1";
  return peer;
}

// Bans after three guesses, for ten minutes at first, by a clock that the test moves.
struct Fixture {
  seconds now{1'000'000};
  Bans bans{{.after = 3, .time = seconds(600)}, [this] { return now; }};

  std::optional<Ban> guess(const std::string& address, std::uint64_t first, std::uint64_t last) {
    std::optional<Ban> ban;
    for (std::uint64_t i = first; i <= last; ++i) {
      if (auto found = bans.note_wrong(from(address), i)) ban = found;
    }
    return ban;
  }
};

}  // namespace

TEST_CASE("different guesses lead to a ban, and it ends", "[ban]") {
  Fixture world;
  CHECK_FALSE(world.guess("192.0.2.1", 1, 2));
  CHECK_FALSE(world.guess("192.0.2.1", 1, 2));  // the same ones
  CHECK_FALSE(world.bans.is_banned(from("192.0.2.1")));
  const auto ban = world.guess("192.0.2.1", 3, 3);
  REQUIRE(ban);
  CHECK(ban->network == "192.0.2.1");
  CHECK(ban->wrong_logins == 3);
  CHECK(ban->until - ban->since == 600);
  CHECK(world.bans.is_banned(from("192.0.2.1")));
  CHECK_FALSE(world.bans.is_banned(from("192.0.2.2")));
  CHECK(world.bans.bans().size() == 1);
  world.now += seconds(599);
  CHECK(world.bans.is_banned(from("192.0.2.1")));
  world.now += seconds(1);
  CHECK_FALSE(world.bans.is_banned(from("192.0.2.1")));
  CHECK(world.bans.bans().empty());
}

TEST_CASE("each ban of a network is twice as long, up to a day, and forgotten after one", "[ban]") {
  Fixture world;
  std::uint64_t next = 0;
  std::int64_t expected = 600;
  for (int i = 0; i < 12; ++i) {
    const auto ban = world.guess("192.0.2.1", next, next + 2);
    next += 3;
    REQUIRE(ban);
    CHECK(ban->until - ban->since == std::min<std::int64_t>(expected, 86'400));
    expected *= 2;
    world.now += seconds(ban->until - ban->since);
  }
  world.now += seconds(86'401);
  CHECK(world.guess("192.0.2.1", next, next + 2)->until - world.bans.bans()[0].since == 600);
}

TEST_CASE("guesses of long ago and those before a right login do not count", "[ban]") {
  Fixture world;
  CHECK_FALSE(world.guess("192.0.2.1", 1, 2));
  world.now += seconds(3'601);
  CHECK_FALSE(world.guess("192.0.2.1", 3, 4));
  CHECK(world.guess("192.0.2.1", 5, 5));
}

TEST_CASE("loopback, gateways and who logged in well lately are never banned", "[ban]") {
  Fixture world;
  world.bans.note_right(from("192.0.2.1"));
  for (const char* address : {"127.0.0.1", "198.51.100.1", "192.0.2.1"}) {
    INFO(address);
    CHECK_FALSE(world.guess(address, 1, 50));
    CHECK_FALSE(world.bans.is_banned(from(address)));
  }
  CHECK(world.bans.is_shared(from("127.0.0.1")));
  CHECK(world.bans.is_shared(from("198.51.100.1")));
  CHECK_FALSE(world.bans.is_shared(from("192.0.2.1")));
  // Lately: a week.
  world.now += seconds(7 * 86'400 + 1);
  CHECK(world.guess("192.0.2.1", 1, 3));
}

TEST_CASE("a /64 is banned as one and lifted by any of its addresses", "[ban]") {
  Fixture world;
  CHECK_FALSE(world.guess("2001:db8:1:2::1", 1, 2));
  const auto ban = world.guess("2001:db8:1:2:ffff::2", 3, 3);
  REQUIRE(ban);
  CHECK(ban->network == "2001:db8:1:2::/64");
  CHECK(world.bans.is_banned(from("2001:db8:1:2::9")));
  CHECK_FALSE(world.bans.is_banned(from("2001:db8:1:3::1")));
  CHECK_FALSE(world.bans.lift("2001:db8:1:3::1"));
  CHECK(world.bans.lift("2001:db8:1:2::77"));
  CHECK_FALSE(world.bans.is_banned(from("2001:db8:1:2::1")));
  CHECK_FALSE(world.bans.lift("2001:db8:1:2::1"));
  CHECK_FALSE(world.guess("2001:db8:1:2::1", 4, 5));  // it begins anew
}

TEST_CASE("rules can change, and 0 bans nobody", "[ban]") {
  Fixture world;
  world.bans.set_rules({.after = 0, .time = seconds(60)});
  CHECK_FALSE(world.guess("192.0.2.1", 1, 100));
  world.bans.set_rules({.after = 1, .time = seconds(60)});
  CHECK(world.guess("192.0.2.1", 1, 1)->wrong_logins == 1);
}

TEST_CASE("refused connections are counted, and the first is news", "[ban]") {
  Fixture world;
  CHECK_FALSE(world.bans.note_refused(from("192.0.2.1")));
  REQUIRE(world.guess("192.0.2.1", 1, 3));
  CHECK(world.bans.note_refused(from("192.0.2.1")));
  CHECK_FALSE(world.bans.note_refused(from("192.0.2.1")));
  CHECK(world.bans.bans()[0].refused == 2);
}

TEST_CASE("an attack from everywhere costs bounded memory and forgets the oldest first", "[ban]") {
  Fixture world;
  REQUIRE(world.guess("192.0.2.1", 1, 3));
  for (int i = 0; i < 10'500; ++i) {
    world.now += seconds(i == 0 ? 1 : 0);
    REQUIRE(world.guess("10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".1", 1, 3));
  }
  CHECK(world.bans.bans().size() == 10'000);
  CHECK_FALSE(world.bans.is_banned(from("192.0.2.1")));
  CHECK(world.bans.is_banned(from("10.41.249.1")));
}

TEST_CASE("a network is an IPv4 address or an IPv6 /64", "[network]") {
  CHECK(network_of("192.0.2.1") == "192.0.2.1");
  CHECK(network_of("10.0.0.1") == "10.0.0.1");
  CHECK(network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
  CHECK(network_of("2001:db8::1") == "2001:db8::/64");
  CHECK(network_of("::1") == "::/64");
  CHECK(network_of("") == "");
}
