#include "storage/recovery/recovery.h"

#include <filesystem>
#include <string_view>

#include "storage/database/database.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

namespace {

struct RecoveryWorld {
  Scratch scratch;
  std::vector<Fetched> anna;

  // Three messages of Anna's and one of Bert's, closed properly.
  RecoveryWorld() {
    auto store = store_with(scratch.data(), {kAnna, kBert});
    REQUIRE(store->add_alias("info@example.org", {address(kBert), address(kAnna)}).has_value());
    for (int i = 0; i < 3; ++i) {
      REQUIRE(deliver(*store, {kAnna}, "N: " + std::to_string(i) + "\r\n\r\n").has_value());
    }
    REQUIRE(deliver(*store, {kBert}, "B: 1\r\n\r\n").has_value());
    anna = fetch_all(*store, kAnna);
  }
  std::string data() const { return scratch.data(); }
  std::string database() const { return data() + "/mailstead.db"; }
  std::string box() const { return data() + "/mail/example.org/anna/"; }

  void check_anna(Store& store) const {
    auto now = fetch_all(store, kAnna);
    REQUIRE(now.size() == anna.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      CHECK(now[i].uidl == anna[i].uidl);
      CHECK(now[i].content == anna[i].content);
    }
  }
};

}  // namespace

TEST_CASE("a new folder is created, a closed one is clean, an abandoned one is not", "[storage]") {
  Scratch scratch;
  RecoveryReport report;
  auto store = open_store(scratch.data(), &report);
  CHECK(report.created);
  CHECK(report.clean);
  CHECK(report.actions.empty());
  copy_folder(scratch.data(), scratch.path() + "/abandoned");
  REQUIRE(store->close().has_value());
  CHECK_FALSE(store->list_mailboxes().has_value());
  store.reset();
  RecoveryReport second;
  open_store(scratch.data(), &second).reset();
  CHECK_FALSE(second.created);
  CHECK(second.clean);
  RecoveryReport abandoned;
  open_store(scratch.path() + "/abandoned", &abandoned).reset();
  CHECK_FALSE(abandoned.clean);
}

TEST_CASE("drafts of ours go, those of others stay", "[storage]") {
  RecoveryWorld world;
  write_file(world.box() + "tmp/1700000000.0123456789abcde.host", "half");
  write_file(world.box() + "tmp/1700000000.M1P2.host", "another tool's");
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "removed 1 unfinished draft in anna@example.org"));
  CHECK(names_in(world.box() + "tmp") == std::vector<std::string>{"1700000000.M1P2.host"});
  world.check_anna(*store);
}

TEST_CASE("a file that was linked without its row is taken in once", "[storage]") {
  RecoveryWorld world;
  write_file(world.box() + "new/1700000000.0123456789abcde.host", "A: 1\r\n\r\n");
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "took 1 message in anna@example.org into the index again"));
  CHECK(fetch_all(*store, kAnna).size() == 4);
}

TEST_CASE("a delete that was promised is finished", "[storage]") {
  RecoveryWorld world;
  run_sql(world.database(), "UPDATE messages SET state = 1 WHERE uidl = '" + world.anna[1].uidl + "'");
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "finished 1 interrupted delete in anna@example.org"));
  world.anna.erase(world.anna.begin() + 1);
  world.check_anna(*store);
  CHECK(names_in(world.box() + "new").size() == 2);
}

TEST_CASE("a promised delete waits while the mail's disk is not there", "[storage]") {
  Scratch scratch;
  {
    auto store = store_with(scratch.data(), {kAnna});
    for (const char* content : {"A: 1\r\n\r\n", "A: 2\r\n\r\n"})
      REQUIRE(deliver(*store, {kAnna}, content).has_value());
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    const std::vector<std::size_t> first{0};
    REQUIRE(store->commit_deletes(**maildrop, first).has_value());
    copy_folder(scratch.data(), scratch.path() + "/power-cut");
  }
  const std::string data = scratch.path() + "/power-cut";
  std::filesystem::rename(data + "/mail", data + "/elsewhere");
  open_store(data)->close().value();
  std::filesystem::remove_all(data + "/mail");
  std::filesystem::rename(data + "/elsewhere", data + "/mail");
  auto store = open_store(data);
  const auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == 1);
  CHECK(all[0].content == kept(kAnna, "A: 2\r\n\r\n"));
}

TEST_CASE("a row whose file is gone waits, and comes back with it", "[storage]") {
  RecoveryWorld world;
  const std::string name = names_in(world.box() + "new")[0];
  fs::rename(world.box() + "new/" + name, world.scratch.path() + "/away");
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "1 message in anna@example.org has no file"));
  CHECK(fetch_all(*store, kAnna).size() == 2);
  store.reset();
  RecoveryReport second;
  store = open_store(world.data(), &second);
  CHECK(second.actions.empty());
  fs::rename(world.scratch.path() + "/away", world.box() + "cur/" + name + ":2,S");
  world.check_anna(*store);
}

TEST_CASE("a lost database is made again from the folders, without passwords", "[storage]") {
  RecoveryWorld world;
  fs::remove(world.database());
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK_FALSE(report.created);
  CHECK_FALSE(report.clean);
  CHECK(mentions(report, "the database was not there"));
  CHECK(mentions(report, "made the mailbox anna@example.org again"));
  world.check_anna(*store);
  CHECK_FALSE(store->show_mailbox(address(kAnna))->has_password);
  CHECK(store->credentials(address(kAnna))->password_hash.empty());
  REQUIRE(store->set_password(address(kAnna), "$y$").has_value());
  CHECK(store->credentials(address(kAnna))->password_hash == "$y$");
}

TEST_CASE("a damaged database is kept aside, its accounts are saved, the index is rebuilt", "[storage]") {
  RecoveryWorld world;
  const auto size = fs::file_size(world.database());
  bool accounts_saved = true;
  SECTION("cut short") {
    fs::resize_file(world.database(), size - 4096);
  }
  SECTION("pages of messages overwritten") {
    write_file(world.database(), with_damaged_messages(read_file(world.database())));
  }
  SECTION("a table dropped") {
    const char* table = GENERATE("messages", "meta", "removals");
    run_sql(world.database(), "PRAGMA foreign_keys=OFF; DROP TABLE " + std::string(table));
  }
  SECTION("a column renamed") {
    run_sql(world.database(), "ALTER TABLE messages RENAME COLUMN size TO weight");
  }
  SECTION("its version lost") {
    run_sql(world.database(), "PRAGMA user_version=0");
  }
  SECTION("no database at all") {
    write_file(world.database(), std::string(20000, 'x'));
    accounts_saved = false;
  }
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "the database was damaged"));
  world.check_anna(*store);
  const auto names = names_in(world.data());
  CHECK(std::count_if(names.begin(), names.end(), [](const std::string& name) {
          return name.starts_with("mailstead.db.damaged-");
        }) >= 1);
  CHECK(std::find(names.begin(), names.end(), "mailstead.db.rebuild") == names.end());
  CHECK(store->show_mailbox(address(kAnna))->has_password == accounts_saved);
  CHECK(store->directory()->resolve(address("info@example.org")).size() == (accounts_saved ? 2 : 0));
  store.reset();
  RecoveryReport second;
  store = open_store(world.data(), &second);
  CHECK(second.clean);
  CHECK(second.actions.empty());
}

TEST_CASE("of each kind it is told whether a damaged database could be read to its end", "[storage]") {
  RecoveryWorld world;
  const std::string all = "to the end of its mailboxes, quotas, aliases, app passwords, notes of imports";
  std::string told;
  std::string cut_off;
  SECTION("what is damaged is of the mail") {
    run_sql(world.database(), "DROP TABLE messages");
    told = "could be read " + all;
  }
  SECTION("aliases") {
    std::string database = read_file(world.database());
    for (std::size_t page = 4096; page < database.size(); page += 4096) {
      // A row of them: its name is followed by where it leads.
      if (database.substr(page, 4096).find("info@example.orgbert@example.org") != std::string::npos)
        database.replace(page, 512, std::string(512, 'x'));
    }
    write_file(world.database(), database);
    told = "could be read to the end of its mailboxes, quotas, app passwords, notes of imports";
    cut_off = "could not be read to the end of its aliases: there may have been more";
  }
  SECTION("a table is gone") {
    run_sql(world.database(), "DROP TABLE quotas");
    cut_off = "could not be read to the end of its quotas:";
  }
  SECTION("nothing is left of it") {
    write_file(world.database(), std::string(20000, 'x'));
    cut_off = "could not be read " + all;
  }
  RecoveryReport report;
  open_store(world.data(), &report);
  CHECK(mentions(report, "the database was damaged"));
  std::string all_told;
  for (const std::string& action : report.actions) all_told += action + '\n';
  INFO(all_told);
  if (!told.empty()) CHECK(mentions(report, told));
  CHECK(mentions(report, "could not be read to the end of its") == !cut_off.empty());
  if (!cut_off.empty()) CHECK(mentions(report, cut_off));
}

namespace {

// Overwrites the one page of this kind that holds these words.
void damage_page(const std::string& path, const std::string& words, char kind) {
  std::string database = read_file(path);
  std::size_t damaged = 0;
  for (std::size_t page = 4096; page < database.size(); page += 4096) {
    if (database[page] != kind || database.substr(page, 4096).find(words) == std::string::npos) continue;
    database.replace(page, 512, std::string(512, 'x'));
    ++damaged;
  }
  CAPTURE(words);
  REQUIRE(damaged == 1);
  write_file(path, database);
}

std::int64_t count_of(const std::string& path, std::string_view sql) {
  auto database = Database::open(path, DatabaseAccess::kRead).value();
  std::int64_t count = 0;
  REQUIRE(each_row(database->query(sql), [&](const Statement& row) { count = row.integer(0); }).has_value());
  return count;
}

}  // namespace

TEST_CASE("a damaged page in the midst costs the rows in it, and not those behind", "[storage]") {
  RecoveryWorld world;
  constexpr int kRows = 400;
  const std::string numbers =
      "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1399) ";
  run_sql(world.database(), "INSERT INTO mailboxes (local, domain, key, created_at) " + numbers +
                                "SELECT 'box' || i, 'example.org', 'box' || i || '@example.org', 1 FROM n;"
                                "INSERT INTO quotas " +
                                numbers + "SELECT id, 123456 FROM n JOIN mailboxes ON local = 'box' || i;" +
                                "INSERT INTO aliases (key, position, name, target) " + numbers +
                                "SELECT 'alias' || i || '@example.org', 0, 'alias' || i || '@example.org', "
                                "'anna@example.org' FROM n;" +
                                "INSERT INTO imported (mailbox, source, item, uidl) " + numbers +
                                "SELECT 1, 'pop3 anna@old.example', 'item' || i, 'uidl' || i FROM n;" +
                                "PRAGMA wal_checkpoint(TRUNCATE)");
  constexpr char kLeaf = 0x0d;
  constexpr char kLeafWithoutRowid = 0x0a;
  damage_page(world.database(), "box1200example.org", kLeaf);
  damage_page(world.database(), "alias1200@example.organna", kLeafWithoutRowid);
  damage_page(world.database(), "item1200uidl1200", kLeafWithoutRowid);
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "could not be read to the end of its mailboxes, aliases, notes of imports"));
  // A page has 4,096 octets.
  const auto directory = store->directory();
  CHECK(directory->mailboxes().size() > kRows - 150);
  CHECK(directory->mailboxes().size() < kRows + 2);
  CHECK(directory->find(address("box1399@example.org")) != nullptr);
  CHECK(directory->find(address("box1200@example.org")) == nullptr);
  CHECK(directory->aliases().size() > kRows - 150);
  CHECK_FALSE(directory->resolve(address("alias1399@example.org")).empty());
  CHECK(store->show_mailbox(address("box1399@example.org"))->quota == 123456);
  world.check_anna(*store);
  store.reset();
  CHECK(count_of(world.database(), "SELECT COUNT(*) FROM imported") > kRows - 250);
  CHECK(count_of(world.database(), "SELECT COUNT(*) FROM imported WHERE item = 'item1399'") == 1);
  CHECK(count_of(world.database(), "SELECT COUNT(*) FROM imported WHERE item = 'item1000'") == 1);
}

TEST_CASE("a mailbox whose folder a crash kept from being made has it after the next start", "[storage]") {
  RecoveryWorld world;
  { open_store(world.data())->add_mailbox(address("carl@example.org"), "$x$").value(); }
  const std::string box = world.data() + "/mail/example.org/carl";
  const std::string left = GENERATE("nothing", "a part", "an unfinished address");
  CAPTURE(left);
  fs::remove_all(left == "nothing" ? box : box + "/new");
  if (left == "an unfinished address") fs::rename(box + "/address", box + "/address.new");
  auto store = open_store(world.data());
  CHECK(store->show_mailbox(address("carl@example.org"))->has_password);
  REQUIRE(deliver(*store, {"carl@example.org"}, "A: 1\r\n\r\n").has_value());
  CHECK(fetch_all(*store, "carl@example.org").size() == 1);
  CHECK(read_file(box + "/address") == "carl@example.org\n");
  CHECK_FALSE(fs::exists(box + "/address.new"));
  CHECK(store->directory()->mailboxes().size() == 3);
}

TEST_CASE("what a crash left of a small file is in nobody's way", "[storage]") {
  RecoveryWorld world;
  auto store = open_store(world.data());
  REQUIRE(store->dkim_keys("example.org").has_value());
  const std::string state = world.data() + "/dkim/example.org/state";
  const std::string before = read_file(state);
  store.reset();
  write_file(state + ".new", "act");
  store = open_store(world.data());
  REQUIRE(store->dkim_keys("example.org").has_value());
  CHECK(read_file(state) == before);
  REQUIRE(store->prepare_dkim_keys("example.org").has_value());
  CHECK(read_file(state) != before);
  CHECK_FALSE(fs::exists(state + ".new"));
}

TEST_CASE("a start that was cut off while it replaced a damaged database says so, and loses no account",
          "[storage]") {
  RecoveryWorld world;
  write_file(world.database(), with_damaged_messages(read_file(world.database())));
  // As it is when the damaged one has its new name, and the new one is not there yet.
  const std::string aside = "mailstead.db.damaged-1700000000";
  fs::rename(world.database(), world.data() + "/" + aside);
  write_file(world.database() + ".rebuild", aside + "\n");
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "went on with a new database"));
  CHECK_FALSE(mentions(report, "passwords have to be set"));
  CHECK_FALSE(report.created);
  CHECK_FALSE(report.clean);
  world.check_anna(*store);
  CHECK(store->show_mailbox(address(kAnna))->has_password);
  CHECK(store->directory()->resolve(address("info@example.org")).size() == 2);
}

TEST_CASE("an emptied database beside a full WAL is damage, not a new start", "[storage]") {
  RecoveryWorld world;
  auto store = open_store(world.data());
  REQUIRE(store->set_password(address(kAnna), "$in-wal$").has_value());
  const std::string copy = world.scratch.path() + "/copy";
  copy_folder(world.data(), copy);
  REQUIRE(fs::file_size(copy + "/mailstead.db-wal") > 0);
  fs::resize_file(copy + "/mailstead.db", 0);
  RecoveryReport report;
  auto other = open_store(copy, &report);
  CHECK(mentions(report, "the database was damaged"));
  const auto names = names_in(copy);
  CHECK(std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("mailstead.db.damaged-") && name.ends_with("-wal");
  }));
  world.check_anna(*other);
}

TEST_CASE("an older database is brought up to the files of today", "[storage]") {
  RecoveryWorld world;
  const std::string old = read_file(world.database());
  {
    auto store = open_store(world.data());
    REQUIRE(deliver(*store, {kAnna}, "N: 3\r\n\r\n").has_value());
    delete_messages(*store, kAnna, {0});
    REQUIRE(store->add_mailbox(address("carl@example.org"), "$x$").has_value());
    REQUIRE(deliver(*store, {"carl@example.org"}, "C: 1\r\n\r\n").has_value());
    world.anna = fetch_all(*store, kAnna);
  }
  write_file(world.database(), old);
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  world.check_anna(*store);
  CHECK(mentions(report, "made the mailbox carl@example.org again"));
  CHECK(fetch_all(*store, "carl@example.org").size() == 1);
}

TEST_CASE("an address that does not fit into a folder's name is found again by its file", "[storage]") {
  Scratch scratch;
  const std::string domain = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') +
                             "." + std::string(60, 'd') + ".example";
  const std::string mailbox = "!@" + domain;
  auto store = store_with(scratch.data(), {mailbox, "\"../../x\"@example.org", "Big.Case@Example.ORG"});
  REQUIRE(deliver(*store, {mailbox}, "A: 1\r\n\r\n").has_value());
  const std::string text = store->list_mailboxes().value()[0].address.text();
  store.reset();
  fs::remove(scratch.data() + "/mailstead.db");
  store = open_store(scratch.data());
  CHECK(fetch_all(*store, mailbox).size() == 1);
  CHECK(store->directory()->mailboxes().size() == 3);
  CHECK(store->show_mailbox(address(mailbox))->address.text() == text);
  CHECK(store->show_mailbox(address("big.case@example.org"))->address.local_part == "Big.Case");
  CHECK(store->directory()->find(address("\"../../x\"@example.org")) != nullptr);
  CHECK(names_in(scratch.path()) == std::vector<std::string>{"data"});
}

TEST_CASE("a folder whose address cannot be told is named and left alone", "[storage]") {
  RecoveryWorld world;
  fs::create_directories(world.data() + "/mail/example.org/cut%~00/new");
  write_file(world.data() + "/mail/stray-file", "x");
  RecoveryReport report;
  auto store = open_store(world.data(), &report);
  CHECK(mentions(report, "left mail/example.org/cut%~00 alone"));
  CHECK(store->directory()->mailboxes().size() == 2);
}

TEST_CASE("a start counts wrong sums anew", "[storage]") {
  const char* damage = GENERATE(
      as<const char*>{}, "UPDATE totals SET messages = messages + 3, kept_octets = 5", "DELETE FROM totals",
      "UPDATE totals SET messages = -1", "UPDATE totals SET messages = 1 << 50");
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  for (int i = 0; i < 3; ++i) REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const auto before = store->show_mailbox(address(kAnna)).value();
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", damage);
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "counted the messages of anna@example.org anew"));
  const auto after = store->show_mailbox(address(kAnna)).value();
  CHECK(after.messages == 3);
  CHECK(after.octets == before.octets);
  CHECK(after.deleted_octets == 0);
  store.reset();
  RecoveryReport second;
  store = open_store(scratch.data(), &second);
  CHECK_FALSE(mentions(second, "anew"));
}
