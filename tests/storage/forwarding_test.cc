// Aliases that lead to other hosts: what is queued, under which reverse-path, and how reports come back.
#include "storage/accounts/forwarding.h"
#include "protocols/smtp/srs.h"
#include "queue_support.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr const char* kTeam = "team@example.org";
constexpr const char* kFarTarget = "carl@far.example";
constexpr const char* kWideTarget = "dora@wide.example";
constexpr const char* kEmil = "emil@elsewhere.example";
constexpr const char* kForwarded = "Subject: x\r\n\r\nx\r\n";

Delivery sent_by(Store& store, const char* sender, const std::vector<std::string>& recipients,
                 const std::string& content = kForwarded) {
  Delivery delivery = message(store, recipients, content);
  if (*sender == 0) {
    delivery.envelope.reverse_path.reset();
  } else {
    delivery.envelope.reverse_path = address(sender);
  }
  return delivery;
}

Result<Delivered> deliver_alone(Store& store, Delivery delivery) {
  std::vector<Delivery> batch;
  batch.push_back(std::move(delivery));
  return std::move(store.deliver(batch)[0]);
}

ErrorKind refusal_of(const Result<Delivered>& delivered) {
  REQUIRE_FALSE(delivered.has_value());
  return delivered.error().kind;
}

std::vector<std::string> who_waits(const QueuedMessage& message) {
  std::vector<std::string> texts;
  for (const QueuedRecipient& each : message.recipients) {
    if (each.state == QueueState::kWaiting) texts.push_back(each.recipient.address.text());
  }
  return texts;
}

}  // namespace

TEST_CASE("a stranger's mail is passed on under a reverse-path that leads back to him",
          "[storage][forwarding]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->add_alias(kTeam, {address(kAnna), address(kFarTarget), address(kWideTarget)}).has_value());
  Delivery delivery = sent_by(*store, kEmil, {kTeam});
  delivery.tags = "X-Tag: 1\r\n";
  delivery.seal = "X-Seal: 1\r\n";
  const std::string id = delivery.id;
  const auto delivered = deliver_alone(*store, std::move(delivery));
  REQUIRE(delivered.has_value());
  CHECK(delivered->copies.size() == 1);
  CHECK(delivered->queued == 2);
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].id == id);
  CHECK(who_waits(messages[0]) == std::vector<std::string>{kFarTarget, kWideTarget});
  CHECK(content_of(*store, messages[0]) ==
        std::string("Delivered-To: team@example.org\r\nX-Seal: 1\r\nX-Tag: 1\r\n") + kForwarded);
  // It is not sealed for who has it here.
  CHECK(fetch_all(*store, kAnna)[0].content.find("X-Seal") == std::string::npos);
  const Recipient& far = messages[0].recipients[0].recipient;
  CHECK(far.original == "rfc822;team@example.org");
  CHECK(messages[0].envelope.returned == ReturnedContent::kHeaders);
  const auto& path = messages[0].envelope.reverse_path;
  REQUIRE(path.has_value());
  CHECK(path->domain == "example.org");
  CHECK(looks_like_srs(*path));
  CHECK(store->takes_reports(*path));
  CHECK_FALSE(store->takes_reports(address(kTeam)));
  CHECK_FALSE(store->takes_reports(address("SRS0=AAAAAA=AA=elsewhere.example=emil@example.org")));

  // The report about it.
  const auto reported = deliver_alone(*store, sent_by(*store, "", {path->text()}));
  REQUIRE(reported.has_value());
  CHECK(reported->queued == 1);
  const auto both = queued(*store);
  REQUIRE(both.size() == 2);
  CHECK(who_waits(both[1]) == std::vector<std::string>{kEmil});
  CHECK_FALSE(both[1].envelope.reverse_path.has_value());
  // Of its own fate nobody is told.
  REQUIRE(both[1].recipients[0].recipient.notify.has_value());
  CHECK_FALSE(both[1].recipients[0].recipient.notify->failure);

  // Anything else is no report, and nobody's business here.
  CHECK(refusal_of(deliver_alone(*store, sent_by(*store, kEmil, {path->text()}))) == ErrorKind::kNotFound);
  CHECK(queued(*store).size() == 2);
}

TEST_CASE("mail of our own users and from <> is passed on as it came", "[storage][forwarding]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->add_alias(kTeam, {address(kFarTarget)}).has_value());
  for (const char* sender : {kAnna, ""}) {
    REQUIRE(deliver_alone(*store, sent_by(*store, sender, {kTeam})).has_value());
    const auto path = queued(*store).back().envelope.reverse_path;
    CHECK((path ? path->text() : "") == sender);
  }
}

TEST_CASE("a message for other hosts and for aliases has a copy in the queue for each way",
          "[storage][forwarding]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->add_alias(kTeam, {address(kFarTarget)}).has_value());
  REQUIRE(store->add_alias("other@second.example", {address(kFarTarget), address(kWideTarget)}).has_value());
  Delivery delivery = sent_by(*store, kAnna, {"x@third.example", kTeam, "other@second.example"});
  delivery.relaying = Relaying::kYes;
  delivery.signatures = "DKIM-Signature: of the test\r\n";
  delivery.tags = "X-Tag: 1\r\n";
  const auto delivered = deliver_alone(*store, std::move(delivery));
  REQUIRE(delivered.has_value());
  CHECK(delivered->queued == 3);  // each target once
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 3);
  CHECK(who_waits(messages[0]) == std::vector<std::string>{"x@third.example"});
  CHECK(who_waits(messages[1]) == std::vector<std::string>{kFarTarget});
  CHECK(who_waits(messages[2]) == std::vector<std::string>{kWideTarget});
  CHECK(messages[0].id != messages[1].id);
  CHECK(messages[1].id != messages[2].id);
  const std::string own = std::string("DKIM-Signature: of the test\r\nX-Tag: 1\r\n") + kForwarded;
  CHECK(content_of(*store, messages[0]) == own);
  CHECK(content_of(*store, messages[1]) == "Delivered-To: team@example.org\r\n" + own);
  // After a lost index, too.
  store.reset();
  lose_index(scratch.data());
  store = open_store(scratch.data());
  CHECK(queued(*store).size() == 3);
}

TEST_CASE("mail that comes back to the alias that passed it on is a loop", "[storage][forwarding]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->add_alias("info@example.org", {address("team@example.org")}).has_value() == false);
  REQUIRE(store->add_alias(kTeam, {address(kFarTarget)}).has_value());
  REQUIRE(store->add_alias("info@example.org", {address(kTeam)}).has_value());
  const std::string content = std::string("Delivered-To: team@example.org\r\n") + kForwarded;
  CHECK(refusal_of(deliver_alone(*store, sent_by(*store, kEmil, {"info@example.org"}, content))) ==
        ErrorKind::kInvalid);
  CHECK(queued(*store).empty());
}

TEST_CASE("success is reported by the last host of one way, and by us of several", "[storage][forwarding]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->add_alias("one@example.org", {address(kFarTarget)}).has_value());
  REQUIRE(store->add_alias("two@example.org", {address(kFarTarget), address(kWideTarget)}).has_value());
  Delivery delivery = sent_by(*store, kAnna, {});
  Recipient one(address("one@example.org")), two(address("two@example.org"));
  one.notify = Notify{true, true, false};
  two.notify = Notify{true, false, false};
  one.original = "rfc822;first@example.net";
  SECTION("one way") {
    delivery.envelope.recipients = {one};
    REQUIRE(deliver_alone(*store, std::move(delivery)).has_value());
    const auto messages = queued(*store);
    REQUIRE(messages.size() == 1);
    REQUIRE(messages[0].recipients.size() == 1);
    const Recipient& next = messages[0].recipients[0].recipient;
    CHECK(next.address.text() == kFarTarget);
    CHECK(next.original == "rfc822;first@example.net");
    REQUIRE(next.notify.has_value());
    CHECK(next.notify->success);
    CHECK(next.notify->failure);
  }
  SECTION("several") {
    delivery.envelope.recipients = {two};
    REQUIRE(deliver_alone(*store, std::move(delivery)).has_value());
    const auto messages = queued(*store);
    REQUIRE(messages.size() == 2);
    REQUIRE(messages[0].recipients.size() == 1);
    CHECK(messages[0].recipients[0].state == QueueState::kDelivered);
    CHECK(has(messages[0].recipients[0].due, QueueReports::kSuccess));
    for (const QueuedRecipient& each : messages[1].recipients) {
      REQUIRE(each.recipient.notify.has_value());
      CHECK_FALSE(each.recipient.notify->success);
    }
  }
}

TEST_CASE("a reverse-path that would be too long is replaced by the postmaster's", "[storage][forwarding]") {
  const Directory directory({{1, address(kAnna)}}, {});
  const Forwarding forwarding(directory, std::string(32, 'k'), 1'700'000'000);
  const Address longest = address(std::string(60, 'x') + "@elsewhere.example");
  CHECK(forwarding.reverse_path(longest, address(kTeam)) == address("postmaster@example.org"));
  // One that another host made is not made longer each time.
  const Address theirs = address("SRS0=AbCd=EF=elsewhere.example=emil@forwarder.example");
  const auto again = forwarding.reverse_path(theirs, address(kTeam));
  REQUIRE(again.has_value());
  CHECK(again->local_part.starts_with("SRS1="));
  CHECK(forwarding.origin(*again) == theirs);
  // Old ones lead nowhere.
  const auto fresh = forwarding.reverse_path(address(kEmil), address(kTeam));
  REQUIRE(fresh.has_value());
  CHECK(forwarding.origin(*fresh) == address(kEmil));
  const Forwarding later(directory, std::string(32, 'k'), 1'700'000'000 + (kSrsDays + 1) * 86'400);
  CHECK_FALSE(later.origin(*fresh).has_value());
  const Forwarding other(directory, std::string(32, 'o'), 1'700'000'000);
  CHECK_FALSE(other.origin(*fresh).has_value());
}
