// Mail on its way out: kept, changed, finished, and found again when the index is lost.
#include "storage/queue/queue.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "crash.h"
#include "queue_support.h"
#include "storage/files.h"
#include "storage/mailbox/message_id.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

// True: the n-th operation was there to fail.
template <typename Work>
bool fail_at(int n, int error_number, Work work) {
  const DiskFault fault(n, error_number);
  work();
  return fault.happened();
}

bool file_is_there(const Scratch& scratch, const std::string& id) {
  return std::filesystem::exists(scratch.data() + "/queue/" + id);
}

}  // namespace

TEST_CASE("mail for elsewhere waits in the queue with its envelope, also after a restart",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string content = "Subject: x\r\nMessage-ID: <one@example.org>\r\n\r\n.dot \xC3\xA4\r\n";
  Delivery delivery = submission(*store, {}, content);
  Recipient carl(address("\"odd name\"@far.example"));
  carl.notify = Notify{true, false, true};
  carl.original = "rfc822;Carl 100%@Far.example";
  delivery.envelope.recipients = {carl, Recipient(address(kWide))};
  delivery.envelope.envelope_id = "an id % of\tits own";
  delivery.envelope.returned = ReturnedContent::kHeaders;
  delivery.envelope.body = BodyType::k8BitMime;
  delivery.envelope.require_tls = true;
  delivery.envelope.hold_until = 4'000'000'000;
  delivery.envelope.deliver_by = DeliverBy{4'000'000'100, true, true};
  delivery.envelope.priority = -3;
  delivery.tags = "X-Tag: 1\r\n";
  const std::string id = delivery.id;
  auto delivered = submit(*store, std::move(delivery));
  REQUIRE(delivered.has_value());
  CHECK(delivered->copies.empty());
  CHECK(delivered->queued == 2);
  CHECK(store->take_queue_changes().size() == 2);
  for (const bool lost : {false, true}) {
    INFO("the index is lost: " << lost);
    store.reset();
    if (lost) lose_index(scratch.data());
    RecoveryReport report;
    store = open_store(scratch.data(), &report);
    CHECK(mentions(report, "into the queue again") == lost);
    const auto messages = queued(*store);
    REQUIRE(messages.size() == 1);
    const QueuedMessage& found = messages[0];
    CHECK(found.id == id);
    CHECK(found.user == kAnna);
    CHECK(found.message_id == "one@example.org");
    CHECK(found.envelope.reverse_path == address(kAnna));
    CHECK(found.envelope.envelope_id == "an id % of\tits own");
    CHECK(found.envelope.returned == ReturnedContent::kHeaders);
    CHECK(found.envelope.body == BodyType::k8BitMime);
    CHECK(found.envelope.require_tls);
    CHECK(found.envelope.hold_until == 4'000'000'000);
    CHECK(found.envelope.priority == -3);
    REQUIRE(found.envelope.deliver_by.has_value());
    CHECK(found.envelope.deliver_by->at == 4'000'000'100);
    CHECK(found.envelope.deliver_by->returns);
    CHECK(found.envelope.deliver_by->traced);
    CHECK(found.recipients[0].next_at == 4'000'000'000);
    CHECK_FALSE(found.envelope.smtputf8);
    CHECK(found.eight_bit);
    CHECK_FALSE(found.utf8_header);
    CHECK(content_of(*store, found) == "X-Tag: 1\r\n" + content);
    REQUIRE(found.recipients.size() == 2);
    CHECK(found.recipients[0].recipient.address == carl.address);
    CHECK(found.recipients[0].recipient.original == carl.original);
    REQUIRE(found.recipients[0].recipient.notify.has_value());
    CHECK(found.recipients[0].recipient.notify->success);
    CHECK_FALSE(found.recipients[0].recipient.notify->failure);
    CHECK(found.recipients[0].recipient.notify->delay);
    CHECK_FALSE(found.recipients[1].recipient.notify.has_value());
    CHECK(found.recipients[1].state == QueueState::kWaiting);
    QueueRow after = 0;
    auto entries = store->queue_entries(after, 10);
    REQUIRE(entries.has_value());
    REQUIRE(entries->size() == 2);
    CHECK((*entries)[0].domain == "far.example");
    CHECK((*entries)[0].sender == kAnna);
    CHECK((*entries)[0].priority == -3);
    CHECK((*entries)[0].waits);
    CHECK(after == found.row);
  }
}

TEST_CASE("that a message need not be encrypted is known in the queue, also after a restart",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string content = "TLS-Required: No\r\n\r\nx\r\n";
  REQUIRE(submit(*store, submission(*store, {kFar}, content)).has_value());
  Delivery both = submission(*store, {kFar}, content);
  both.envelope.require_tls = true;
  REQUIRE(submit(*store, std::move(both)).has_value());
  for (const bool lost : {false, true}) {
    INFO("the index is lost: " << lost);
    store.reset();
    if (lost) lose_index(scratch.data());
    store = open_store(scratch.data());
    const auto messages = queued(*store);
    REQUIRE(messages.size() == 2);
    for (const QueuedMessage& each : messages) CHECK(each.tls_is_optional != each.envelope.require_tls);
  }
}

TEST_CASE("only who may relays", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  auto delivered = deliver(*store, {kFar}, "A: b\r\n\r\nx\r\n");
  REQUIRE_FALSE(delivered.has_value());
  CHECK(delivered.error().kind == ErrorKind::kNotFound);
  auto ours = submit(*store, submission(*store, {"nobody@example.org"}, "A: b\r\n\r\nx\r\n"));
  CHECK_FALSE(ours.has_value());
  CHECK(queued(*store).empty());
  CHECK(names_in(scratch.data() + "/queue").empty());
}

TEST_CASE("a message for here and elsewhere is in both places or in none", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  const std::string content = "A: b\r\n\r\nx\r\n";
  const bool large = GENERATE(false, true);
  INFO("large: " << large);
  const auto make = [&] {
    Delivery delivery = submission(*store, {kBert, kFar}, content);
    if (large) return spooled(*store, std::move(delivery));
    return delivery;
  };
  auto delivered = submit(*store, make());
  REQUIRE(delivered.has_value());
  CHECK(delivered->copies.size() == 1);
  CHECK(delivered->queued == 1);
  CHECK(fetch_all(*store, kBert).size() == 1);
  CHECK(queued(*store).size() == 1);
  bool failed = true;
  int n = 0;
  for (; failed; ++n) {
    REQUIRE(n < 100);
    INFO("operation " << n);
    const std::size_t mail = fetch_all(*store, kBert).size();
    const std::size_t waiting = queued(*store).size();
    Result<Delivered> again = Error{};
    Delivery delivery = make();
    failed = fail_at(n + 1, ENOSPC, [&] { again = submit(*store, std::move(delivery)); });
    CHECK(fetch_all(*store, kBert).size() == mail + (again ? 1 : 0));
    CHECK(queued(*store).size() == waiting + (again ? 1 : 0));
    CHECK(names_in(scratch.data() + "/queue").size() == (large ? queued(*store).size() : 0));
  }
  CHECK(n > (large ? 8 : 1));  // the commit alone, or the files, too
}

TEST_CASE("what an attempt came to is written down, and the last one finishes the message",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*store, submission(*store, {kFar, kWide}, "A: b\r\n\r\nx\r\n")).has_value());
  auto message = queued(*store)[0];
  std::vector<QueueOutcome> outcomes{outcome(message.recipients[0], QueueState::kDelivered, "250 2.0.0 OK"),
                                     outcome(message.recipients[1], QueueState::kWaiting, "450 4.7.1 later")};
  static_cast<void>(store->take_queue_changes());
  REQUIRE(store->note_outcomes(outcomes).has_value());
  auto changes = store->take_queue_changes();
  REQUIRE(changes.size() == 2);
  CHECK_FALSE(changes[0].waits);
  CHECK(changes[1].waits);
  CHECK(changes[1].next_at == 1'700'000'300);
  store = (store.reset(), open_store(scratch.data()));
  message = queued(*store)[0];
  CHECK(message.recipients[0].state == QueueState::kDelivered);
  CHECK(message.recipients[1].state == QueueState::kWaiting);
  CHECK(message.recipients[1].attempts == 1);
  CHECK(message.recipients[1].last.reply == "450 4.7.1 later");
  CHECK(message.recipients[1].last.host == "mx.far.example");
  CHECK(file_is_there(scratch, message.id));
  auto last = outcome(message.recipients[1], QueueState::kFailed, "550 5.1.1 nobody");
  last.due = QueueReports::kFailure;
  REQUIRE(store->note_outcomes(std::vector{last}).has_value());
  CHECK(queued(*store).size() == 1);  // the sender has not been told
  CHECK(file_is_there(scratch, message.id));
  Delivery report = ::message(*store, {kAnna}, "Subject: failed\r\n\r\nx\r\n");
  report.envelope.reverse_path.reset();
  report.settles = {{message.recipients[1].row, QueueReports::kFailure}};
  REQUIRE(submit(*store, std::move(report)).has_value());
  CHECK(queued(*store).empty());
  CHECK_FALSE(file_is_there(scratch, message.id));
  CHECK(fetch_all(*store, kAnna).size() == 1);
  auto history = store->search_queue(message.id);
  REQUIRE(history.has_value());
  REQUIRE(history->size() == 1);
  CHECK((*history)[0].finished_at != 0);
  auto attempts = store->queue_attempts(message.recipients[1].row);
  REQUIRE(attempts.has_value());
  REQUIRE(attempts->size() == 2);
  CHECK((*attempts)[1].outcome == QueueState::kFailed);
  // Power fails, and the file is there again: it must not be sent a second time.
  store.reset();
  write_file(scratch.data() + "/queue/" + message.id, "Mailstead-Queue: 1\nFrom: <>\n\nx\r\n");
  store = open_store(scratch.data());
  CHECK(queued(*store).empty());
  CHECK_FALSE(file_is_there(scratch, message.id));
}

TEST_CASE("deliveries and outcomes share a commit, and do not fail for each other's sake",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  bool failed = true;
  std::size_t arrived = 0;
  std::size_t alone = 0;  // times that one of the two came through without the other
  for (int n = 0; failed; ++n) {
    REQUIRE(n < 100);
    INFO("operation " << n);
    REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
    const auto waiting = queued(*store).back();
    const auto sent = outcome(waiting.recipients[0], QueueState::kDelivered, "250 2.0.0 OK");
    std::vector<Delivery> batch;
    batch.push_back(message(*store, {kAnna}, "A: b\r\n\r\nx\r\n"));
    batch.push_back(message(*store, {"nobody@example.org"}, "A: b\r\n\r\nx\r\n"));
    Store::Committed committed;
    failed = fail_at(n + 1, ENOSPC, [&] { committed = store->deliver_and_note(batch, std::vector{sent}); });
    REQUIRE(committed.delivered.size() == 2);
    CHECK_FALSE(committed.delivered[1].has_value());
    if (committed.delivered[0]) ++arrived;
    if (committed.delivered[0].has_value() != committed.noted.has_value()) ++alone;
    CHECK(fetch_all(*store, kAnna).size() == arrived);
    const auto state = store->find_queued(waiting.id)->recipients[0].state;
    CHECK(state == (committed.noted ? QueueState::kDelivered : QueueState::kWaiting));
  }
  CHECK(arrived > 0);
  CHECK(alone > 0);
  // An outcome that cannot be written down at all keeps no mail away.
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto last = outcome(queued(*store).back().recipients[0], QueueState::kDelivered, "250 2.0.0 OK");
  store.reset();
  run_sql(scratch.data() + "/mailstead.db",
          "CREATE TRIGGER broken BEFORE INSERT ON queue_attempts BEGIN SELECT RAISE(ABORT, 'broken'); END");
  store = open_store(scratch.data());
  std::vector<Delivery> batch;
  batch.push_back(message(*store, {kAnna}, "A: b\r\n\r\nx\r\n"));
  const Store::Committed committed = store->deliver_and_note(batch, std::vector{last});
  CHECK(committed.delivered[0].has_value());
  CHECK_FALSE(committed.noted.has_value());
  CHECK(fetch_all(*store, kAnna).size() == arrived + 1);
  Store::Committed none = store->deliver_and_note({}, {});
  CHECK(none.noted.has_value());
}

TEST_CASE("a report and what it settles are kept together or not at all", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto original = queued(*store)[0];
  auto failure = outcome(original.recipients[0], QueueState::kFailed, "550 5.1.1 nobody");
  failure.due = QueueReports::kFailure;
  REQUIRE(store->note_outcomes(std::vector{failure}).has_value());
  bool failed = true;
  for (int n = 1; failed; ++n) {
    REQUIRE(n < 100);
    INFO("operation " << n);
    Delivery report = message(*store, {kAnna}, "Subject: failed\r\n\r\nx\r\n");
    report.settles = {{original.recipients[0].row, QueueReports::kFailure}};
    bool sent = false;
    failed = fail_at(n, ENOSPC, [&] { sent = submit(*store, std::move(report)).has_value(); });
    CHECK(fetch_all(*store, kAnna).size() == (sent ? 1u : 0u));
    CHECK(queued(*store).empty() == sent);
    if (sent) break;
  }
}

TEST_CASE("who asked to be told of a delivery here is told from the queue", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  Delivery delivery = submission(*store, {}, "A: b\r\n\r\nx\r\n");
  Recipient bert(address(kBert));
  bert.notify = Notify{true, true, false};
  delivery.envelope.recipients = {bert};
  delivery.relaying = Relaying::kNo;  // from outside, too
  REQUIRE(submit(*store, std::move(delivery)).has_value());
  CHECK(fetch_all(*store, kBert).size() == 1);
  const auto changes = store->take_queue_changes();
  REQUIRE(changes.size() == 1);
  CHECK_FALSE(changes[0].waits);
  CHECK(changes[0].report_due);
  auto message = queued(*store)[0];
  CHECK(message.recipients[0].state == QueueState::kDelivered);
  CHECK(message.recipients[0].due == QueueReports::kSuccess);
  REQUIRE(
      store->settle_reports(std::vector<SettledReport>{{message.recipients[0].row, QueueReports::kSuccess}})
          .has_value());
  CHECK(queued(*store).empty());
}

TEST_CASE("since when mail waits is told of what nobody wants held", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  CHECK(*store->queue_waits_since() == 0);
  // The sender wants it held for long yet; and another one was to be held until a moment ago.
  Delivery later = submission(*store, {kFar}, "A: b\r\n\r\nx\r\n");
  later.envelope.hold_until = 4'000'000'000;
  REQUIRE(submit(*store, std::move(later)).has_value());
  CHECK(*store->queue_waits_since() == 0);
  Delivery released = submission(*store, {kFar}, "A: b\r\n\r\nx\r\n");
  released.envelope.hold_until = 1'750'000'000;
  REQUIRE(submit(*store, std::move(released)).has_value());
  CHECK(*store->queue_waits_since() >= 1'750'000'000);
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 3);
  CHECK(*store->queue_waits_since() == std::max<std::int64_t>(messages[1].received_at, 1'750'000'000));
  REQUIRE(store->hold_queued(messages[1].id).has_value());
  CHECK(*store->queue_waits_since() == messages[2].received_at);
  REQUIRE(store->drop_queued(messages[2].id).has_value());
  CHECK(*store->queue_waits_since() == 0);
}

TEST_CASE("mail that was held waits since it no longer is, and who came behind it before that",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::int64_t began = unix_seconds();
  // Its sender wanted it held, until when somebody who came later had waited already.
  Delivery due = submission(*store, {kFar}, "A: b\r\n\r\nx\r\n");
  due.envelope.hold_until = began + 1;
  REQUIRE(submit(*store, std::move(due)).has_value());
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto messages = queued(*store);
  while (unix_seconds() < began + 3) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::int64_t second = messages[1].received_at;
  CHECK(*store->queue_waits_since() == std::min(second, std::max(messages[0].received_at, began + 1)));
  // Somebody holds all of them, and lets one go: it waits since then.
  for (const auto& message : messages) REQUIRE(store->hold_queued(message.id).has_value());
  CHECK(*store->queue_waits_since() == 0);
  const std::int64_t released = unix_seconds();
  REQUIRE(store->release_queued(messages[1].id).has_value());
  CHECK(*store->queue_waits_since() >= released);
}

TEST_CASE("people hold, release, retry and drop what is queued", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto message = queued(*store)[0];
  REQUIRE(
      store->note_outcomes(std::vector{outcome(message.recipients[0], QueueState::kWaiting, "450 4.1.0 no")})
          .has_value());
  static_cast<void>(store->take_queue_changes());
  REQUIRE(store->hold_queued(message.id).has_value());
  auto changes = store->take_queue_changes();
  REQUIRE(changes.size() == 1);
  CHECK_FALSE(changes[0].waits);
  CHECK(queued(*store)[0].held);
  QueueRow after = 0;
  CHECK(*store->retry_queue(after, 10) == 0);
  CHECK(store->queue_totals()->held == 1);
  CHECK(*store->queue_waits_since() == 0);
  REQUIRE(store->release_queued(message.id).has_value());
  CHECK(store->take_queue_changes()[0].waits);
  REQUIRE(store->retry_queued(message.id).has_value());
  CHECK(store->take_queue_changes()[0].next_at > 1'700'000'300);
  CHECK(*store->retry_queue(after, 10) == 1);
  CHECK(after == message.row);
  CHECK(*store->retry_queue(after, 10) == 0);
  REQUIRE(store->drop_queued(message.id).has_value());
  CHECK(queued(*store).empty());
  CHECK_FALSE(file_is_there(scratch, message.id));
  for (const auto& refused : {store->hold_queued(message.id), store->drop_queued("0123456789abcde")})
    CHECK((!refused && refused.error().kind == ErrorKind::kNotFound));
  // It was on its way already: that it arrived is told, that it failed changes nothing, and nobody is written
  // to.
  auto late = outcome(message.recipients[0], QueueState::kFailed, "550 5.1.1 no");
  late.due = QueueReports::kFailure;
  static_cast<void>(store->take_queue_changes());
  REQUIRE(store->note_outcomes(std::vector{late}).has_value());
  CHECK_FALSE(store->take_queue_changes()[0].report_due);
  REQUIRE(
      store->note_outcomes(std::vector{outcome(message.recipients[0], QueueState::kWaiting, "450 4.1.0 no")})
          .has_value());
  CHECK(store->find_queued(message.id)->recipients[0].state == QueueState::kDropped);
  REQUIRE(
      store
          ->note_outcomes(std::vector{outcome(message.recipients[0], QueueState::kDelivered, "250 2.0.0 OK")})
          .has_value());
  CHECK(store->find_queued(message.id)->recipients[0].state == QueueState::kDelivered);
}

TEST_CASE("what people did to a message, and what its sender was told, is known when it is gone",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  Delivery delivery = submission(*store, {kFar, kWide},
                                 "Received: from c ([192.0.2.1]) by h with ESMTP id 1; now\r\n"
                                 "To: x\r\nSubject: a\r\n b\r\nFrom: Anna <anna@example.org>\r\n\r\nx\r\n");
  delivery.tags = "Authentication-Results: h; none\r\n";
  REQUIRE(submit(*store, std::move(delivery)).has_value());
  const auto original = queued(*store)[0];
  const std::string header =
      "Authentication-Results: h; none\r\nReceived: from c ([192.0.2.1]) by h with ESMTP id 1; now\r\n"
      "From: Anna <anna@example.org>\r\nSubject: a\r\n b\r\n";
  CHECK(store->queued_header(original.row).value() == header);
  CHECK(store->queue_events(original.row)->empty());
  REQUIRE(store->hold_queued(original.id).has_value());
  REQUIRE(store->release_queued(original.id).has_value());
  REQUIRE(store->retry_queued(original.id).has_value());
  QueueRow after = 0;
  REQUIRE(store->retry_queue(after, 10).has_value());
  auto failure = outcome(original.recipients[0], QueueState::kFailed, "550 5.1.1 nobody");
  failure.due = QueueReports::kFailure;
  REQUIRE(store->note_outcomes(std::vector{failure}).has_value());
  Delivery report = message(*store, {kAnna}, "Subject: failed\r\n\r\nx\r\n");
  const std::string report_id = report.id;
  report.settles = {{original.recipients[0].row, QueueReports::kFailure}};
  REQUIRE(submit(*store, std::move(report)).has_value());
  auto late = outcome(original.recipients[1], QueueState::kWaiting, "450 4.1.0 no");
  late.due = QueueReports::kDelay;
  REQUIRE(store->note_outcomes(std::vector{late}).has_value());
  // Nobody is to have this one.
  REQUIRE(
      store->settle_reports(std::vector<SettledReport>{{original.recipients[1].row, QueueReports::kDelay}})
          .has_value());
  REQUIRE(store->drop_queued(original.id).has_value());
  CHECK(queued(*store).empty());
  CHECK(store->queued_header(original.row).value() == header);
  const auto events = store->queue_events(original.row);
  REQUIRE(events.has_value());
  REQUIRE(events->size() == 6);
  const QueueEventKind kinds[] = {
      QueueEventKind::kHeld,    QueueEventKind::kReleased,        QueueEventKind::kRetried,
      QueueEventKind::kRetried, QueueEventKind::kFailureReported, QueueEventKind::kDropped};
  for (std::size_t i = 0; i < events->size(); ++i) {
    INFO(i);
    CHECK((*events)[i].kind == kinds[i]);
    CHECK((*events)[i].at >= original.received_at);
    CHECK((*events)[i].report == (i == 4 ? report_id : ""));
    CHECK((*events)[i].recipient == (i == 4   ? original.recipients[0].row
                                     : i == 5 ? original.recipients[1].row
                                              : 0));
  }
}

TEST_CASE("a finished message is forgotten when its history is over, file first", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 3; ++i)
    REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto messages = queued(*store);
  for (int i = 0; i < 2; ++i)
    REQUIRE(store->drop_queued(messages[static_cast<std::size_t>(i)].id).has_value());
  CHECK_FALSE(*store->forget_finished(10));
  CHECK(store->find_queued(messages[0].id).has_value());
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "UPDATE queue SET finished_at = 1000 WHERE finished_at > 0");
  store = open_store(scratch.data());
  CHECK(*store->forget_finished(1));
  CHECK_FALSE(*store->forget_finished(10));
  CHECK_FALSE(store->find_queued(messages[0].id).has_value());
  CHECK_FALSE(store->find_queued(messages[1].id).has_value());
  CHECK(store->find_queued(messages[2].id).has_value());
}

TEST_CASE("a file that cannot be removed keeps no other message from being forgotten", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 2; ++i)
    REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto messages = queued(*store);
  for (const QueuedMessage& each : messages) REQUIRE(store->drop_queued(each.id).has_value());
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "UPDATE queue SET finished_at = 1000");
  store = open_store(scratch.data());
  const std::string in_the_way = scratch.data() + "/queue/" + messages[0].id;
  std::filesystem::create_directories(in_the_way + "/x");
  CHECK_FALSE(*store->forget_finished(10));
  CHECK(store->find_queued(messages[0].id).has_value());
  CHECK_FALSE(store->find_queued(messages[1].id).has_value());
  std::filesystem::remove_all(in_the_way);
  CHECK_FALSE(*store->forget_finished(10));
  CHECK_FALSE(store->find_queued(messages[0].id).has_value());
}

TEST_CASE("a message whose file is gone waits for it", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*store, submission(*store, {kFar}, "A: b\r\n\r\nx\r\n")).has_value());
  const auto message = queued(*store)[0];
  store.reset();
  const std::string path = scratch.data() + "/queue/" + message.id;
  const std::string bytes = read_file(path);
  std::filesystem::remove(path);
  write_file(scratch.data() + "/queue/0123456789abcde", "no envelope");
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "queue/" + message.id + " is gone"));
  CHECK(mentions(report, "left queue/0123456789abcde alone"));
  CHECK(std::filesystem::exists(scratch.data() + "/queue/0123456789abcde"));
  REQUIRE(queued(*store).size() == 1);
  CHECK(store->open_queued(message).error().kind == ErrorKind::kNotFound);
  write_file(path, bytes + "more");
  CHECK(store->open_queued(message).error().kind == ErrorKind::kCorrupt);
  write_file(path, bytes);
  CHECK(content_of(*store, message) == "A: b\r\n\r\nx\r\n");
}

TEST_CASE("a crash at any operation of the queue loses nothing acknowledged", "[storage][queue][crash]") {
  Scratch scratch;
  store_with(scratch.data(), {kAnna, kBert}).reset();
  const bool moves = GENERATE(false, true);
  INFO("the small one moves into a file: " << moves);
  bool crashed = true;
  for (int n = 1; crashed; ++n) {
    REQUIRE(n < 400);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      arm();
      for (int i = 0; i < 2; ++i) {
        Delivery delivery = submission(*store, {kBert, kFar}, "A: b\r\n\r\nx\r\n");
        if (i == 1) delivery = spooled(*store, std::move(delivery));
        if (submit(*store, std::move(delivery))) acknowledge(i);
      }
      if (moves) static_cast<void>(store->file_queued(std::chrono::seconds(0), 10));
      auto messages = store->list_queue(0, 10);
      if (!messages || messages->empty()) return;
      const auto& sent = messages->front().recipients[0];
      if (store->note_outcomes(std::vector{outcome(sent, QueueState::kDelivered, "250 2.0.0 OK")}))
        acknowledge(2);
    });
    crashed = run.crashed;
    const auto promised = [&](int what) {
      return std::find(run.acknowledged.begin(), run.acknowledged.end(), what) != run.acknowledged.end();
    };
    auto store = open_store(data);
    const std::size_t accepted = (promised(0) ? 1u : 0u) + (promised(1) ? 1u : 0u);
    const std::size_t sent = promised(2) ? 1 : 0;
    const auto messages = queued(*store);
    CHECK(messages.size() + 1 >= accepted);
    if (sent == 1) CHECK(messages.size() == 1);
    if (accepted < 2) CHECK(messages.size() >= accepted);
    CHECK(messages.size() <= 2);
    for (const QueuedMessage& each : messages) CHECK(content_of(*store, each) == "A: b\r\n\r\nx\r\n");
    store.reset();  // what is still queued has its file then, and nothing else is there
    CHECK(names_in(data + "/queue").size() == messages.size());
    std::filesystem::remove_all(data);
  }
}

TEST_CASE("held mail is nobody's before its time, here or elsewhere", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  Delivery delivery = submission(*store, {kBert, kFar}, "A: b\r\n\r\nx\r\n");
  delivery.envelope.hold_until = 4'000'000'000;
  const std::string id = delivery.id;
  auto delivered = submit(*store, std::move(delivery));
  REQUIRE(delivered.has_value());
  CHECK(delivered->copies.empty());
  CHECK(delivered->queued == 2);
  CHECK(fetch_all(*store, kBert).empty());
  // Retrying everything does not end what a sender wanted.
  QueueRow after = 0;
  REQUIRE(store->retry_queue(after, 10).has_value());
  REQUIRE(store->retry_queued(id).has_value());
  CHECK(queued(*store)[0].recipients[0].next_at == 4'000'000'000);
  REQUIRE(store->release_queued(id).has_value());
  const QueuedMessage released = queued(*store)[0];
  CHECK(released.envelope.hold_until == 0);
  CHECK(released.recipients[0].next_at < 4'000'000'000);

  // Its copy here and the end of its recipient in the queue are one commit.
  Delivery copy = submission(*store, {kBert}, content_of(*store, released));
  copy.notes = {outcome(released.recipients[0], QueueState::kDelivered, "250 2.1.5 here")};
  REQUIRE(submit(*store, std::move(copy)).has_value());
  CHECK(fetch_all(*store, kBert).size() == 1);
  CHECK(queued(*store)[0].recipients[0].state == QueueState::kDelivered);
  CHECK(queued(*store)[0].recipients[1].state == QueueState::kWaiting);
  Delivery refused = submission(*store, {"nobody@example.org"}, "A: b\r\n\r\nx\r\n");
  refused.notes = {outcome(released.recipients[1], QueueState::kDelivered, "250 2.1.5 here")};
  CHECK_FALSE(submit(*store, std::move(refused)).has_value());
  CHECK(queued(*store)[0].recipients[1].state == QueueState::kWaiting);

  // Who cannot have it is told at once.
  Delivery unknown = submission(*store, {"nobody@example.org"}, "A: b\r\n\r\nx\r\n");
  unknown.envelope.hold_until = 4'000'000'000;
  CHECK_FALSE(submit(*store, std::move(unknown)).has_value());
}
