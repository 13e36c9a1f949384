// Mail that is in the journal, before it is in the index.
#include "storage/delivery/arrivals.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "crash.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

std::string arriving(int number) {
  return "Subject: " + std::to_string(number) + "\r\nMessage-ID: <" + std::to_string(number) +
         "@x.example>\r\n\r\n.body " + std::to_string(number) + "\r\n";
}

std::vector<std::string> mail_of(Store& store, const std::string& mailbox = kAnna) {
  std::vector<std::string> bodies;
  for (const Fetched& message : fetch_all(store, mailbox)) bodies.push_back(message.content);
  return bodies;
}

std::vector<std::string> these(std::initializer_list<int> numbers, const std::string& mailbox = kAnna) {
  std::vector<std::string> bodies;
  for (const int number : numbers) bodies.push_back(kept(mailbox, arriving(number)));
  return bodies;
}

void bring(Store& store, std::initializer_list<int> numbers) {
  for (const int i : numbers) REQUIRE(deliver_unfiled(store, {kAnna}, arriving(i)).has_value());
}

bool tells(const RecoveryReport& report, const std::string& part) {
  return std::ranges::any_of(
      report.actions, [&](const std::string& action) { return action.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("a record of the journal says all that the rows of a message say", "[storage][arrivals]") {
  MessageRow row{0,
                 7,
                 "uidl",
                 "new/1.uidl.host",
                 5,
                 true,
                 1'700'000'000,
                 "queue",
                 MessageState::kPresent,
                 "id",
                 {HeaderText::kUtf8, -3},
                 {1, 2}};
  std::vector<Arrival> copies;
  copies.push_back({row, "anna@example.org", "ab", "cde"});
  row.mailbox = 8;
  row.size = 0;
  copies.push_back({row, "bert@example.org", "", ""});
  const std::string record = arrivals_record(copies);
  const auto read = read_arrivals(record);
  REQUIRE(read.has_value());
  REQUIRE(read->size() == 2);
  const Arrival& first = read->front().arrival;
  CHECK(record.substr(read->front().at, first.row.size) == "abcde");
  CHECK(first.address == "anna@example.org");
  CHECK(first.row.mailbox == 7);
  CHECK(first.row.uidl == "uidl");
  CHECK(first.row.name == "new/1.uidl.host");
  CHECK(first.row.has_dot_lines);
  CHECK(first.row.received_at == 1'700'000'000);
  CHECK(first.row.queue_id == "queue");
  CHECK(first.row.message_id == "id");
  CHECK(first.row.header == HeaderFacts{HeaderText::kUtf8, -3});
  CHECK(first.row.hash == ContentHash{1, 2});
  CHECK(read->back().arrival.row.mailbox == 8);
  for (std::size_t octets = 0; octets < record.size(); ++octets)
    CHECK_FALSE(read_arrivals(std::string_view(record).substr(0, octets)).has_value());
}

TEST_CASE("mail that has just come is there for whoever asks", "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  bring(*store, {1, 2});
  CHECK(store->unindexed() == 2);
  CHECK(store->unfiled() == 2);
  CHECK(store->show_mailbox(address(kAnna))->messages == 2);
  CHECK(store->unindexed() == 0);
  CHECK(store->unfiled() == 2);
  bring(*store, {3});
  CHECK(mail_of(*store) == these({1, 2, 3}));
  REQUIRE(deliver_unfiled(*store, {kAnna, kBert}, arriving(4)).has_value());
  CHECK(store->unindexed() == 2);
  CHECK(mail_of(*store, kBert) == these({4}, kBert));
  CHECK(mail_of(*store) == these({1, 2, 3, 4}));
  bring(*store, {5});
  CHECK(store->show_message(address(kAnna), uidls_of(fetch_all(*store, kAnna)).back()).has_value());
  bring(*store, {6});
  REQUIRE(store->index_mail().has_value());
  CHECK(store->unindexed() == 0);
}

TEST_CASE("mail that has just come counts for its mailbox's quota", "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->set_quota(address(kAnna), 3 * kept(kAnna, arriving(1)).size()).has_value());
  bring(*store, {1, 2, 3});
  CHECK(store->unindexed() == 3);
  CHECK(store->room_for(address(kAnna), 1) == Room::kNo);
  CHECK(deliver_unfiled(*store, {kAnna}, arriving(4)).error().kind == ErrorKind::kOverQuota);
  CHECK(mail_of(*store) == these({1, 2, 3}));
}

TEST_CASE("mail gets into the index a part at a time, and whole for who asks", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  auto store = store_with(scratch.data(), {kAnna});
  bring(*store, {1, 2, 3});
  CHECK(store->index_mail(2).value());
  CHECK(store->unindexed() == 3);
  bring(*store, {4});
  CHECK(store->unindexed() == 4);
  copy_folder(scratch.data(), crashed.data());
  SECTION("to its end") {
    CHECK_FALSE(store->index_mail(2).value());
    CHECK(store->unindexed() == 1);
    CHECK_FALSE(store->index_mail(2).value());
    CHECK(store->unindexed() == 0);
  }
  SECTION("somebody asks") {
    CHECK(store->show_mailbox(address(kAnna))->messages == 4);
    CHECK(store->unindexed() == 0);
  }
  SECTION("somebody has files written") {
    REQUIRE(file_mail(*store).has_value());
  }
  SECTION("it fails") {
    set_disk_hook([](const char* operation) { return std::string_view(operation) == "commit" ? EIO : 0; });
    CHECK_FALSE(store->index_mail(2).has_value());
    set_disk_hook(nullptr);
    CHECK(store->unindexed() == 4);
  }
  SECTION("the store ends") {
    store.reset();
    store = open_store(scratch.data());
  }
  SECTION("it crashes") {
    store = open_store(crashed.data());
  }
  CHECK(mail_of(*store) == these({1, 2, 3, 4}));
  CHECK(store->unindexed() == 0);
}

TEST_CASE("mail that comes while rows are written counts for its mailbox's quota", "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->set_quota(address(kAnna), 3 * kept(kAnna, arriving(1)).size()).has_value());
  bring(*store, {1, 2});
  CHECK(store->index_mail(1).value());
  bring(*store, {3});
  CHECK_FALSE(store->index_mail(1).value());
  CHECK(store->unindexed() == 1);
  CHECK(store->room_for(address(kAnna), 1) == Room::kNo);
  CHECK(store->index_mail().has_value());
  CHECK(store->room_for(address(kAnna), 1) == Room::kNo);
  delete_messages(*store, kAnna, {0});
  CHECK(store->room_for(address(kAnna), 1) == Room::kYes);
}

TEST_CASE("a start takes in what had come just before a crash", "[storage][arrivals]") {
  const bool some_indexed = GENERATE(false, true);
  Scratch scratch;
  Scratch crashed;
  std::vector<std::string> uidls;
  {
    auto store = store_with(scratch.data(), {kAnna, kBert});
    if (some_indexed) {
      bring(*store, {1, 2});
      REQUIRE(store->index_mail().has_value());
      bring(*store, {3});
    } else {
      bring(*store, {1, 2, 3});
    }
    REQUIRE(deliver_unfiled(*store, {kBert, kAnna}, arriving(4)).has_value());
    copy_folder(scratch.data(), crashed.data());
    uidls = uidls_of(fetch_all(*store, kAnna));
  }
  RecoveryReport report;
  auto store = open_store(crashed.data(), &report);
  CHECK(tells(report, some_indexed ? "took 3 messages into the index" : "took 5 messages into the index"));
  CHECK(mail_of(*store) == these({1, 2, 3, 4}));
  CHECK(mail_of(*store, kBert) == these({4}, kBert));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  CHECK(store->show_mailbox(address(kAnna))->messages == 4);
  store.reset();
  RecoveryReport second;
  store = open_store(crashed.data(), &second);
  CHECK(second.actions.empty());
  CHECK(mail_of(*store) == these({1, 2, 3, 4}));
}

TEST_CASE("a start goes on behind what is damaged in the journal, and tells of it", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    bring(*store, {1, 2, 3});
    copy_folder(scratch.data(), crashed.data());
  }
  const std::string journal = crashed.data() + "/journal/1";
  std::string octets = read_file(journal);
  octets[octets.find(".body 2")] ^= 1;
  write_file(journal, octets);
  RecoveryReport report;
  auto store = open_store(crashed.data(), &report);
  CHECK(tells(report, "of journal/1 hold no message"));
  CHECK(mail_of(*store) == these({1, 3}));
  store.reset();
  const auto left = names_in(crashed.data() + "/journal");
  REQUIRE(left.size() == 1);
  CHECK(left.front().starts_with("1.damaged-"));
  CHECK(read_file(crashed.data() + "/journal/" + left.front()) == octets);
}

TEST_CASE("a start brings nothing back that was deleted", "[storage][arrivals]") {
  const Deleted terms = GENERATE(Deleted::kFreed, Deleted::kKept);
  const bool purged = GENERATE(false, true);
  const bool more = GENERATE(false, true);
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    bring(*store, {1, 2});
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    REQUIRE(store->commit_deletes(**maildrop, std::vector<std::size_t>{0}, {terms, ""}).has_value());
    maildrop->reset();
    if (purged) REQUIRE(store->purge_deleted(id_of(*store, kAnna), SIZE_MAX).has_value());
    if (more) bring(*store, {3});
    copy_folder(scratch.data(), crashed.data());
  }
  auto store = open_store(crashed.data());
  CHECK(mail_of(*store) == (more ? these({2, 3}) : these({2})));
  CHECK(store->list_messages(address(kAnna), MessageListing::kDeleted)->size() ==
        (terms == Deleted::kKept ? 1 : 0));
}

TEST_CASE("mail in the journal goes with its mailbox", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  bring(*store, {1});
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  REQUIRE(store->add_mailbox(address(kAnna), "").has_value());
  CHECK(mail_of(*store).empty());
  bring(*store, {2});
  copy_folder(scratch.data(), crashed.data());
  run_sql(crashed.data() + "/mailstead.db", "DELETE FROM mailboxes WHERE local = 'anna';");
  std::filesystem::remove_all(crashed.data() + "/mail/example.org/anna");
  store = open_store(crashed.data());
  CHECK(store->list_mailboxes()->size() == 1);
}

TEST_CASE("without its index the store finds in the journal what has no file", "[storage][arrivals]") {
  const bool indexed = GENERATE(false, true);
  Scratch scratch;
  Scratch crashed;
  std::vector<std::string> uidls;
  {
    auto store = store_with(scratch.data(), {kAnna});
    REQUIRE(deliver(*store, {kAnna}, arriving(1)).has_value());
    bring(*store, {2, 3});
    if (indexed) REQUIRE(store->index_mail().has_value());
    copy_folder(scratch.data(), crashed.data());
    uidls = uidls_of(fetch_all(*store, kAnna));
  }
  for (const auto* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(crashed.data() + "/mailstead.db" + suffix);
  auto store = open_store(crashed.data());
  CHECK(mail_of(*store) == these({1, 2, 3}));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  REQUIRE(file_mail(*store).has_value());
  store.reset();
  RecoveryReport report;
  store = open_store(crashed.data(), &report);
  CHECK(report.actions.empty());
  CHECK(mail_of(*store) == these({1, 2, 3}));
}

TEST_CASE("without its index the store does not take a file that was cut for the mail",
          "[storage][arrivals]") {
  const bool is_empty = GENERATE(false, true);
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    bring(*store, {1, 2});
    auto filing = store->begin_filing(std::chrono::milliseconds(0), SIZE_MAX);
    copy_folder(scratch.data(), crashed.data());
  }
  const std::string folder = crashed.data() + "/mail/example.org/anna/new/";
  for (const std::string& name : names_in(folder)) {
    const std::string whole = read_file(folder + name);
    write_file(folder + name, is_empty ? "" : std::string(whole.size(), '\0'));
  }
  for (const auto* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(crashed.data() + "/mailstead.db" + suffix);
  auto store = open_store(crashed.data());
  CHECK(mail_of(*store).size() == 2);
  REQUIRE(file_mail(*store).has_value());
  CHECK(mail_of(*store) == these({1, 2}));
  store.reset();
  store = open_store(crashed.data());
  CHECK(mail_of(*store) == these({1, 2}));
}

TEST_CASE("a damaged index costs nothing of what had come just before", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    bring(*store, {1, 2});
    REQUIRE(store->index_mail().has_value());
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    REQUIRE(store->commit_deletes(**maildrop, std::vector<std::size_t>{0}, {}).has_value());
    maildrop->reset();
    REQUIRE(store->purge_deleted(id_of(*store, kAnna), SIZE_MAX).has_value());
    bring(*store, {3});
    copy_folder(scratch.data(), crashed.data());
  }
  run_sql(crashed.data() + "/mailstead.db", "DROP TABLE removals");  // a schema that is not ours
  auto store = open_store(crashed.data());
  CHECK(mail_of(*store) == these({2, 3}));
}

TEST_CASE("a delivery that fails at any operation promises nothing, and one that does not is there",
          "[storage][arrivals]") {
  const int error_number = GENERATE(EIO, ENOSPC);
  at_each_fault([&](int n) {
    bool happened = false;
    Scratch scratch;
    auto store = store_with(scratch.data(), {kAnna});
    bool promised = false;
    {
      DiskFault fault(n, error_number);
      promised = deliver_unfiled(*store, {kAnna}, arriving(1)).has_value();
      static_cast<void>(store->index_mail());
      happened = fault.happened();
    }
    CHECK(mail_of(*store) == (promised ? these({1}) : these({})));
    bring(*store, {2});
    store.reset();
    store = open_store(scratch.data());
    CHECK(mail_of(*store) == (promised ? these({1, 2}) : these({2})));
    return happened;
  });
}

TEST_CASE("who asks while the index cannot be written is refused, and nothing is lost",
          "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  bring(*store, {1});
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "commit" ? ENOSPC : 0; });
  const auto refused = store->show_mailbox(address(kAnna));
  const auto delivered = deliver_unfiled(*store, {kAnna}, arriving(2));
  set_disk_hook(nullptr);
  CHECK(refused.error().kind == ErrorKind::kNoSpace);
  CHECK(delivered.error().kind == ErrorKind::kNoSpace);  // it would be one more that nobody can read
  CHECK(mail_of(*store) == these({1}));
  bring(*store, {2});
  CHECK(mail_of(*store) == these({1, 2}));
}

TEST_CASE("mail that the index refuses for another reason than that it has it stays in the journal",
          "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  bring(*store, {1});
  run_sql(scratch.data() + "/mailstead.db",
          "CREATE TRIGGER refuse BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'not this one'); END");
  const auto refused = store->index_mail();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("not this one") != std::string::npos);
  CHECK(store->unindexed() == 1);
  SECTION("until the reason is gone") {
    run_sql(scratch.data() + "/mailstead.db", "DROP TRIGGER refuse");
    CHECK(mail_of(*store) == these({1}));
  }
  SECTION("and a start, which has it from there, makes another database") {
    store.reset();
    store = open_store(scratch.data());
    CHECK(mail_of(*store) == these({1}));
  }
}

TEST_CASE("the journal does not grow with mail that has its files", "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string content = "A: b\r\n\r\n" + std::string(100'000, 'x') + "\r\n";
  for (int round = 0; round < 10; ++round) {
    std::vector<Delivery> batch;
    for (int i = 0; i < 100; ++i) batch.push_back(message(*store, {kAnna}, content));
    for (const auto& delivered : store->deliver(batch)) REQUIRE(delivered.has_value());
    REQUIRE(file_mail(*store).has_value());
  }
  const auto files = names_in(scratch.data() + "/journal");
  REQUIRE(files.size() == 1);
  CHECK(std::filesystem::file_size(scratch.data() + "/journal/" + files.front()) < 12u << 20);
}

TEST_CASE("a file whose mail the journal no longer holds as it came is not written over",
          "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  std::string name;
  {
    auto store = store_with(scratch.data(), {kAnna});
    bring(*store, {1});
    REQUIRE(store->index_mail().has_value());
    auto filing = store->begin_filing(std::chrono::milliseconds(0), SIZE_MAX);
    (*filing)->sync();
    copy_folder(scratch.data(), crashed.data());
    name = names_in(crashed.data() + "/mail/example.org/anna/new").at(0);
  }
  const std::string journal = crashed.data() + "/journal/1";
  write_file(journal, std::string(std::filesystem::file_size(journal), 'x'));
  auto store = open_store(crashed.data());
  CHECK(read_file(crashed.data() + "/mail/example.org/anna/new/" + name) == kept(kAnna, arriving(1)));
  REQUIRE(file_mail(*store).has_value());
  CHECK(store->unfiled() == 0);
  CHECK(mail_of(*store) == these({1}));
}

TEST_CASE("mail that is lost with the journal is in nobody's list from the start on", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    REQUIRE(deliver(*store, {kAnna}, arriving(1)).has_value());
    bring(*store, {2, 3});
    REQUIRE(store->index_mail().has_value());
    copy_folder(scratch.data(), crashed.data());
  }
  std::filesystem::remove(crashed.data() + "/journal/1");
  RecoveryReport report;
  auto store = open_store(crashed.data(), &report);
  CHECK(tells(report, "journal/1 is not there"));
  CHECK(tells(report, "no file"));
  CHECK(store->show_mailbox(address(kAnna))->messages == 1);
  CHECK(store->unfiled() == 0);
  CHECK(mail_of(*store) == these({1}));
}

TEST_CASE("nobody gets another's mail when a file of the journal is gone", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna, kBert});
    bring(*store, {1});
    REQUIRE(store->index_mail().has_value());
    copy_folder(scratch.data(), crashed.data());
  }
  std::filesystem::remove(crashed.data() + "/journal/1");
  auto store = open_store(crashed.data());
  REQUIRE(deliver_unfiled(*store, {kBert}, arriving(1)).has_value());
  REQUIRE(deliver_unfiled(*store, {kBert}, arriving(2)).has_value());
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    CHECK_FALSE(store->open_message(**maildrop, 0).has_value());
  }
  static_cast<void>(file_mail(*store));
  REQUIRE(file_mail(*store).has_value());
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    CHECK_FALSE(store->open_message(**maildrop, 0).has_value());
  }
  CHECK(store->unfiled() == 0);
  CHECK(mail_of(*store, kBert) == these({1, 2}, kBert));
  delete_messages(*store, kBert, {0});
  CHECK(mail_of(*store, kBert) == these({2}, kBert));
}

TEST_CASE("what a damaged database does not tell of mail is not forgotten", "[storage][arrivals]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  bring(*store, {1, 2});
  REQUIRE(store->index_mail().has_value());
  // All is in the file, and nothing in the store's cache.
  const std::string database = scratch.data() + "/mailstead.db";
  run_sql(database, "REPLACE INTO meta VALUES ('changed', 1); PRAGMA wal_checkpoint(TRUNCATE);");
  // Not by this process: it would take SQLite's locks away when it closes the file.
  const auto copy = [](const std::string& from, const std::string& to) {
    REQUIRE(std::system(("cp " + from + " " + to).c_str()) == 0);
  };
  const std::string sound = scratch.path() + "/sound";
  const std::string damaged = scratch.path() + "/damaged";
  copy(database, sound);
  write_file(damaged, with_damaged_messages(read_file(sound)));
  copy(damaged, database);
  CHECK_FALSE(file_mail(*store).has_value());
  static_cast<void>(file_mail(*store));
  CHECK(store->unfiled() == 2);
  copy(sound, database);
  run_sql(database, "REPLACE INTO meta VALUES ('changed', 2)");
  REQUIRE(file_mail(*store).has_value());
  CHECK(store->unfiled() == 0);
  CHECK(mail_of(*store) == these({1, 2}));
}

TEST_CASE("what a filing that failed has left goes with its message", "[storage][arrivals]") {
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    bring(*store, {1, 2});
    auto filing = store->begin_filing(std::chrono::milliseconds(0), SIZE_MAX);
    copy_folder(scratch.data(), crashed.data());
  }
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "create" ? EDQUOT : 0; });
  auto store = open_store(crashed.data());
  delete_messages(*store, kAnna, {0});
  set_disk_hook(nullptr);
  CHECK(names_in(crashed.data() + "/mail/example.org/anna/new").size() == 1);
  write_file(crashed.data() + "/mail/example.org/anna/new/stranger",
             "A: b\r\n\r\nx\r\n");  // a reason to look
  CHECK(mail_of(*store).size() == 2);
}
