#include "server/policy/sending_limits.h"

#include "server/policy/known_peers.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

Config::Submission limits(std::uint32_t hour, std::uint32_t day) {
  Config::Submission submission;
  submission.recipients_per_hour = hour;
  submission.recipients_per_day = day;
  return submission;
}

// How many may go at this moment.
int burst(SendingLimits& sending, const std::string& user, const Config::Submission& submission,
          std::int64_t now) {
  int taken = 0;
  while (taken < 100000 && !sending.take(user, submission, now)) ++taken;
  return taken;
}

PeerFacts peer_at(const std::string& address) {
  PeerFacts peer;
  peer.address = address;
  return peer;
}

}  // namespace

TEST_CASE("a user may send to so many recipients in an hour, and no more", "[sending]") {
  SendingLimits sending;
  const auto submission = limits(60, 0);
  CHECK(burst(sending, "anna", submission, 1000) == 60);
  CHECK(sending.take("anna", submission, 1000) == std::chrono::seconds(60));
  // Others are not hit by it.
  CHECK(burst(sending, "bert", submission, 1000) == 60);
  // One a minute comes back, and never more than an hour's worth.
  CHECK(sending.take("anna", submission, 1059) == std::chrono::seconds(1));
  CHECK(burst(sending, "anna", submission, 1060) == 1);
  CHECK(burst(sending, "anna", submission, 1060 + 10 * 3600) == 60);
}

TEST_CASE("the day's allowance holds when the hours' would not", "[sending]") {
  SendingLimits sending;
  const auto submission = limits(100, 240);
  int sent = 0;
  for (std::int64_t minute = 0; minute < 24 * 60; ++minute)
    sent += burst(sending, "anna", submission, minute * 60);
  // What there was at the beginning, and what a day brings.
  CHECK(sent >= 478);
  CHECK(sent <= 480);
  CHECK(burst(sending, "anna", limits(0, 240), 2 * 86400) == 240);
}

TEST_CASE("no limit is no limit, and a new one holds at once", "[sending]") {
  SendingLimits sending;
  CHECK(burst(sending, "anna", limits(0, 0), 0) == 100000);
  CHECK(burst(sending, "anna", limits(5, 0), 0) == 5);
  CHECK(burst(sending, "anna", limits(0, 0), 0) == 100000);
  CHECK(burst(sending, "anna", limits(0, 7), 0) == 7);
}

TEST_CASE("what was sent while a limit was off is no debt", "[sending]") {
  SendingLimits sending;
  CHECK(burst(sending, "anna", limits(5, 0), 0) == 5);
  CHECK(burst(sending, "anna", limits(0, 900), 0) == 900);
  CHECK(burst(sending, "anna", limits(100, 0), 0) == 100);
}

TEST_CASE("thousands of users are not remembered for ever", "[sending]") {
  SendingLimits sending;
  const auto submission = limits(1, 0);
  for (int user = 0; user < 3000; ++user) CHECK_FALSE(sending.take(std::to_string(user), submission, 0));
  CHECK(sending.take("17", submission, 0));
  CHECK_FALSE(sending.take("17", submission, 86400));
}

TEST_CASE("of a user who sends too much it is told once an hour", "[sending]") {
  SendingLimits sending;
  CHECK(sending.is_news("anna", 100));
  CHECK_FALSE(sending.is_news("anna", 3000));
  CHECK(sending.is_news("bert", 3000));
  CHECK(sending.is_news("anna", 3700));
}

TEST_CASE("who has brought mail is known for a week, with its neighbours in IPv6", "[known_peers]") {
  KnownPeers known;
  known.remember(peer_at("192.0.2.1"), 1000);
  known.remember(peer_at("2001:db8:1:2::1"), 1000);
  CHECK(known.knows(peer_at("192.0.2.1"), 1000 + 6 * 86400));
  CHECK_FALSE(known.knows(peer_at("192.0.2.1"), 1000 + 7 * 86400));
  CHECK_FALSE(known.knows(peer_at("192.0.2.2"), 1000));
  CHECK(known.knows(peer_at("2001:db8:1:2::99"), 1000));
  CHECK_FALSE(known.knows(peer_at("2001:db8:1:3::1"), 1000));
  PeerFacts here = peer_at("127.0.0.1");
  here.loopback = true;
  CHECK(known.knows(here, 0));
  // A proxy that names no client asks whether we are there.
  PeerFacts proxy = peer_at("192.0.2.77");
  proxy.proxy = true;
  CHECK(known.knows(proxy, 0));
  known.remember(proxy, 0);
  CHECK_FALSE(known.knows(peer_at("192.0.2.77"), 0));
}

TEST_CASE("the memory of those who brought mail is bounded", "[known_peers]") {
  KnownPeers known;
  for (int i = 0; i < 50000; ++i) known.remember(peer_at(std::to_string(i)), 1000);
  CHECK(known.knows(peer_at("49999"), 1000));
  CHECK_FALSE(known.knows(peer_at("0"), 1000));
}
