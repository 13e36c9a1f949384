#include "storage/accounts/quotas.h"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "storage/database/database.h"
#include "storage/files.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

namespace {

// A message that is kept as exactly so many octets in a mailbox.
std::string content_of(std::size_t octets, const std::string& mailbox = kAnna) {
  const std::string head = "A: b\r\n\r\n";
  const std::size_t around = kept(mailbox, head).size() + 2;
  REQUIRE(octets > around);
  return head + std::string(octets - around, 'x') + "\r\n";
}

struct QuotaWorld {
  explicit QuotaWorld(const std::vector<std::string>& mailboxes = {kAnna, kBert})
      : store(store_with(scratch.data(), mailboxes)) {}

  void set(const std::string& mailbox, std::optional<std::uint64_t> octets) {
    const auto done = store->set_quota(address(mailbox), octets);
    if (!done) FAIL(done.error().message);
  }
  Room room(const std::string& recipient, std::uint64_t octets = 0) const {
    return store->room_for(address(recipient), octets);
  }
  // What memory says is there, by the quota that would just be full.
  std::uint64_t use(const std::string& mailbox) {
    const auto before = store->show_mailbox(address(mailbox)).value();
    std::uint64_t least = 0;
    std::uint64_t most = 1 << 30;
    while (least < most) {
      const std::uint64_t middle = (least + most) / 2;
      set(mailbox, middle + 1);
      if (room(mailbox, 1) == Room::kYes) {
        most = middle;
      } else {
        least = middle + 1;
      }
    }
    set(mailbox, before.own_quota);
    return least;
  }
  // Memory, the index, and the messages themselves.
  void check_use(const std::string& mailbox) {
    std::uint64_t octets = 0;
    for (const Fetched& each : fetch_all(*store, mailbox)) octets += each.content.size();
    CHECK(store->show_mailbox(address(mailbox))->octets == octets);
    CHECK(use(mailbox) == octets);
  }
  std::string box(const std::string& user = "anna") const {
    return scratch.data() + "/mail/example.org/" + user + "/";
  }

  Scratch scratch;
  std::unique_ptr<Store> store;
};

ErrorKind refusal(const Result<Delivered>& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error().kind;
}

}  // namespace

TEST_CASE("a quota says what has room, at its very borders", "[storage][quota]") {
  Quotas quotas(0);
  CHECK(quotas.room(1, UINT64_MAX, UINT64_MAX) == Room::kYes);
  CHECK(quotas.full() == 0);
  quotas.set_default(100);
  CHECK(quotas.room(1, 100) == Room::kYes);
  CHECK(quotas.room(1, 101) == Room::kNever);
  CHECK(quotas.room(1, 100, 1) == Room::kNo);
  CHECK(quotas.room(1, 1, UINT64_MAX) == Room::kNo);
  quotas.set_use(1, 60);
  CHECK(quotas.room(1, 40) == Room::kYes);
  CHECK(quotas.room(1, 41) == Room::kNo);
  CHECK(quotas.room(1, 30, 10) == Room::kYes);
  CHECK(quotas.room(1, 30, 11) == Room::kNo);
  quotas.set_use(1, 100);
  CHECK(quotas.full() == 1);
  CHECK(quotas.room(1, 1) == Room::kNo);
  quotas.set_use(1, 500);  // beyond it
  CHECK(quotas.room(1, 1) == Room::kNo);
  CHECK(quotas.full() == 1);
  quotas.set_own(1, 501);
  CHECK(quotas.room(1, 1) == Room::kYes);
  CHECK(quotas.quota(1) == 501);
  CHECK(quotas.own(1) == 501);
  quotas.set_own(1, 0);
  CHECK(quotas.room(1, UINT64_MAX) == Room::kYes);
  CHECK(quotas.full() == 0);
  quotas.set_own(1, std::nullopt);
  CHECK(quotas.quota(1) == 100);
  CHECK(quotas.full() == 1);
  quotas.forget(1);
  CHECK(quotas.room(1, 100) == Room::kYes);
}

TEST_CASE("a message is taken up to the last octet of the quota, and not one more", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 1000);
  CHECK(refusal(deliver(*it.store, {kAnna}, content_of(1001))) == ErrorKind::kTooLarge);
  CHECK(it.room(kAnna, 1001) == Room::kNever);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(400)).has_value());
  CHECK(it.room(kAnna, 600) == Room::kYes);
  CHECK(it.room(kAnna, 601) == Room::kNo);
  const auto refused = deliver(*it.store, {kAnna}, content_of(601));
  CHECK(refusal(refused) == ErrorKind::kOverQuota);
  CHECK(refused.error().message.find(kAnna) != std::string::npos);
  CHECK(names_in(it.box() + "new").size() == 1);
  CHECK(names_in(it.box() + "tmp").empty());
  REQUIRE(deliver(*it.store, {kAnna}, content_of(600)).has_value());
  CHECK(it.room(kAnna) == Room::kNo);
  CHECK(it.store->full_mailboxes() == 1);
  CHECK(it.room(kBert, 1'000'000) == Room::kYes);
  it.check_use(kAnna);
}

TEST_CASE("a message of many pieces is measured whole", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 1000);
  auto delivery = message(*it.store, {kAnna}, content_of(600));
  delivery.spool = std::move(*it.store->new_spool());
  REQUIRE(delivery.spool->append("B: c\r\n" + std::string(500, 'y') + "\r\n").has_value());
  std::vector<Delivery> batch;
  batch.push_back(std::move(delivery));
  CHECK(refusal(it.store->deliver(batch)[0]) == ErrorKind::kTooLarge);
  CHECK(fetch_all(*it.store, kAnna).empty());
}

TEST_CASE("deliveries of one batch count each other", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 1000);
  std::vector<Delivery> batch;
  for (int i = 0; i < 5; ++i) batch.push_back(message(*it.store, {kAnna}, content_of(400)));
  batch.push_back(message(*it.store, {kBert}, content_of(400)));
  batch.push_back(message(*it.store, {kAnna}, content_of(200)));
  const auto results = it.store->deliver(batch);
  std::vector<bool> taken;
  for (const auto& result : results) taken.push_back(result.has_value());
  CHECK(taken == std::vector<bool>{true, true, false, false, false, true, true});
  CHECK(refusal(results[2]) == ErrorKind::kOverQuota);
  it.check_use(kAnna);
  CHECK(it.store->show_mailbox(address(kAnna))->octets == 1000);
}

TEST_CASE("a message to several mailboxes goes to all when one has room, and to none when none has",
          "[storage][quota]") {
  QuotaWorld it;
  REQUIRE(it.store->add_alias("all@example.org", {address(kAnna), address(kBert)}).has_value());
  it.set(kAnna, 500);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  CHECK(it.room("all@example.org") == Room::kYes);
  REQUIRE(deliver(*it.store, {kAnna, kBert}, content_of(400)).has_value());
  CHECK(it.store->show_mailbox(address(kAnna))->octets == 900);  // beyond it
  REQUIRE(deliver(*it.store, {"all@example.org"}, content_of(400)).has_value());
  it.check_use(kAnna);
  it.set(kBert, 700);
  CHECK(it.room("all@example.org") == Room::kNo);
  CHECK(it.room("all@example.org", 600) == Room::kNo);  // it may fit into one of them, some day
  CHECK(it.room("all@example.org", 701) == Room::kNever);
  CHECK(refusal(deliver(*it.store, {"all@example.org"}, content_of(400))) == ErrorKind::kOverQuota);
  CHECK(refusal(deliver(*it.store, {kAnna, kBert}, content_of(701))) == ErrorKind::kTooLarge);
  CHECK(fetch_all(*it.store, kBert).size() == 2);
  CHECK(it.store->full_mailboxes() == 2);
  it.check_use(kBert);
  CHECK(it.store->set_enabled(address(kBert), false).has_value());
  CHECK(it.room("all@example.org", 600) == Room::kNever);  // disabled mailboxes are out of it
}

TEST_CASE("others' room carries a mailbox beyond its quota only so far", "[storage][quota]") {
  QuotaWorld world;
  REQUIRE(world.store->add_alias("all@example.org", {address(kAnna), address(kBert)}));
  world.set(kAnna, 1000);
  world.set(kBert, 100'000);
  int taken = 0;
  while (taken < 100 && deliver(*world.store, {"all@example.org"}, content_of(400))) ++taken;
  CHECK(taken == 5);
  CHECK(world.room("all@example.org") == Room::kNo);
  CHECK(deliver(*world.store, {"all@example.org"}, content_of(400)).error().kind == ErrorKind::kOverQuota);
  // Bert has room still, and so has the alias when Anna's has some again.
  CHECK(deliver(*world.store, {kBert}, content_of(400)));
  delete_messages(*world.store, kAnna, {0, 1, 2});
  CHECK(deliver(*world.store, {"all@example.org"}, content_of(400)));
}

TEST_CASE("an alias that leads nowhere is not refused for want of room", "[storage][quota]") {
  QuotaWorld it;
  CHECK(it.room("nobody@example.org", 1'000'000) == Room::kYes);
}

TEST_CASE("what is deleted makes room, kept or not, and what comes back takes it", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 1000);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  const auto uidls = uidls_of(fetch_all(*it.store, kAnna));
  CHECK(it.room(kAnna) == Room::kNo);
  delete_messages(*it.store, kAnna, {0});
  CHECK(it.room(kAnna, 500) == Room::kYes);
  it.check_use(kAnna);
  {
    const auto maildrop = it.store->open_maildrop(id_of(*it.store, kAnna)).value();
    const std::vector<std::size_t> first{0};
    REQUIRE(it.store->commit_deletes(*maildrop, first, {Deleted::kKept, ""}).has_value());
    CHECK(it.room(kAnna, 1000) == Room::kYes);  // with the commit, before any file has moved
  }
  REQUIRE(it.store->purge_deleted(id_of(*it.store, kAnna), 100).value() == 0);
  it.check_use(kAnna);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(1000)).has_value());
  const std::vector<std::string> second{uidls[1]};
  REQUIRE(it.store->restore_messages(address(kAnna), second).has_value());
  CHECK(it.store->show_mailbox(address(kAnna))->octets == 1500);
  CHECK(it.room(kAnna) == Room::kNo);
  it.check_use(kAnna);
}

TEST_CASE("what expires makes room", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 500);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  for (int hours = 0; hours < 26; ++hours)
    REQUIRE(it.store->advance_retention(std::chrono::hours(1)).has_value());
  CHECK(it.room(kAnna) == Room::kNo);
  REQUIRE(it.store->expire_messages(id_of(*it.store, kAnna), std::chrono::hours(24), 10, {}).value() == 1);
  CHECK(it.room(kAnna, 500) == Room::kYes);
  it.check_use(kAnna);
}

TEST_CASE("files that come, go and change by hand are counted when they are found", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 300);
  write_file(it.box() + "new/one", content_of(600));
  write_file(it.box() + "cur/two:2,S", content_of(600));
  CHECK(it.room(kAnna) == Room::kYes);
  CHECK(fetch_all(*it.store, kAnna).size() == 2);  // never refused
  CHECK(it.room(kAnna) == Room::kNo);
  it.check_use(kAnna);
  const std::string name = names_in(it.box() + "new").at(0);
  fs::rename(it.box() + "new/" + name, it.scratch.path() + "/away");
  it.store.reset();
  it.store = open_store(it.scratch.data());
  it.check_use(kAnna);
  fs::rename(it.scratch.path() + "/away", it.box() + "new/" + name);
  it.store.reset();
  it.store = open_store(it.scratch.data());
  CHECK(fetch_all(*it.store, kAnna).size() == 2);
  it.check_use(kAnna);
}

TEST_CASE("quotas go up and down, and to the default and back", "[storage][quota]") {
  QuotaWorld it;
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  const auto shown = [&] { return it.store->show_mailbox(address(kAnna)).value(); };
  CHECK(shown().quota == 0);
  CHECK_FALSE(shown().own_quota.has_value());
  it.store->set_default_quota(400);
  CHECK(shown().quota == 400);
  CHECK(it.room(kAnna) == Room::kNo);
  CHECK(it.room(kBert, 401) == Room::kNever);
  CHECK(fetch_all(*it.store, kAnna).size() == 1);  // what is there stays
  it.set(kAnna, 600);
  it.set(kAnna, 600);
  CHECK(it.room(kAnna, 100) == Room::kYes);
  CHECK(it.room(kAnna, 101) == Room::kNo);
  it.set(kAnna, 0);
  CHECK(it.room(kAnna, 1'000'000) == Room::kYes);
  CHECK(shown().own_quota == 0);
  it.set(kAnna, std::nullopt);
  CHECK(it.room(kAnna) == Room::kNo);
  it.store->set_default_quota(0);
  CHECK(it.room(kAnna, 1'000'000) == Room::kYes);
  CHECK(it.store->set_quota(address("nobody@example.org"), 1).error().kind == ErrorKind::kNotFound);
  CHECK(it.store->set_quota(address(kAnna), kMostQuota + 1).error().kind == ErrorKind::kInvalid);
  it.set(kAnna, kMostQuota);
  CHECK(shown().quota == kMostQuota);
}

TEST_CASE("quotas are there after a restart, and gone with their mailbox", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 600);
  it.set(kBert, 0);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  it.store.reset();
  RecoveryReport report;
  it.store = Store::open({it.scratch.data(), "test.example", 50}, report).value();
  CHECK(it.room(kAnna, 100) == Room::kYes);
  CHECK(it.room(kAnna, 101) == Room::kNo);
  CHECK(it.room(kBert, 1'000'000) == Room::kYes);
  it.check_use(kAnna);
  REQUIRE(it.store->remove_mailbox(address(kAnna), KeepMail::kYes).has_value());
  REQUIRE(it.store->add_mailbox(address(kAnna), "$x$").has_value());
  CHECK(fetch_all(*it.store, kAnna).size() == 1);
  CHECK(it.store->show_mailbox(address(kAnna))->quota == 50);  // a mailbox made anew has the default
  CHECK(it.room(kAnna, 50) == Room::kNo);
  it.check_use(kAnna);
}

TEST_CASE("a lost index is counted anew, and a damaged one gives up its quotas", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 600);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  it.store.reset();
  const std::string database = it.scratch.data() + "/mailstead.db";
  SECTION("lost") {
    fs::remove(database);
    it.store = open_store(it.scratch.data());
    CHECK_FALSE(it.store->show_mailbox(address(kAnna))->own_quota.has_value());
  }
  SECTION("damaged") {
    run_sql(database, "PRAGMA foreign_keys=OFF; DROP TABLE removals;");
    it.store = open_store(it.scratch.data());
    CHECK(it.store->show_mailbox(address(kAnna))->own_quota == 600);
    CHECK(it.room(kAnna, 101) == Room::kNo);
  }
  SECTION("damaged, and of the schema without quotas") {
    run_sql(database, "PRAGMA foreign_keys=OFF; DROP TABLE removals; DROP TABLE quotas; " + kWithoutQueue +
                          "PRAGMA user_version=5;");
    it.store = open_store(it.scratch.data());
    CHECK(it.store->show_mailbox(address(kAnna))->has_password);
    CHECK_FALSE(it.store->show_mailbox(address(kAnna))->own_quota.has_value());
  }
  it.check_use(kAnna);
}

TEST_CASE("a store of the schema without quotas is brought to this one with its mail", "[storage][quota]") {
  QuotaWorld it;
  REQUIRE(deliver(*it.store, {kAnna}, content_of(500)).has_value());
  const auto before = uidls_of(fetch_all(*it.store, kAnna));
  it.store.reset();
  run_sql(it.scratch.data() + "/mailstead.db",
          "DROP TABLE quotas; " + kWithoutQueue + "PRAGMA user_version=5;");
  RecoveryReport report;
  it.store = open_store(it.scratch.data(), &report);
  CHECK(report.clean);
  CHECK(report.actions.size() == 1);  // that it is
  CHECK(uidls_of(fetch_all(*it.store, kAnna)) == before);
  CHECK(it.room(kAnna, 1'000'000) == Room::kYes);
  it.set(kAnna, 500);
  CHECK(it.room(kAnna) == Room::kNo);
  it.check_use(kAnna);
}

TEST_CASE("a delivery that fails takes no room", "[storage][quota]") {
  QuotaWorld it;
  it.set(kAnna, 1000);
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "write" ? ENOSPC : 0; });
  CHECK(refusal(deliver(*it.store, {kAnna}, content_of(800))) == ErrorKind::kNoSpace);
  set_disk_hook(nullptr);
  CHECK(it.room(kAnna, 1000) == Room::kYes);
  REQUIRE(deliver(*it.store, {kAnna}, content_of(1000)).has_value());
  it.check_use(kAnna);
}

TEST_CASE("a watched table tells of the rows that a commit changed, by whatever hand", "[storage][quota]") {
  auto database = Database::open_in_memory().value();
  REQUIRE(database
              ->run_script(
                  "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);"
                  "CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES a (id) ON DELETE CASCADE, n INTEGER);"
                  "CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO b VALUES (NEW.id, 1)"
                  " ON CONFLICT (id) DO UPDATE SET n = n + 1; END;"
                  "PRAGMA foreign_keys=ON;")
              .has_value());
  std::vector<std::int64_t> told;
  database->watch_rows("b", [&](std::int64_t row) { told.push_back(row); });
  {
    auto transaction = Transaction::begin(*database);
    REQUIRE(database->run("INSERT INTO a VALUES (7, 0)").has_value());
    CHECK(told.empty());
    REQUIRE(transaction->commit().has_value());
  }
  CHECK(std::exchange(told, {}) == std::vector<std::int64_t>{7});
  {
    auto transaction = Transaction::begin(*database);
    REQUIRE(database->run("UPDATE a SET n = 5").has_value());
    REQUIRE(transaction->commit().has_value());
  }
  CHECK(told.empty());
  {
    auto transaction = Transaction::begin(*database);
    REQUIRE(database->run("DELETE FROM a").has_value());
    REQUIRE(transaction->commit().has_value());
  }
  CHECK(told == std::vector<std::int64_t>{7});
}
