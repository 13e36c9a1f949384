// Small messages of the queue: in the database at first, and in a file when they wait.
#include "storage/delivery/contents.h"

#include <filesystem>

#include "crash.h"
#include "queue_support.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

const std::string kContent = "Subject: x\r\n\r\n.dot and \xC3\xA4 and " + std::string(1, '\0') + " in it\r\n";

std::vector<std::string> files_of(const std::string& data) {
  return names_in(data + "/queue");
}

// How many messages the database of a closed store holds.
std::int64_t contents_in(const std::string& data) {
  auto database = Database::open(data + "/mailstead.db", DatabaseAccess::kWrite);
  REQUIRE(database.has_value());
  std::int64_t count = -1;
  auto done = each_row((*database)->query("SELECT COUNT(*) FROM queue_contents"),
                       [&](const Statement& row) { count = row.integer(0); });
  REQUIRE(done.has_value());
  return count;
}

}  // namespace

TEST_CASE("a small message gets its file when it waits, and is the same before and after",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  Delivery delivery = submission(*store, {kFar}, kContent);
  delivery.tags = "X-Tag: 1\r\n";
  const auto tagged = submit(*store, std::move(delivery));
  REQUIRE(tagged.has_value());
  REQUIRE(submit(*store, submission(*store, {kFar}, kContent)).has_value());
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 2);
  CHECK(files_of(scratch.data()).empty());
  CHECK(content_of(*store, messages[0]) == "X-Tag: 1\r\n" + kContent);
  CHECK(messages[0].size == kContent.size() + 10);
  auto reader = store->open_queued(messages[1]);
  REQUIRE(reader.has_value());
  CHECK_FALSE(*store->file_queued(std::chrono::hours(1), 10));
  CHECK(files_of(scratch.data()).empty());
  CHECK(*store->file_queued(std::chrono::seconds(0), 1));
  CHECK(files_of(scratch.data()) == std::vector{messages[0].id});
  CHECK(content_of(*store, messages[0]) == "X-Tag: 1\r\n" + kContent);
  CHECK(content_of(*store, messages[1]) == kContent);
  CHECK_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  CHECK(files_of(scratch.data()).size() == 2);
  CHECK(content_of(*store, messages[1]) == kContent);
  // Who was reading goes on.
  std::string bytes;
  REQUIRE((*reader)->read(5, 1000, bytes).has_value());
  CHECK(bytes == kContent.substr(5));
  REQUIRE((*reader)->read(kContent.size(), 1000, bytes).has_value());
  REQUIRE((*reader)->read(kContent.size() + 1, 1000, bytes).has_value());
  CHECK(bytes == kContent.substr(5));
  for (const QueuedMessage& each : messages) REQUIRE(store->drop_queued(each.id).has_value());
  CHECK(files_of(scratch.data()).empty());
}

TEST_CASE("what is delivered at once never had a file, and leaves nothing in the database",
          "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*store, submission(*store, {kFar, kWide}, kContent)).has_value());
  const auto message = queued(*store)[0];
  copy_folder(scratch.data(), scratch.path() + "/crashed");
  CHECK(contents_in(scratch.path() + "/crashed") == 1);
  const auto note = [&](std::size_t recipient) {
    const auto sent = outcome(message.recipients[recipient], QueueState::kDelivered, "250 2.0.0 OK");
    REQUIRE(store->note_outcomes(std::vector{sent}).has_value());
  };
  note(0);
  CHECK(content_of(*store, message) == kContent);
  note(1);
  CHECK(queued(*store).empty());
  CHECK(store->open_queued(message).error().kind == ErrorKind::kNotFound);
  CHECK_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  CHECK(files_of(scratch.data()).empty());
  store.reset();
  CHECK(contents_in(scratch.data()) == 0);
  CHECK(files_of(scratch.data()).empty());
}

TEST_CASE("after a crash what was in the database only is sent, and gets its file", "[storage][queue]") {
  Scratch scratch;
  auto running = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*running, submission(*running, {kFar}, kContent)).has_value());
  const std::string data = scratch.path() + "/crashed";
  copy_folder(scratch.data(), data);
  RecoveryReport report;
  auto store = open_store(data, &report);
  CHECK_FALSE(mentions(report, "is gone"));
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 1);
  CHECK(files_of(data).empty());
  CHECK(content_of(*store, messages[0]) == kContent);
  // It came long ago, for all that is known.
  CHECK_FALSE(*store->file_queued(std::chrono::hours(1), 10));
  CHECK(files_of(data).size() == 1);
  CHECK(content_of(*store, messages[0]) == kContent);
}

TEST_CASE("a file that a crash left beside its bytes in the database is no second message",
          "[storage][queue]") {
  Scratch scratch;
  auto running = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*running, submission(*running, {kFar}, kContent)).has_value());
  const std::string data = scratch.path() + "/crashed";
  copy_folder(scratch.data(), data);
  REQUIRE_FALSE(*running->file_queued(std::chrono::seconds(0), 10));
  const std::string id = queued(*running)[0].id;
  write_file(data + "/queue/" + id, read_file(scratch.data() + "/queue/" + id));
  auto store = open_store(data);
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 1);
  CHECK(content_of(*store, messages[0]) == kContent);
  const bool moves = GENERATE(false, true);
  if (moves) CHECK_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  REQUIRE(store->drop_queued(id).has_value());
  store.reset();
  store = open_store(data);
  CHECK(queued(*store).empty());
  CHECK(files_of(data).empty());
}

TEST_CASE("the database takes only so much of the queue", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string content = "A: b\r\n\r\n" + std::string(QueueContents::kMostOfOne - 10, 'x') + "\r\n";
  constexpr std::size_t kFit = QueueContents::kMostOctets / QueueContents::kMostOfOne;
  REQUIRE(submit(*store, submission(*store, {kFar}, content + "y\r\n")).has_value());
  CHECK(files_of(scratch.data()).size() == 1);  // one that is too large by itself
  for (std::size_t i = 0; i < 2; ++i) {
    std::vector<Delivery> batch;
    for (std::size_t j = 0; j < kFit / 2 + 1; ++j) batch.push_back(submission(*store, {kFar}, content));
    for (const auto& result : store->deliver(batch)) REQUIRE(result.has_value());
  }
  CHECK(files_of(scratch.data()).size() == 3);
  const auto messages = queued(*store);
  REQUIRE(messages.size() == kFit + 3);
  CHECK(content_of(*store, messages[1]) == content);
  CHECK(content_of(*store, messages.back()) == content);
  // Who goes makes room.
  REQUIRE(store->drop_queued(messages[1].id).has_value());
  REQUIRE(submit(*store, submission(*store, {kFar}, content)).has_value());
  CHECK(files_of(scratch.data()).size() == 3);
  REQUIRE(submit(*store, submission(*store, {kFar}, content)).has_value());
  CHECK(files_of(scratch.data()).size() == 4);
}

TEST_CASE("a message that cannot get its file keeps no other from its own", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 3; ++i) REQUIRE(submit(*store, submission(*store, {kFar}, kContent)).has_value());
  const auto messages = queued(*store);
  // A folder of its name is in the way, and cannot be removed.
  std::filesystem::create_directories(scratch.data() + "/queue/" + messages[0].id + "/x");
  CHECK_FALSE(store->file_queued(std::chrono::seconds(0), 1).has_value());
  CHECK_FALSE(store->file_queued(std::chrono::seconds(0), 10).has_value());
  CHECK(content_of(*store, messages[0]) == kContent);
  store.reset();
  store = open_store(scratch.data());
  for (std::size_t i = 1; i < 3; ++i)
    CHECK(std::filesystem::is_regular_file(scratch.data() + "/queue/" + messages[i].id));
  CHECK(content_of(*store, messages[0]) == kContent);
  std::filesystem::remove_all(scratch.data() + "/queue/" + messages[0].id);
  // What an attempt left that could not be taken back is in nobody's way.
  write_file(scratch.data() + "/queue/" + messages[0].id, "old");
  write_file(scratch.data() + "/queue/.draft-" + messages[0].id, "old");
  CHECK_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  CHECK(content_of(*store, messages[0]) == kContent);
  CHECK(files_of(scratch.data()).size() == 3);
}

TEST_CASE("moving into files fails for want of space, and loses nothing", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 2; ++i) REQUIRE(submit(*store, submission(*store, {kFar}, kContent)).has_value());
  const auto messages = queued(*store);
  bool failed = true;
  for (int n = 1; failed; ++n) {
    REQUIRE(n < 50);
    INFO("operation " << n);
    {
      const DiskFault fault(n, ENOSPC);
      const auto moved = store->file_queued(std::chrono::seconds(0), 10);
      failed = fault.happened();
      CHECK((moved.has_value() || failed));
    }
    for (const QueuedMessage& each : messages) CHECK(content_of(*store, each) == kContent);
    for (const std::string& name : files_of(scratch.data())) CHECK(name.front() != '.');
  }
  CHECK(files_of(scratch.data()).size() == 2);
}

TEST_CASE("a damaged database gives up what it holds of the queue", "[storage][queue]") {
  Scratch scratch;
  auto running = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*running, submission(*running, {kFar, kWide}, kContent)).has_value());
  const auto message = queued(*running)[0];
  const auto sent = outcome(message.recipients[0], QueueState::kDelivered, "250 2.0.0 OK");
  REQUIRE(running->note_outcomes(std::vector{sent}).has_value());
  const std::string data = scratch.path() + "/crashed";
  copy_folder(scratch.data(), data);
  run_sql(data + "/mailstead.db", "DROP TABLE messages");
  // An earlier start may have come so far, or only half way.
  const bool again = GENERATE(false, true);
  if (again) {
    REQUIRE_FALSE(*running->file_queued(std::chrono::seconds(0), 10));
    write_file(data + "/queue/" + message.id, read_file(scratch.data() + "/queue/" + message.id));
    write_file(data + "/queue/.draft-" + message.id, "half");
  }
  RecoveryReport report;
  auto store = open_store(data, &report);
  CHECK(mentions(report, "read 1 message on the way out from the damaged database"));
  const auto messages = queued(*store);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].id == message.id);
  CHECK(content_of(*store, messages[0]) == kContent);
  // Who has it already does not get it again.
  REQUIRE(messages[0].recipients.size() == 1);
  CHECK(messages[0].recipients[0].recipient.address == address(kWide));
}

TEST_CASE("what a damaged database does not give up of the queue is told", "[storage][queue]") {
  Scratch scratch;
  auto running = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 4; ++i) REQUIRE(submit(*running, submission(*running, {kFar}, kContent)).has_value());
  const auto messages = queued(*running);
  // Of one only a report is left to do.
  auto failed = outcome(messages[1].recipients[0], QueueState::kFailed, "550 5.1.1 nobody");
  failed.due = QueueReports::kFailure;
  REQUIRE(running->note_outcomes(std::vector{failed}).has_value());
  const std::string data = scratch.path() + "/crashed";
  copy_folder(scratch.data(), data);
  run_sql(data + "/mailstead.db",
          "DROP TABLE messages;"
          "UPDATE queue_contents SET bytes = substr(bytes, 2) WHERE message IN (SELECT id FROM queue WHERE "
          "queue_id IN ('" +
              messages[2].id + "', '" + messages[3].id + "'))");
  RecoveryReport report;
  auto store = open_store(data, &report);
  CHECK(mentions(report, "read 1 message on the way out from the damaged database"));
  CHECK(mentions(report, "could not read 2 messages on the way out in the damaged database"));
  CHECK(mentions(report, "dropped 1 message on the way out in the damaged database"));
  CHECK_FALSE(mentions(report, "to the end of its queue"));
  REQUIRE(queued(*store).size() == 1);
  CHECK(queued(*store)[0].id == messages[0].id);
  CHECK(files_of(data).size() == 1);
}

TEST_CASE("a damaged database whose queue cannot be read to its end is told of", "[storage][queue]") {
  Scratch scratch;
  store_with(scratch.data(), {kAnna}).reset();
  const bool has_none = GENERATE(false, true);  // as that of an older program
  run_sql(scratch.data() + "/mailstead.db", "DROP TABLE messages; DROP TABLE queue;");
  if (has_none) run_sql(scratch.data() + "/mailstead.db", "DROP TABLE queue_contents");
  RecoveryReport report;
  open_store(scratch.data(), &report);
  CHECK(mentions(report, "the database was damaged"));
  CHECK(mentions(report, "to the end of its queue") != has_none);
}

TEST_CASE("a file of the queue that names nobody is no message any more", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(submit(*store, submission(*store, {kFar}, kContent)).has_value());
  const auto message = queued(*store)[0];
  auto failed = outcome(message.recipients[0], QueueState::kFailed, "550 5.1.1 nobody");
  failed.due = QueueReports::kFailure;
  REQUIRE(store->note_outcomes(std::vector{failed}).has_value());
  REQUIRE_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  REQUIRE(files_of(scratch.data()).size() == 1);
  store.reset();
  const bool is_lost = GENERATE(true, false);
  if (is_lost) std::filesystem::remove(scratch.data() + "/mailstead.db");
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "dropped 1 message from the queue") == is_lost);
  CHECK(queued(*store).size() == (is_lost ? 0u : 1u));
  CHECK(files_of(scratch.data()).size() == (is_lost ? 0u : 1u));
}

TEST_CASE("a finished message's file that could not be removed goes later", "[storage][queue]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 2; ++i) REQUIRE(submit(*store, submission(*store, {kFar}, kContent)).has_value());
  REQUIRE_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  const auto messages = queued(*store);
  const std::string path = scratch.data() + "/queue/" + messages[0].id;
  std::filesystem::remove(path);
  std::filesystem::create_directories(path + "/x");
  for (const QueuedMessage& each : messages) REQUIRE(store->drop_queued(each.id).has_value());
  REQUIRE_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  std::filesystem::remove_all(path);
  write_file(path, "it is back");
  REQUIRE_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  CHECK(files_of(scratch.data()).empty());
  // Only once: the name may be a file's that is none of ours.
  write_file(path, "and again");
  REQUIRE_FALSE(*store->file_queued(std::chrono::seconds(0), 10));
  CHECK(files_of(scratch.data()).size() == 1);
}
