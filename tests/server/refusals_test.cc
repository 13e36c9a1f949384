#include "server/policy/refusals.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

const Address kDora{"dora", "example.org"};

RefusedMail refusal(const std::string& peer, const std::string& to, const std::string& message_id = {}) {
  RefusedMail mail;
  mail.at = 1'700'000'000;
  mail.service = "smtp";
  mail.peer = peer;
  mail.command = "RCPT";
  mail.from = "carl@far.example";
  mail.to = {to};
  mail.message_id = message_id;
  mail.reply = "550 5.1.1 nobody";
  return mail;
}

}  // namespace

TEST_CASE("refused mail is found by its addresses and by its Message-ID, the newest first", "[server]") {
  Refusals refusals;
  refusals.add(refusal("192.0.2.1", "Dora@example.org", "a@far.example"));
  refusals.add(refusal("192.0.2.2", "emil@example.org"));
  refusals.add(refusal("192.0.2.3", "dora@example.org", "a@far.example"));
  const auto dora = refusals.about(kDora);
  REQUIRE(dora.size() == 2);
  CHECK(dora[0].peer == "192.0.2.3");
  CHECK(dora[1].peer == "192.0.2.1");
  CHECK(refusals.about(Address{"carl", "far.example"}).size() == 3);
  CHECK(refusals.of_message("<a@far.example>").size() == 2);
  CHECK(refusals.of_message("a@far.example").size() == 2);
  CHECK(refusals.of_message("b@far.example").empty());
  CHECK(refusals.of_message("<>").empty());
  RefusedMail nobody = refusal("192.0.2.1", "");
  nobody.from.clear();
  nobody.to.clear();
  nobody.message_id = "b@far.example";
  refusals.add(nobody);
  CHECK(refusals.of_message("b@far.example").empty());
}

TEST_CASE("no client pushes out what others were told", "[server]") {
  Refusals refusals;
  refusals.add(refusal("198.51.100.1", "dora@example.org"));
  for (std::size_t i = 0; i < 3 * Refusals::kMostOfOne; ++i)
    refusals.add(refusal("192.0.2.1", "emil@example.org"));
  CHECK(refusals.about(kDora).size() == 1);
  CHECK(refusals.about(Address{"emil", "example.org"}).size() == Refusals::kMostOfOne);
}

TEST_CASE("what changes among the refusals is told once, and what was never told is not taken back",
          "[server]") {
  Refusals refusals;
  for (std::size_t i = 0; i < Refusals::kMostOfOne; ++i)
    refusals.add(refusal("192.0.2.1", "emil@example.org"));
  auto changes = refusals.take_changes();
  CHECK(changes.added.size() == Refusals::kMostOfOne);
  CHECK(changes.removed.empty());
  for (std::size_t i = 1; i < changes.added.size(); ++i)
    CHECK(changes.added[i].serial > changes.added[i - 1].serial);
  const auto told = changes.added;
  CHECK(refusals.take_changes().added.empty());
  // More than are kept come at once: all that were told go, and none of the others that went.
  for (std::size_t i = 0; i < Refusals::kMostOfOne + 50; ++i)
    refusals.add(refusal("192.0.2.1", "dora@example.org"));
  changes = refusals.take_changes();
  CHECK(changes.added.size() == Refusals::kMostOfOne);
  REQUIRE(changes.removed.size() == told.size());
  for (std::size_t i = 0; i < told.size(); ++i) CHECK(changes.removed[i] == told[i].serial);

  Refusals next;
  next.load(changes.added);
  CHECK(next.about(kDora).size() == Refusals::kMostOfOne);
  CHECK(next.take_changes().added.empty());
  next.add(refusal("192.0.2.1", "emil@example.org"));
  const auto more = next.take_changes();
  REQUIRE(more.added.size() == 1);
  CHECK(more.added[0].serial > changes.added.back().serial);
  REQUIRE(more.removed.size() == 1);
  CHECK(more.removed[0] == changes.added.front().serial);
}
