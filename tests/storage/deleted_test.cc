// Mail that was deleted and is kept: out of POP3 at once, restored as it was, freed by age and when the disk
// is low.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "crash.h"
#include "storage/database/history.h"
#include "storage/database/schema.h"
#include "storage/files.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kDay = 24 * 3600;
constexpr std::int64_t kWeek = 7 * kDay;
const DeleteTerms kKeepByPhone{Deleted::kKept, "phone"};

struct DeletedWorld {
  Scratch scratch;
  std::unique_ptr<Store> store = store_with(scratch.data(), {kAnna, kBert});

  explicit DeletedWorld(int messages = 4) {
    for (int i = 0; i < messages; ++i) REQUIRE(deliver(*store, {kAnna}, content(i)).has_value());
  }
  static std::string content(int number) {
    return "Message-ID: <m" + std::to_string(number) + "@x.example>\r\nSubject: " + std::to_string(number) +
           "\r\n\r\nbody\r\n";
  }
  std::string box() const { return scratch.data() + "/mail/example.org/anna/"; }
  std::string database() const { return scratch.data() + "/mailstead.db"; }

  void mark(const std::vector<std::size_t>& indices, const DeleteTerms& terms = kKeepByPhone) {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    REQUIRE(maildrop.has_value());
    REQUIRE(store->commit_deletes(**maildrop, indices, terms).has_value());
  }
  void remove(const std::vector<std::size_t>& indices, const DeleteTerms& terms = kKeepByPhone) {
    mark(indices, terms);
    CHECK(store->purge_deleted(id_of(*store, kAnna), 1000).value() == 0);
  }
  std::vector<std::string> deleted() {
    std::vector<std::string> uidls;
    const auto messages = store->list_messages(address(kAnna), MessageListing::kDeleted);
    for (const KnownMessage& message : messages.value()) uidls.push_back(message.uidl);
    return uidls;
  }
  Result<std::vector<std::string>> restore(const std::vector<std::string>& uidls) {
    return store->restore_messages(address(kAnna), uidls);
  }
  // The time that counts for deleted mail goes on by this much, as if the server had looked every hour.
  void age(std::int64_t seconds) {
    store.reset();
    run_sql(database(), "UPDATE deletions SET age_from = age_from - " + std::to_string(seconds));
    store = open_store(scratch.data());
  }
  void reopen(RecoveryReport* report = nullptr) {
    store.reset();
    store = open_store(scratch.data(), report);
  }
};

bool same(const std::vector<Fetched>& one, const std::vector<Fetched>& other) {
  return std::equal(
      one.begin(), one.end(), other.begin(), other.end(),
      [](const Fetched& a, const Fetched& b) { return a.uidl == b.uidl && a.content == b.content; });
}

std::size_t files(const std::string& folder) {
  return fs::exists(folder) ? names_in(folder).size() : 0;
}

}  // namespace

TEST_CASE("deleted mail is out of the maildrop at once and comes back as it was", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  const bool tidied = GENERATE(false, true);
  const bool restarted = GENERATE(false, true);
  INFO("tidied " << tidied << " restarted " << restarted);
  tidied ? world.remove({0, 2}) : world.mark({0, 2});
  CHECK(uidls_of(fetch_all(*world.store, kAnna)) == std::vector{before[1].uidl, before[3].uidl});
  if (restarted) {
    RecoveryReport report;
    world.reopen(&report);
    CHECK(report.clean);
    CHECK(report.actions.empty());
  }
  CHECK(uidls_of(fetch_all(*world.store, kAnna)) == std::vector{before[1].uidl, before[3].uidl});
  CHECK(world.deleted() == std::vector{before[0].uidl, before[2].uidl});
  auto summary = world.store->show_mailbox(address(kAnna));
  CHECK(summary->messages == 2);
  CHECK(summary->deleted_messages == 2);
  CHECK(summary->deleted_octets == before[0].content.size() + before[2].content.size());
  CHECK(world.store->deleted_totals().messages == 2);
  CHECK(world.store->deleted_totals().octets == summary->deleted_octets);
  if (tidied || restarted) {
    CHECK(files(world.box() + "deleted") == 2);
    CHECK(files(world.box() + "new") == 2);  // what other mail tools see
  }
  REQUIRE(world.restore({before[0].uidl}).has_value());
  CHECK(world.deleted() == std::vector{before[2].uidl});
  CHECK(uidls_of(fetch_all(*world.store, kAnna)) ==
        std::vector{before[0].uidl, before[1].uidl, before[3].uidl});
  REQUIRE(world.restore({before[2].uidl}).has_value());
  CHECK(same(fetch_all(*world.store, kAnna), before));
  CHECK(world.store->deleted_totals().messages == 0);
  CHECK(files(world.box() + "new") == 4);
  CHECK(files(world.box() + "deleted") == 0);
  RecoveryReport report;
  world.reopen(&report);
  CHECK(report.actions.empty());
  CHECK(same(fetch_all(*world.store, kAnna), before));
}

TEST_CASE("a QUIT that deletes a great many deletes those and no others, each once", "[storage][deleted]") {
  constexpr int kMany = 700;
  DeletedWorld world(kMany);
  world.remove({100, 300});
  const DeleteTerms terms{GENERATE(Deleted::kKept, Deleted::kFreed), "laptop"};
  auto maildrop = world.store->open_maildrop(id_of(*world.store, kAnna));
  REQUIRE(maildrop.has_value());
  const auto kept = world.deleted();
  REQUIRE(kept.size() == 2);
  // Meanwhile one comes back among them, which this session does not know.
  REQUIRE(world.restore({kept[0]}).has_value());
  REQUIRE(deliver(*world.store, {kAnna}, DeletedWorld::content(kMany)).has_value());
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < kMany - 2; ++i) {
    if (i != 600) indices.push_back(i);
  }
  REQUIRE(world.store->commit_deletes(**maildrop, indices, terms).has_value());
  maildrop->reset();
  const auto left = fetch_all(*world.store, kAnna);
  REQUIRE(left.size() == 3);
  CHECK(left[0].uidl == kept[0]);
  const std::size_t by_laptop = terms.deleted == Deleted::kKept ? indices.size() : 0;
  CHECK(world.deleted().size() == 1 + by_laptop);
  CHECK(world.store->deleted_totals().messages == 1 + by_laptop);
  CHECK(world.store->show_mailbox(address(kAnna))->messages == 3);
  world.store.reset();
  auto database = Database::open(world.database(), DatabaseAccess::kRead).value();
  std::size_t deletions = 0;
  REQUIRE(
      each_row(database->query("SELECT COUNT(*) FROM deletions WHERE device = 'laptop' AND restored_at = 0"),
               [&](const Statement& row) { deletions = static_cast<std::size_t>(row.integer(0)); })
          .has_value());
  CHECK(deletions == by_laptop);
}

TEST_CASE("a slice of deleted mail reads no more deletions than it tells of", "[storage][deleted]") {
  DeletedWorld world(9);
  // Some whose files are put aside, and some whose are not yet.
  world.remove({0, 2, 4, 6});
  world.mark({1, 2, 3}, {Deleted::kKept, "laptop"});
  const auto all = world.deleted();
  REQUIRE(all.size() == 7);
  for (const MessageSlice::From from : {MessageSlice::From::kOldest, MessageSlice::From::kNewest}) {
    std::vector<std::string> paged;
    MessageSlice slice{from, 0, 2};
    while (true) {
      const auto some = world.store->list_messages(address(kAnna), MessageListing::kDeleted, slice).value();
      if (some.empty()) break;
      CHECK(some.size() <= 2);
      for (const KnownMessage& message : some) {
        paged.push_back(message.uidl);
        CHECK(message.deleted_at != 0);
        const auto shown = world.store->show_message(address(kAnna), message.uidl).value();
        CHECK(message.deleted_by == shown.deleted_by);
        CHECK(message.deleted_age == shown.deleted_age);
      }
      slice.beyond = some.back().key;
    }
    if (from == MessageSlice::From::kNewest) std::ranges::reverse(paged);
    CHECK(paged == all);
  }
  world.store.reset();
  auto database = Database::open(world.database(), DatabaseAccess::kRead).value();
  CHECK(Deletions(*database).current(1, 3, 5)->size() == 3);
  CHECK(Deletions(*database).current(1, 9, 9)->empty());
}

TEST_CASE("a restore names what is not there to be restored, and then restores nothing",
          "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0, 1});
  for (const std::string& wrong : {before[3].uidl, std::string("0000000000abcde"), std::string("' OR 1")}) {
    auto done = world.restore({before[0].uidl, wrong});
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::kNotFound);
    CHECK(done.error().message.find(wrong) != std::string::npos);
  }
  CHECK(world.deleted().size() == 2);
  fs::remove(world.box() + "deleted/" + names_in(world.box() + "deleted")[0]);
  auto lost = world.restore({before[0].uidl, before[1].uidl});
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().kind == ErrorKind::kNotFound);
  REQUIRE(world.restore({before[1].uidl, before[1].uidl}).has_value());  // twice is once
  CHECK(uidls_of(fetch_all(*world.store, kAnna)) ==
        std::vector{before[1].uidl, before[2].uidl, before[3].uidl});
}

TEST_CASE("a session that is open is not renumbered by a restore", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0});
  auto held = world.store->open_maildrop(id_of(*world.store, kAnna));
  REQUIRE(held.has_value());
  REQUIRE(world.restore({before[0].uidl}).has_value());
  CHECK((*held)->totals().messages == 3);
  CHECK(entries_of(*world.store, **held).front().uidl == before[1].uidl);
  CHECK(read_message(*world.store, **held, 0) == before[1].content);
  // It deletes what it calls the first: not the one that came back.
  const std::vector<std::size_t> first{0};
  REQUIRE(world.store->commit_deletes(**held, first, kKeepByPhone).has_value());
  held->reset();
  CHECK(uidls_of(fetch_all(*world.store, kAnna)) ==
        std::vector{before[0].uidl, before[2].uidl, before[3].uidl});
}

TEST_CASE("flags of another mail tool survive deletion and restore", "[storage][deleted]") {
  DeletedWorld world(1);
  const std::string name = names_in(world.box() + "new")[0];
  fs::rename(world.box() + "new/" + name, world.box() + "cur/" + name + ":2,FS");
  const auto before = fetch_all(*world.store, kAnna);
  world.mark({0});
  // Renamed once more before it was put aside.
  fs::rename(world.box() + "cur/" + name + ":2,FS", world.box() + "cur/" + name + ":2,FRS");
  CHECK(world.store->purge_deleted(id_of(*world.store, kAnna), 10).value() == 0);
  CHECK(names_in(world.box() + "deleted") == std::vector{name + ":2,FRS"});
  REQUIRE(world.restore({before[0].uidl}).has_value());
  CHECK(names_in(world.box() + "cur") == std::vector{name + ":2,FRS"});
  CHECK(same(fetch_all(*world.store, kAnna), before));
}

TEST_CASE("kept for no day: freed at once", "[storage][deleted]") {
  DeletedWorld world;
  world.remove({0, 1}, {Deleted::kFreed, "phone"});
  CHECK(world.deleted().empty());
  CHECK(files(world.box() + "new") == 2);
  CHECK_FALSE(fs::exists(world.box() + "deleted"));
}

TEST_CASE("deleted mail is freed when it is old, in slices, the oldest first", "[storage][deleted]") {
  DeletedWorld world(6);
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({3});
  world.age(kDay);
  world.remove({0, 1, 2});
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 2).value());
  CHECK(world.deleted().size() == 4);
  world.age(kWeek - kDay - 100);
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 2).value());
  CHECK(world.deleted().size() == 4);
  world.age(200);
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 2).value());
  CHECK(world.deleted() == std::vector{before[0].uidl, before[1].uidl, before[2].uidl});
  world.age(kDay);
  CHECK(world.store->free_deleted({kWeek, 0}, 2).value());
  CHECK(world.deleted() == std::vector{before[2].uidl});
  CHECK(files(world.box() + "deleted") == 1);
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 2).value());
  CHECK(world.deleted().empty());
  CHECK(files(world.box() + "deleted") == 0);
  CHECK(files(world.box() + "new") == 2);
  CHECK(world.store->deleted_totals().messages == 0);
  auto late = world.restore({before[0].uidl});
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().kind == ErrorKind::kNotFound);
}

TEST_CASE("what was restored and deleted again has its whole time before it", "[storage][deleted]") {
  DeletedWorld world(1);
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0});
  world.age(kWeek - 100);
  REQUIRE(world.restore({before[0].uidl}).has_value());
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  world.remove({0});
  world.age(200);
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  CHECK(world.deleted().size() == 1);
  const auto known = world.store->show_message(address(kAnna), before[0].uidl);
  REQUIRE(known.has_value());
  std::vector<MessageEventKind> kinds;
  for (const MessageEvent& event : known->events) kinds.push_back(event.kind);
  CHECK(kinds ==
        std::vector{MessageEventKind::kDeleted, MessageEventKind::kRestored, MessageEventKind::kDeleted});
  CHECK(known->deleted_by == "phone");
  CHECK(known->deleted_for >= 200);
  CHECK(known->deleted_for < 300);
}

TEST_CASE("a clock that jumps frees nothing before its time", "[storage][deleted]") {
  DeletedWorld world(2);
  world.remove({0});
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  const std::int64_t jump = GENERATE(std::int64_t{3650}, std::int64_t{-3650}) * kDay;
  INFO("jump " << jump);
  world.store.reset();
  // As if the last look had been so long ago, or so far ahead.
  run_sql(world.database(),
          "UPDATE meta SET value = value - (" + std::to_string(jump) + ") WHERE key = 'deleted_age_at'");
  world.store = open_store(world.scratch.data());
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  CHECK(world.deleted().size() == 1);
  const auto notices = world.store->take_notices();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].find(jump > 0 ? "one day older" : "went back") != std::string::npos);
  // Told once.
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  CHECK(world.store->take_notices().empty());
  const auto known = world.store->list_messages(address(kAnna), MessageListing::kDeleted);
  CHECK(known->at(0).deleted_for <= (jump > 0 ? kDay + 60 : 60));
  // And the time goes on from there.
  world.age(kWeek);
  static_cast<void>(world.store->free_deleted({kWeek, 0}, 10));
  CHECK(world.deleted().empty());
}

TEST_CASE("a low disk takes the oldest deleted mail before its time, and says so", "[storage][deleted]") {
  DeletedWorld world(5);
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0, 1, 2});
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  CHECK(world.deleted().size() == 3);
  bool more = true;
  for (int i = 0; more; ++i) {
    REQUIRE(i < 10);
    more = world.store->free_deleted({kWeek, UINT64_MAX}, 2).value();
    if (i == 0) CHECK(world.deleted() == std::vector{before[2].uidl});
  }
  CHECK(world.deleted().empty());
  CHECK(fetch_all(*world.store, kAnna).size() == 2);
  const auto notices = world.store->take_notices();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].find("freed 3 deleted messages before their time") != std::string::npos);
}

TEST_CASE("a rebuild without the database neither resurrects deleted mail nor loses it",
          "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0, 2});
  world.store.reset();
  lose_index(world.scratch.data());
  RecoveryReport report;
  world.store = open_store(world.scratch.data(), &report);
  CHECK(mentions(report, "2 messages in anna@example.org among the deleted mail"));
  CHECK(uidls_of(fetch_all(*world.store, kAnna)) == std::vector{before[1].uidl, before[3].uidl});
  CHECK(world.deleted() == std::vector{before[0].uidl, before[2].uidl});
  // Their time begins anew.
  CHECK_FALSE(world.store->free_deleted({kWeek, 0}, 10).value());
  const auto known = world.store->list_messages(address(kAnna), MessageListing::kDeleted);
  CHECK(known->at(0).deleted_for < 60);
  CHECK(known->at(0).message_id == "m0@x.example");
  REQUIRE(world.restore(world.deleted()).has_value());
  CHECK(same(fetch_all(*world.store, kAnna), before));
}

TEST_CASE("files that people move into or out of deleted/ mean what they say", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0});
  const std::string name = names_in(world.box() + "deleted")[0];
  SECTION("out of it: restored, while the server runs") {
    fs::rename(world.box() + "deleted/" + name, world.box() + "new/" + name);
    CHECK(same(fetch_all(*world.store, kAnna), before));
    CHECK(world.deleted().empty());
    CHECK(world.store->deleted_totals().messages == 0);
  }
  SECTION("into it: deleted, from the next start on") {
    const std::string next = names_in(world.box() + "new")[0];
    world.store.reset();
    fs::rename(world.box() + "new/" + next, world.box() + "deleted/" + next);
    world.store = open_store(world.scratch.data());
    CHECK(world.deleted() == std::vector{before[0].uidl, before[1].uidl});
    CHECK(fetch_all(*world.store, kAnna).size() == 2);
    REQUIRE(world.restore(world.deleted()).has_value());
    CHECK(same(fetch_all(*world.store, kAnna), before));
  }
  SECTION("files that are not ours stay where they are") {
    write_file(world.box() + "deleted/notes.txt", "not a message");
    RecoveryReport report;
    world.reopen(&report);
    CHECK(mentions(report, "deleted/notes.txt"));
    CHECK(world.deleted().size() == 1);
    CHECK(read_file(world.box() + "deleted/notes.txt") == "not a message");
  }
  SECTION("removed by hand: gone, and its row with its time") {
    fs::remove(world.box() + "deleted/" + name);
    world.reopen();
    CHECK_FALSE(world.restore({before[0].uidl}).has_value());
    world.age(2 * kWeek);
    static_cast<void>(world.store->free_deleted({kWeek, 0}, 10));
    CHECK(world.deleted().empty());
    CHECK(fetch_all(*world.store, kAnna).size() == 3);
  }
}

TEST_CASE("deleted mail goes with its mailbox, or is kept with its mail", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.mark({0, 1});  // not put aside yet
  SECTION("removed") {
    REQUIRE(world.store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
    CHECK(world.store->deleted_totals().messages == 0);
    CHECK_FALSE(world.store->sweep_removed(1000).value());
    REQUIRE(world.store->add_mailbox(address(kAnna), "$x$").has_value());
    CHECK(world.deleted().empty());
    CHECK(fetch_all(*world.store, kAnna).empty());
  }
  SECTION("kept") {
    REQUIRE(world.store->remove_mailbox(address(kAnna), KeepMail::kYes).has_value());
    CHECK(world.store->deleted_totals().messages == 0);
    REQUIRE(world.store->add_mailbox(address(kAnna), "$x$").has_value());
    CHECK(world.deleted() == std::vector{before[0].uidl, before[1].uidl});
    CHECK(fetch_all(*world.store, kAnna).size() == 2);
    REQUIRE(world.restore(world.deleted()).has_value());
    CHECK(same(fetch_all(*world.store, kAnna), before));
  }
}

TEST_CASE("an operation that fails during a restore restores all or nothing", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.remove({0, 1, 2});
  const auto uidls = world.deleted();
  world.store.reset();
  const int error_number = GENERATE(EIO, ENOSPC);
  at_each_fault([&](int n) {
    bool happened = false;
    const std::string data = world.scratch.path() + "/" + std::to_string(n);
    copy_folder(world.scratch.data(), data);
    auto store = open_store(data);
    bool done = false;
    {
      DiskFault fault(n, error_number);
      done = store->restore_messages(address(kAnna), uidls).has_value();
      happened = fault.happened();
    }
    if (error_number == ENOSPC) CHECK(done);  // the reserve is for that
    if (!happened) CHECK(done);
    const auto mail = fetch_all(*store, kAnna);
    if (done) CHECK(same(mail, before));
    CHECK((mail.size() == 4 || mail.size() == 1));
    CHECK(store->list_messages(address(kAnna), MessageListing::kDeleted)->size() == 4 - mail.size());
    store.reset();
    fs::remove_all(data);
    return happened;
  });
}

TEST_CASE("an operation that fails while files are put aside or freed loses nothing", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.mark({0, 1, 2});
  world.store.reset();
  copy_folder(world.scratch.data(), world.scratch.path() + "/start");
  at_each_fault([&](int n) {
    bool happened = false;
    const std::string data = world.scratch.path() + "/" + std::to_string(n);
    copy_folder(world.scratch.path() + "/start", data);
    // As a crash right after the commit would leave it.
    for (const std::string& name : names_in(data + "/mail/example.org/anna/deleted"))
      fs::rename(data + "/mail/example.org/anna/deleted/" + name,
                 data + "/mail/example.org/anna/new/" + name);
    run_sql(data + "/mailstead.db",
            "UPDATE messages SET state = 3, name = 'new/' || substr(name, 9) WHERE state = 4");
    auto store = open_store(data);
    const MailboxId anna = id_of(*store, kAnna);
    {
      DiskFault fault(n, EIO);
      static_cast<void>(store->purge_deleted(anna, 1000));
      happened = fault.happened();
    }
    CHECK(fetch_all(*store, kAnna).size() == 1);
    CHECK(store->list_messages(address(kAnna), MessageListing::kDeleted)->size() == 3);
    store.reset();
    store = open_store(data);
    std::vector<std::string> uidls;
    const auto deleted = store->list_messages(address(kAnna), MessageListing::kDeleted);
    for (const KnownMessage& message : deleted.value()) uidls.push_back(message.uidl);
    REQUIRE(uidls.size() == 3);
    REQUIRE(store->restore_messages(address(kAnna), uidls).has_value());
    CHECK(same(fetch_all(*store, kAnna), before));
    store.reset();
    fs::remove_all(data);
    return happened;
  });
}

TEST_CASE("a store of the first schema is brought to this one with its mail", "[storage][deleted]") {
  DeletedWorld world;
  const auto before = fetch_all(*world.store, kAnna);
  world.store.reset();
  run_sql(world.database(),
          "PRAGMA foreign_keys=OFF; DROP TRIGGER totals_insert; DROP TRIGGER totals_update;"
          "DROP TRIGGER totals_delete; DROP TABLE totals; DROP TABLE fetches; DROP TABLE devices; DROP TABLE "
          "deletions;"
          "DROP TABLE quotas; DROP TABLE app_passwords; DROP INDEX messages_by_message_id; DROP INDEX "
          "messages_unexamined;"
          "ALTER TABLE messages DROP COLUMN message_id; ALTER TABLE messages DROP COLUMN header;"
          "ALTER TABLE messages DROP COLUMN surrogate_growth; ALTER TABLE messages DROP COLUMN "
          "kept_since;" +
              kWithoutQueue + "PRAGMA user_version=1");
  world.store = open_store(world.scratch.data());
  CHECK(same(fetch_all(*world.store, kAnna), before));
  world.remove({0});
  CHECK(world.deleted() == std::vector{before[0].uidl});
}

TEST_CASE("a message copied back by hand and deleted again is deleted once", "[storage][deleted]") {
  DeletedWorld world(1);
  const std::string uidl = fetch_all(*world.store, kAnna).at(0).uidl;
  world.remove({0});
  REQUIRE(files(world.box() + "deleted") == 1);
  const std::string name = names_in(world.box() + "deleted").at(0);
  fs::copy_file(world.box() + "deleted/" + name, world.box() + "new/" + name.substr(0, name.find(':')));
  world.reopen();
  REQUIRE(fetch_all(*world.store, kAnna).size() == 1);
  world.remove({0});
  CHECK(files(world.box() + "new") == 0);
  CHECK(files(world.box() + "deleted") == 1);
  CHECK(world.deleted() == std::vector{uidl});
  REQUIRE(world.store->remove_mailbox(address(kAnna), KeepMail::kYes).has_value());
  REQUIRE(world.store->add_mailbox(address(kAnna), "$x$").has_value());
  CHECK(fetch_all(*world.store, kAnna).empty());
}

TEST_CASE("a message moved back by hand has its whole time until it expires", "[storage][deleted]") {
  DeletedWorld world(1);
  for (int hours = 0; hours < 72; ++hours)
    REQUIRE(world.store->advance_retention(std::chrono::hours(1)).has_value());
  world.remove({0});
  const std::string name = names_in(world.box() + "deleted").at(0);
  fs::rename(world.box() + "deleted/" + name, world.box() + "new/" + name.substr(0, name.find(':')));
  world.reopen();
  REQUIRE(fetch_all(*world.store, kAnna).size() == 1);
  const auto expired =
      world.store->expire_messages(id_of(*world.store, kAnna), std::chrono::hours(24), 10, kKeepByPhone);
  REQUIRE(expired.has_value());
  CHECK(*expired == 0);
  CHECK(fetch_all(*world.store, kAnna).size() == 1);
}

TEST_CASE("what is lost keeps nothing else from being restored, if so wished", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 4; ++i) REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  {
    const auto maildrop = store->open_maildrop(id_of(*store, kAnna)).value();
    const std::vector<std::size_t> all{0, 1, 2, 3};
    REQUIRE(store->commit_deletes(*maildrop, all, {Deleted::kKept, ""}).has_value());
  }
  REQUIRE(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  const std::string deleted = scratch.data() + "/mail/example.org/anna/deleted/";
  for (const std::string& name : names_in(deleted)) {
    if (name.find(uidls[1]) != std::string::npos) fs::remove(deleted + name);
    if (name.find(uidls[2]) != std::string::npos) fs::rename(deleted + name, deleted + name + ":2,S");
  }
  const auto refused = store->restore_messages(address(kAnna), uidls);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::kNotFound);
  CHECK(fetch_all(*store, kAnna).empty());
  const auto lost = store->restore_messages(address(kAnna), uidls, LostFiles::kLeaveOut);
  CHECK(lost.value() == std::vector<std::string>{uidls[1]});
  CHECK(uidls_of(fetch_all(*store, kAnna)) == std::vector<std::string>{uidls[0], uidls[2], uidls[3]});
  const auto nothing = store->restore_messages(address(kAnna), *lost, LostFiles::kLeaveOut);
  CHECK(nothing.value() == *lost);
}

TEST_CASE("a deleted message under another name survives a disk that fills while it is put aside",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  {
    const auto maildrop = store->open_maildrop(id_of(*store, kAnna)).value();
    const std::vector<std::size_t> first{0};
    REQUIRE(store->commit_deletes(*maildrop, first, {Deleted::kKept, ""}).has_value());
  }
  const std::string box = scratch.data() + "/mail/example.org/anna/";
  const std::string name = names_in(box + "new")[0];
  fs::rename(box + "new/" + name, box + "cur/" + name + ":2,S");
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "commit" ? ENOSPC : 0; });
  CHECK_FALSE(store->purge_deleted(id_of(*store, kAnna), 100).has_value());
  set_disk_hook(nullptr);
  CHECK(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  CHECK(names_in(box + "deleted").size() == 1);
  REQUIRE(store->restore_messages(address(kAnna), uidls).has_value());
  CHECK(fetch_all(*store, kAnna)[0].content == kept(kAnna, "A: 1\r\n\r\n"));
}
