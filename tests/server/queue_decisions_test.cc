#include "server/outgoing/queue_decisions.h"

#include "tests/catch.h"

using namespace mailstead;
using Kind = AttemptResult::Kind;

namespace {

constexpr std::int64_t kReceived = 1'700'000'000;

const QueueTerms kTerms{{std::chrono::minutes(5), std::chrono::minutes(15), std::chrono::hours(1)},
                        std::chrono::hours(120),
                        std::chrono::hours(4)};

QueuedMessage from_anna() {
  QueuedMessage message;
  message.envelope.reverse_path = Address{"anna", "example.org"};
  message.received_at = kReceived;
  return message;
}

QueuedRecipient carl(std::uint32_t attempts = 0) {
  QueuedRecipient recipient{7, Recipient(Address{"carl", "far.example"})};
  recipient.attempts = attempts;
  return recipient;
}

QueueOutcome after(Kind kind, std::int64_t seconds, const QueuedRecipient& recipient, double jitter = 0,
                   const QueuedMessage& message = from_anna()) {
  return decide(message, recipient, {kind, "4.7.1", "mx", "450 4.7.1 later", false, false},
                kReceived + seconds, kTerms, jitter);
}

}  // namespace

TEST_CASE("who may be there another time is waited for, unless the host has spoken", "[queue]") {
  const AttemptResult no_answer{Kind::kDeferred, "4.4.1", "", "no answer", false, false};
  const AttemptResult busy{Kind::kDeferred, "4.3.2", "", "421 busy", false, false};
  const AttemptResult lack{Kind::kFailed, "5.7.30", "", "no REQUIRETLS", false, false};
  const AttemptResult refusal{Kind::kFailed, "5.3.2", "", "554 no mail here", false, false};
  RouteAnswers answers;
  answers.note("a", no_answer);
  CHECK(answers.conclusion().status == "4.4.1");
  answers.note("b", busy);
  CHECK(answers.conclusion().status == "4.3.2");
  answers.note_lack("b", lack);
  answers.note("c", refusal);
  CHECK(answers.conclusion().status == "4.4.1");
  answers.note("a", refusal);
  CHECK(answers.conclusion().status == "5.7.30");
  // Another address of a host that has spoken.
  answers.note("b", no_answer);
  CHECK(answers.conclusion().status == "5.7.30");
  answers.note("d", busy);
  CHECK(answers.conclusion().status == "4.3.2");
}

TEST_CASE("those who do not answer keep nobody waiting, and those known for it leave room to new ones",
          "[queue]") {
  CHECK(room_for({0, 0}, 10) == WayOutRoom::kAll);
  CHECK(room_for({9, 9}, 10) == WayOutRoom::kAll);
  CHECK(room_for({10, 0}, 10) == WayOutRoom::kNobody);
  CHECK(room_for({0, 10}, 10) == WayOutRoom::kNotSuspect);
  CHECK(room_for({9, 30}, 10) == WayOutRoom::kNotSuspect);
  // Nor are they without number.
  CHECK(room_for({9, 31}, 10) == WayOutRoom::kNobody);
  CHECK(room_for({0, 40}, 10) == WayOutRoom::kNobody);
  CHECK(room_for({0, 0}, 1) == WayOutRoom::kAll);
  CHECK(room_for({0, 1}, 1) == WayOutRoom::kNotSuspect);
  CHECK(room_for({0, 4}, 1) == WayOutRoom::kNobody);
}

TEST_CASE("attempts become rarer, and what failed together is not tried together", "[queue]") {
  CHECK(after(Kind::kDeferred, 0, carl(0)).next_at == kReceived + 300);
  CHECK(after(Kind::kDeferred, 300, carl(1)).next_at == kReceived + 300 + 900);
  CHECK(after(Kind::kDeferred, 1200, carl(2)).next_at == kReceived + 1200 + 3600);
  CHECK(after(Kind::kDeferred, 9000, carl(50)).next_at == kReceived + 9000 + 3600);
  CHECK(after(Kind::kDeferred, 0, carl(0), 1).next_at == kReceived + 330);
  CHECK(after(Kind::kDeferred, 0, carl(0), -1).next_at == kReceived + 270);
}

TEST_CASE("a delay is told once, to who may be told", "[queue]") {
  CHECK(after(Kind::kDeferred, 3 * 3600, carl(9)).due == QueueReports::kNone);
  CHECK(after(Kind::kDeferred, 4 * 3600, carl(9)).due == QueueReports::kDelay);
  QueuedRecipient told = carl(9);
  told.sent = QueueReports::kDelay;
  CHECK(after(Kind::kDeferred, 5 * 3600, told).due == QueueReports::kNone);
  told.sent = QueueReports::kNone;
  told.recipient.notify = Notify{false, true, false};
  CHECK(after(Kind::kDeferred, 5 * 3600, told).due == QueueReports::kNone);
  QueuedMessage bounce = from_anna();
  bounce.envelope.reverse_path.reset();
  CHECK(after(Kind::kDeferred, 5 * 3600, carl(9), 0, bounce).due == QueueReports::kNone);
}

TEST_CASE("the last attempt is at the end of the time, and then it has failed", "[queue]") {
  const std::int64_t end = 120 * 3600;
  auto last_but_one = after(Kind::kDeferred, end - 10, carl(130));
  CHECK(last_but_one.attempt.outcome == QueueState::kWaiting);
  CHECK(last_but_one.next_at == kReceived + end);
  auto last = after(Kind::kDeferred, end, carl(131));
  CHECK(last.attempt.outcome == QueueState::kFailed);
  CHECK(last.attempt.status == "5.7.1");
  CHECK(last.attempt.reply == "450 4.7.1 later");
  CHECK(last.due == QueueReports::kFailure);
}

TEST_CASE("a clock that jumps ahead makes nothing old", "[queue]") {
  const std::int64_t years = std::int64_t{10} * 365 * 86'400;
  for (const std::uint32_t attempts : {0U, 1U, 3U}) {
    const QueueOutcome outcome = after(Kind::kDeferred, years, carl(attempts));
    CHECK(outcome.attempt.outcome == QueueState::kWaiting);
    CHECK(outcome.due == QueueReports::kNone);
    CHECK(outcome.next_at > kReceived + years);
    CHECK(outcome.next_at <= kReceived + years + 3600);
  }
  // Its own attempts make it so, in their time: those of five days, each an hour and a tenth, and ten
  // minutes.
  CHECK(after(Kind::kDeferred, years, carl(9)).due == QueueReports::kDelay);
  std::uint32_t attempts = 0;
  while (after(Kind::kDeferred, years, carl(attempts)).attempt.outcome == QueueState::kWaiting) ++attempts;
  CHECK(attempts > 90);
  CHECK(attempts <= 120);
}

TEST_CASE("attempts on time make nothing older than the clock says", "[queue]") {
  for (const double jitter : {-1.0, 0.0, 1.0}) {
    std::int64_t at = 0;
    for (std::uint32_t attempts = 0;; ++attempts) {
      REQUIRE(age_of(from_anna(), carl(attempts), kReceived + at, kTerms) == at);
      const QueueOutcome outcome = after(Kind::kDeferred, at, carl(attempts), jitter);
      if (outcome.attempt.outcome != QueueState::kWaiting) break;
      at = outcome.next_at - kReceived;
    }
    CHECK(at == 120 * 3600);
  }
}

TEST_CASE("a message of the future is as old as its attempts", "[queue]") {
  QueuedMessage message = from_anna();
  message.received_at = kReceived + 1'000'000'000;
  const auto at = [&](std::uint32_t attempts) {
    return after(Kind::kDeferred, 0, carl(attempts), 0, message);
  };
  CHECK(at(1).attempt.outcome == QueueState::kWaiting);
  CHECK(at(1).next_at == kReceived + 900);
  CHECK(at(200).attempt.outcome == QueueState::kFailed);
}

TEST_CASE("a moment that the sender gave is the clock's", "[queue]") {
  QueuedMessage message = from_anna();
  message.envelope.deliver_by = DeliverBy{kReceived + 1'000'000, true, false};
  // Its attempts leave it time for long, not so what the sender wrote.
  const QueueOutcome before = after(Kind::kDeferred, 999'999, carl(2), 0, message);
  CHECK(before.attempt.outcome == QueueState::kWaiting);
  CHECK(before.next_at == kReceived + 1'000'000);
  CHECK(after(Kind::kDeferred, 1'000'000, carl(2), 0, message).attempt.outcome == QueueState::kFailed);
}

TEST_CASE("no delay is longer than the longest", "[queue]") {
  CHECK(longest_delay(kTerms) == 3961);
  CHECK(after(Kind::kDeferred, 0, carl(9), 1).next_at <= kReceived + longest_delay(kTerms));
  CHECK(longest_delay({{std::chrono::hours(2), std::chrono::seconds(10)}, {}, {}}) == 7921);
}

TEST_CASE("failure and success are told as RFC 3461 says", "[queue]") {
  CHECK(after(Kind::kFailed, 0, carl()).due == QueueReports::kFailure);
  CHECK(after(Kind::kDelivered, 0, carl()).due == QueueReports::kNone);
  QueuedRecipient asked = carl();
  asked.recipient.notify = Notify{true, false, false};
  CHECK(after(Kind::kFailed, 0, asked).due == QueueReports::kNone);
  CHECK(after(Kind::kDelivered, 0, asked).due == QueueReports::kSuccess);
  auto passed_on =
      decide(from_anna(), asked, {Kind::kDelivered, "2.0.0", "mx", "250 OK", true}, kReceived, kTerms, 0);
  CHECK(passed_on.due == QueueReports::kNone);
  CHECK(passed_on.passed_on);
  QueuedMessage bounce = from_anna();
  bounce.envelope.reverse_path.reset();
  CHECK(after(Kind::kFailed, 0, carl(), 0, bounce).due == QueueReports::kNone);
  CHECK(after(Kind::kDelivered, 0, asked, 0, bounce).due == QueueReports::kNone);
}

TEST_CASE("what is held has its time from then on", "[queue]") {
  QueuedMessage held = from_anna();
  held.envelope.hold_until = kReceived + 10 * 86'400;
  const auto at = [&](std::int64_t seconds) {
    return after(Kind::kDeferred, 10 * 86'400 + seconds, carl(130), 0, held);
  };
  CHECK(at(0).attempt.outcome == QueueState::kWaiting);
  CHECK(at(0).due == QueueReports::kNone);
  CHECK(at(4 * 3600).due == QueueReports::kDelay);
  CHECK(at(120 * 3600).attempt.outcome == QueueState::kFailed);
}

TEST_CASE("what is to be returned after a time is tried until then, and no longer", "[queue]") {
  QueuedMessage message = from_anna();
  message.envelope.deliver_by = DeliverBy{kReceived + 100, true, false};
  const QueueOutcome first = after(Kind::kDeferred, 10, carl(0), 0, message);
  CHECK(first.attempt.outcome == QueueState::kWaiting);
  CHECK(first.next_at == kReceived + 100);
  const QueueOutcome last = after(Kind::kDeferred, 100, carl(1), 0, message);
  CHECK(last.attempt.outcome == QueueState::kFailed);
  CHECK(last.attempt.status == "5.4.7");
  CHECK(last.due == QueueReports::kFailure);
}

TEST_CASE("a delay is told when the sender wants to hear of it", "[queue]") {
  QueuedMessage message = from_anna();
  message.envelope.deliver_by = DeliverBy{kReceived + 100, false, false};
  const QueueOutcome first = after(Kind::kDeferred, 10, carl(0), 0, message);
  CHECK(first.next_at == kReceived + 100);
  CHECK(first.due == QueueReports::kNone);
  const QueueOutcome late = after(Kind::kDeferred, 100, carl(1), 0, message);
  CHECK(late.attempt.outcome == QueueState::kWaiting);
  CHECK(late.due == QueueReports::kDelay);
  CHECK(late.next_at > kReceived + 100);
}

TEST_CASE("that a message was passed on is told where the time is not kept, or a trace is wanted",
          "[queue]") {
  QueuedMessage message = from_anna();
  message.envelope.deliver_by = DeliverBy{kReceived + 100, false, false};
  const auto passed = [&](bool keeps_time, const QueuedRecipient& recipient) {
    AttemptResult result{Kind::kDelivered, "2.0.0", "mx", "250 2.0.0 ok", true, keeps_time};
    return decide(message, recipient, std::move(result), kReceived, kTerms, 0).due;
  };
  CHECK(passed(true, carl()) == QueueReports::kNone);
  CHECK(passed(false, carl()) == QueueReports::kSuccess);
  message.envelope.deliver_by->traced = true;
  CHECK(passed(true, carl()) == QueueReports::kSuccess);
  QueuedRecipient never = carl();
  never.recipient.notify = Notify{};
  CHECK(passed(true, never) == QueueReports::kNone);
  message.envelope.deliver_by.reset();
  CHECK(passed(false, carl()) == QueueReports::kNone);
}
