#include "storage/mailbox/removal.h"

#include <cerrno>
#include <filesystem>

#include "crash.h"
#include "storage/check/checker.h"
#include "storage/database/database.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

TEST_CASE("a removed mailbox is gone with its mail, and its name is free", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  const MailboxId old_id = id_of(*store, kAnna);
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  CHECK_FALSE(store->sweep_removed(1'000).value());
  CHECK(names_in(scratch.data() + "/mail/example.org") == std::vector<std::string>{"bert"});
  CHECK(store->remove_mailbox(address(kAnna), KeepMail::kNo).error().kind == ErrorKind::kNotFound);
  CHECK(store->directory()->classify(address(kAnna)) == RecipientKind::kUnknown);
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  CHECK(id_of(*store, kAnna) != old_id);
  CHECK(fetch_all(*store, kAnna).empty());
}

TEST_CASE("a file that resists in a removed mailbox holds up nobody", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  for (int i = 0; i < 3; ++i) REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  CHECK(store->sweep_removed(4).value());  // its rows
  {
    DiskFault fault(1, EPERM);
    auto resists = store->sweep_removed(1'000);
    CHECK(fault.happened());
    REQUIRE_FALSE(resists.has_value());
    CHECK(resists.error().kind == ErrorKind::kDenied);
    CHECK(resists.error().message.find(scratch.data() + "/mail/example.org/.removed-") != std::string::npos);
  }
  REQUIRE(store->add_mailbox(address("carl@example.org"), "$x$").has_value());
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK_FALSE(store->sweep_removed(1'000).value());
  CHECK(names_in(scratch.data() + "/mail/example.org") == std::vector<std::string>{"anna", "bert", "carl"});
}

TEST_CASE("a removed mailbox is swept in pieces, and the end or the next start finishes it", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 20; ++i) REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  REQUIRE(names_in(scratch.data() + "/mail/example.org").size() == 1);
  std::size_t calls = 1;
  SECTION("in pieces") {
    while (store->sweep_removed(7).value()) ++calls;
    CHECK(calls == 7);  // 20 rows, the mailbox's; 20 messages, the address, four folders
    CHECK(names_in(scratch.data() + "/mail/example.org").empty());
  }
  SECTION("at the end") {
    CHECK(store->sweep_removed(7).value());
    REQUIRE(store->close().has_value());
    CHECK(names_in(scratch.data() + "/mail/example.org").empty());
  }
  SECTION("at the next start") {
    const std::string copy = scratch.path() + "/copy";
    copy_folder(scratch.data(), copy);
    RecoveryReport report;
    auto other = open_store(copy, &report);
    CHECK(mentions(report, "finished the interrupted removal of a mailbox"));
    CHECK(names_in(copy + "/mail/example.org").empty());
  }
}

TEST_CASE("a removal writes the same few rows for any number of messages; the others go in pieces",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  for (int i = 0; i < 20; ++i) REQUIRE(deliver(*store, {kAnna, kBert}, "A: 1\r\n\r\n").has_value());
  REQUIRE(deliver_unfiled(*store, {kAnna}, "A: 2\r\n\r\n").has_value());
  const std::string database = scratch.data() + "/mailstead.db";
  const auto rows = [&] {
    auto reading = Database::open(database, DatabaseAccess::kRead).value();
    std::int64_t count = 0;
    REQUIRE(each_row(reading->query("SELECT COUNT(*) FROM messages"), [&](const Statement& row) {
              count = row.integer(0);
            }).has_value());
    return count;
  };
  const KeepMail keep = GENERATE(KeepMail::kNo, KeepMail::kYes);
  REQUIRE(store->remove_mailbox(address(kAnna), keep).has_value());
  CHECK(rows() == 41);
  CHECK(store->list_mailboxes()->size() == 1);
  CHECK(Checker::open(scratch.data()).value()->check_database().value().empty());
  // The address is free at once, and its new mailbox is none of the old one's business.
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  const std::size_t kept = keep == KeepMail::kYes ? 21 : 0;
  CHECK(fetch_all(*store, kAnna).size() == kept);
  REQUIRE(deliver(*store, {kAnna}, "A: 3\r\n\r\n").has_value());
  SECTION("between others' turns") {
    std::int64_t before = rows();
    while (store->sweep_removed(7).value()) {
      CHECK(before - rows() <= 7);
      before = rows();
    }
  }
  SECTION("at the next start") {
    const std::string copy = scratch.path() + "/copy";
    copy_folder(scratch.data(), copy);
    store.reset();
    fs::rename(scratch.data(), scratch.path() + "/first");
    fs::rename(copy, scratch.data());
    RecoveryReport report;
    store = open_store(scratch.data(), &report);
    CHECK(mentions(report, "finished the interrupted removal of a mailbox"));
  }
  CHECK(rows() == static_cast<std::int64_t>(20 + kept + 1));
  CHECK(fetch_all(*store, kAnna).size() == kept + 1);
  CHECK(fetch_all(*store, kBert).size() == 20);
  CHECK(Checker::open(scratch.data()).value()->check_database().value().empty());
}

TEST_CASE("a mailbox that aliases lead to is not removed", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  REQUIRE(store->add_alias("info@example.org", {address(kAnna)}).has_value());
  REQUIRE(store->add_alias("@example.org", {address("bert@example.org"), address(kAnna)}).has_value());
  auto refused = store->remove_mailbox(address(kAnna), KeepMail::kNo);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::kInUse);
  CHECK(refused.error().message ==
        "anna@example.org is the target of the aliases @example.org, info@example.org: remove or change them "
        "first");
  REQUIRE(store->remove_alias("@example.org").has_value());
  REQUIRE(store->remove_alias("info@example.org").has_value());
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
}

TEST_CASE("kept mail is no mailbox and comes back to the address with its UIDLs", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const char* text : {"A: 1\r\n\r\n", "A: 2\r\n\r\n"})
    REQUIRE(deliver(*store, {kAnna}, text).has_value());
  auto before = fetch_all(*store, kAnna);
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kYes).has_value());
  store.reset();
  const bool database_lost = GENERATE(false, true);
  if (database_lost) fs::remove(scratch.data() + "/mailstead.db");
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(store->directory()->mailboxes().empty());
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  auto after = fetch_all(*store, kAnna);
  REQUIRE(after.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(after[i].uidl == before[i].uidl);
    CHECK(after[i].content == before[i].content);
  }
}

TEST_CASE("mail kept earlier is never covered by mail kept later", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  fs::create_directory(scratch.data() + "/mail/example.org/.kept-anna");
  auto refused = store->remove_mailbox(address(kAnna), KeepMail::kYes);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::kExists);
  CHECK(store->directory()->find(address(kAnna)) != nullptr);
}
