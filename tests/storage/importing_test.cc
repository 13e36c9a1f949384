// Mail from elsewhere keeps its UIDL, time and order, whatever happens to the index or the process.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "crash.h"
#include "storage/mailbox/message_id.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr std::int64_t kThen = 1'000'000'000;  // September 2001

Import import_of(const std::string& item, const std::string& uidl, const std::string& content,
                 std::int64_t received_at = kThen) {
  Import message;
  message.source = "pop3 anna@old.example";
  message.item = item;
  message.uidl = uidl;
  message.received_at = received_at;
  message.rest = content;
  return message;
}

std::string numbered(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\nbody " + std::to_string(number) + "\r\n";
}

// The later ones are older: order and time are two things.
std::vector<Import> some_imports(int count) {
  std::vector<Import> imports;
  for (int i = 0; i < count; ++i) {
    imports.push_back(
        import_of("item " + std::to_string(i), "uid:/," + std::to_string(i), numbered(i), kThen - i * 1000));
  }
  return imports;
}

std::vector<Imported> import_all(Store& store, const std::vector<Import>& imports) {
  std::vector<Imported> imported;
  for (auto& result : store.import_messages(address(kAnna), imports)) {
    INFO((result ? "" : result.error().message));
    REQUIRE(result.has_value());
    imported.push_back(*result);
  }
  return imported;
}

Imported import_one(Store& store, Import message) {
  std::vector<Import> one;
  one.push_back(std::move(message));
  return import_all(store, one).front();
}

std::vector<WasImported> were_imported(Store& store, const std::vector<ImportQuestion>& questions,
                                       const std::string& source = "pop3 anna@old.example") {
  auto known = store.were_imported(address(kAnna), source, questions);
  REQUIRE(known.has_value());
  return *known;
}

WasImported was_imported(Store& store, const ImportQuestion& question) {
  return were_imported(store, {question}).front();
}

ImportQuestion question_of(const std::string& item, const std::string& content) {
  return {item, content.size(), content_hash(content)};
}

// As a person or a disk does it. The file is there for each message from the import on.
void lose_file(const Scratch& scratch, const std::string& content) {
  const std::string folder = scratch.data() + "/mail/example.org/anna/new/";
  for (const std::string& name : names_in(folder)) {
    if (read_file(folder + name) == content) std::filesystem::remove(folder + name);
  }
}

std::vector<std::string> bodies(const std::vector<Fetched>& mail) {
  std::vector<std::string> contents;
  for (const Fetched& message : mail) contents.push_back(message.content);
  return contents;
}

}  // namespace

TEST_CASE("imported mail has its UIDLs, times, bytes and order, also when the index is lost", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "Subject: first\r\n\r\n").has_value());
  const auto imported = import_all(*store, some_imports(5));
  REQUIRE(deliver(*store, {kAnna}, "Subject: last\r\n\r\n").has_value());
  for (int i = 0; i < 5; ++i) {
    const auto& one = imported[static_cast<std::size_t>(i)];
    CHECK(one.outcome == ImportOutcome::kNew);
    CHECK(one.uidl == "uid:/," + std::to_string(i));
    CHECK(one.size == numbered(i).size());
  }
  const auto check = [&] {
    const auto mail = fetch_all(*store, kAnna);
    REQUIRE(mail.size() == 7);
    auto entries = store->export_entries(address(kAnna), 0, 100);
    REQUIRE(entries.has_value());
    REQUIRE(entries->size() == 7);
    for (std::size_t i = 1; i < 6; ++i) {
      CHECK(mail[i].content == numbered(static_cast<int>(i) - 1));
      CHECK(mail[i].uidl == imported[i - 1].uidl);
      CHECK((*entries)[i].uidl == mail[i].uidl);
      CHECK((*entries)[i].received_at == kThen - (static_cast<std::int64_t>(i) - 1) * 1000);
    }
    return uidls_of(mail);
  };
  const auto before = check();
  store->close().value();
  store.reset();
  lose_index(scratch.data());
  store = open_store(scratch.data());
  CHECK(check() == before);
}

TEST_CASE("what was imported once is not brought again, also after it was deleted", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  import_all(*store, some_imports(3));
  delete_messages(*store, kAnna, {1});
  for (const Imported& again : import_all(*store, some_imports(3))) {
    CHECK(again.outcome == ImportOutcome::kThere);
  }
  CHECK(bodies(fetch_all(*store, kAnna)) == std::vector<std::string>{numbered(0), numbered(2)});
  using enum WasImported;
  const std::vector<ImportQuestion> items{{"item 0"}, {"item 1"}, {"item 3"}};
  CHECK(were_imported(*store, items) == std::vector{kYes, kYes, kNo});
  CHECK(were_imported(*store, items, "another") == std::vector{kNo, kNo, kNo});
  // Twice in one batch.
  std::vector<Import> twice;
  twice.push_back(import_of("new", "n", numbered(7)));
  twice.push_back(import_of("new", "n", numbered(7)));
  const auto imported = import_all(*store, twice);
  CHECK(imported[0].outcome == ImportOutcome::kNew);
  CHECK(imported[1].outcome == ImportOutcome::kThere);
}

TEST_CASE("after a lost index the same mail is found to be there", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  import_all(*store, some_imports(3));
  import_one(*store, import_of("unnamed", "", numbered(9)));
  store->close().value();
  store.reset();
  lose_index(scratch.data());
  store = open_store(scratch.data());
  for (const Imported& again : import_all(*store, some_imports(3))) {
    CHECK(again.outcome == ImportOutcome::kThere);
  }
  CHECK(import_one(*store, import_of("unnamed", "", numbered(9))).outcome == ImportOutcome::kThere);
  CHECK(fetch_all(*store, kAnna).size() == 4);
}

TEST_CASE("a UIDL that another message has, or had, gives way to one that is the same in every try",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  import_one(*store, import_of("1", "1", "Subject: of one server\r\n\r\n"));
  Import other = import_of("1", "1", "Subject: of the other server\r\n\r\n");
  other.source = "pop3 anna@other.example";
  std::vector<Import> batch;
  batch.push_back(std::move(other));
  const auto imported = import_all(*store, batch).front();
  CHECK(imported.outcome == ImportOutcome::kNew);
  CHECK(imported.uidl != "1");
  CHECK(is_uidl(imported.uidl));
  CHECK(import_all(*store, batch).front().outcome == ImportOutcome::kThere);
  // The same message from a server that goes by another name.
  Import same = import_of("1", "1", "Subject: of one server\r\n\r\n");
  same.source = "pop3 anna@old.example.net";
  CHECK(import_one(*store, std::move(same)).outcome == ImportOutcome::kThere);
  // The message has gone, its UIDL stays taken.
  delete_messages(*store, kAnna, {0});
  Import late = import_of("2", "1", "Subject: late\r\n\r\n");
  const Imported renamed = import_one(*store, std::move(late));
  CHECK(renamed.uidl != "1");
  // The made one is the same when all that was noted is lost.
  store->close().value();
  store.reset();
  lose_index(scratch.data());
  store = open_store(scratch.data());
  batch.front().rest = "Subject: of the other server\r\n\r\n";
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  CHECK(std::count(uidls.begin(), uidls.end(), imported.uidl) == 1);
}

TEST_CASE("line ends become CRLF, in a spool and behind it, and dots are seen", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  Import message = import_of("x", "x", "\n.tail\nend");
  message.spool = std::move(*store->new_spool());
  std::string expected;
  for (int i = 0; i < 60'000; ++i) {
    REQUIRE(message.spool->append("line " + std::to_string(i) + (i % 2 == 0 ? "\n" : "\r\n")).has_value());
    expected += "line " + std::to_string(i) + "\r\n";
  }
  REQUIRE(message.spool->append("cut here\r").has_value());
  expected += "cut here\r\n.tail\r\nend\r\n";
  const Imported imported = import_one(*store, std::move(message));
  CHECK(imported.size == expected.size());
  CHECK(fetch_all(*store, kAnna)[0].content == expected);
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  REQUIRE(maildrop.has_value());
  CHECK(entries_of(*store, **maildrop)[0].has_dot_lines);
}

TEST_CASE("a full mailbox takes what is imported, and an import of nothing or of nonsense is none",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->set_quota(address(kAnna), 10).has_value());
  CHECK(import_one(*store, import_of("x", "x", numbered(1))).outcome == ImportOutcome::kNew);
  CHECK(store->room_for(address(kAnna), 1) != Room::kYes);
  CHECK(store->import_messages(address(kAnna), {}).empty());
  std::vector<Import> wrong;
  wrong.push_back(import_of("1", "with space", "x"));
  wrong.push_back(import_of("2", std::string(71, 'u'), "x"));
  wrong.push_back(import_of("", "u", "x"));
  wrong.push_back(import_of(std::string(401, 'i'), "u", "x"));
  wrong.push_back(import_of("good", std::string(70, '/'), "Subject: good\r\n\r\n"));
  const auto results = store->import_messages(address(kAnna), wrong);
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE_FALSE(results[i].has_value());
    CHECK(results[i].error().kind == ErrorKind::kInvalid);
  }
  REQUIRE(results[4].has_value());
  CHECK(results[4]->uidl == std::string(70, '/'));
  CHECK(fetch_all(*store, kAnna).size() == 2);
  const auto nobody = store->import_messages(address(kBert), wrong);
  CHECK(nobody[4].error().kind == ErrorKind::kNotFound);
}

TEST_CASE("an exported message is read whole, and one that was deleted meanwhile is told", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  import_all(*store, some_imports(5));
  auto first = store->export_entries(address(kAnna), 0, 2);
  REQUIRE(first.has_value());
  REQUIRE(first->size() == 2);
  auto second = store->export_entries(address(kAnna), first->back().key, 10);
  REQUIRE(second->size() == 3);
  auto reader = store->open_entry(address(kAnna), second->at(1));
  REQUIRE(reader.has_value());
  std::string bytes;
  REQUIRE((*reader)->read(0, 1000, bytes).has_value());
  CHECK(bytes == numbered(3));
  delete_messages(*store, kAnna, {3});
  CHECK(store->open_entry(address(kAnna), second->at(1)).error().kind == ErrorKind::kNotFound);
  CHECK(store->export_entries(address(kBert), 0, 2).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("an import that fails at any operation leaves nothing of what it refused", "[storage]") {
  const int faults = at_each_fault([&](int n) {
    bool failed = false;
    Scratch scratch;
    auto store = store_with(scratch.data(), {kAnna});
    std::vector<Result<Imported>> results;
    {
      const DiskFault fault(n, ENOSPC);
      results = store->import_messages(address(kAnna), some_imports(3));
      failed = fault.happened();
    }
    std::vector<std::string> kept_uidls;
    for (const auto& result : results) {
      if (result) kept_uidls.push_back(result->uidl);
    }
    CHECK(uidls_of(fetch_all(*store, kAnna)) == kept_uidls);
    CHECK(names_in(scratch.data() + "/mail/example.org/anna/tmp").empty());
    for (const Imported& again : import_all(*store, some_imports(3))) CHECK(is_uidl(again.uidl));
    CHECK(fetch_all(*store, kAnna).size() == 3);
    return failed;
  });
  CHECK(faults >= 10);
}

TEST_CASE(
    "a crash at any operation of an import keeps what was acknowledged, and the next try brings the rest",
    "[storage][crash]") {
  constexpr int kCount = 4;
  Scratch scratch;
  store_with(scratch.data(), {kAnna});
  bool crashed = true;
  int n = 1;
  for (; crashed; ++n) {
    REQUIRE(n < 400);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      arm();
      const auto results = store->import_messages(address(kAnna), some_imports(kCount));
      for (int i = 0; i < kCount; ++i) {
        if (results[static_cast<std::size_t>(i)]) acknowledge(i);
      }
    });
    crashed = run.crashed;
    auto store = open_store(data);
    const auto mail = fetch_all(*store, kAnna);
    for (const int i : run.acknowledged) {
      CHECK(std::count_if(mail.begin(), mail.end(), [&](const Fetched& message) {
              return message.content == numbered(i) && message.uidl == "uid:/," + std::to_string(i);
            }) == 1);
    }
    import_all(*store, some_imports(kCount));
    auto after = bodies(fetch_all(*store, kAnna));
    std::sort(after.begin(), after.end());
    CHECK(after == std::vector<std::string>{numbered(0), numbered(1), numbered(2), numbered(3)});
    store.reset();
    std::filesystem::remove_all(data);
  }
  CHECK(n > 15);
}

TEST_CASE("what was imported, and deleted here since, stays away when the database is damaged", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const auto imports = some_imports(3);
  import_all(*store, imports);
  delete_messages(*store, kAnna, {1});
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "DROP TABLE messages");
  store = open_store(scratch.data());
  CHECK(fetch_all(*store, kAnna).size() == 2);
  const auto again = import_all(*store, some_imports(3));
  CHECK(again[0].outcome == ImportOutcome::kThere);
  CHECK(again[2].outcome == ImportOutcome::kThere);
  CHECK(fetch_all(*store, kAnna).size() == 2);
  // It may as well have been lost, so nobody may take this for leave to delete it elsewhere.
  CHECK(again[1].outcome == ImportOutcome::kUnsure);
  CHECK(was_imported(*store, {"item 0"}) == WasImported::kYes);
  CHECK(was_imported(*store, {"item 1"}) == WasImported::kUnsure);
}

TEST_CASE("a message whose file is lost counts as not imported, and comes back under its UIDL", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  import_all(*store, some_imports(3));
  import_one(*store, import_of("unnamed", "", numbered(9)));
  const auto before = fetch_all(*store, kAnna);
  const auto entries = store->export_entries(address(kAnna), 0, 10).value();
  const bool is_noticed = GENERATE(false, true);
  lose_file(scratch, numbered(1));
  lose_file(scratch, numbered(9));
  // A session that saw it so goes on without it.
  if (is_noticed) CHECK(fetch_all(*store, kAnna).size() == 2);
  CHECK(was_imported(*store, {"item 0"}) == WasImported::kYes);
  CHECK(was_imported(*store, {"item 1"}) == WasImported::kNo);
  CHECK(was_imported(*store, {"unnamed"}) == WasImported::kNo);
  auto imports = some_imports(3);
  imports.push_back(import_of("unnamed", "", numbered(9)));
  const auto again = import_all(*store, imports);
  CHECK(again[0].outcome == ImportOutcome::kThere);
  CHECK(again[1].outcome == ImportOutcome::kNew);
  CHECK(again[1].uidl == "uid:/,1");
  CHECK(again[3].uidl == before[3].uidl);
  const auto check = [&] {
    const auto mail = fetch_all(*store, kAnna);
    CHECK(uidls_of(mail) == uidls_of(before));
    CHECK(bodies(mail) == bodies(before));
    const auto now = store->export_entries(address(kAnna), 0, 10).value();
    REQUIRE(now.size() == entries.size());
    for (std::size_t i = 0; i < now.size(); ++i) CHECK(now[i].received_at == entries[i].received_at);
  };
  check();
  CHECK(was_imported(*store, {"item 1"}) == WasImported::kYes);
  store.reset();
  store = open_store(scratch.data());
  check();
}

TEST_CASE("a file that is cut, or that another tool has moved, is told from one that is lost", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  import_all(*store, some_imports(2));
  const std::string folder = scratch.data() + "/mail/example.org/anna/";
  for (const std::string& name : names_in(folder + "new")) {
    if (name.ends_with("1")) std::filesystem::rename(folder + "new/" + name, folder + "cur/" + name + ":2,S");
    if (name.ends_with("0")) std::filesystem::resize_file(folder + "new/" + name, 3);
  }
  using enum WasImported;
  CHECK(were_imported(*store, {{"item 0"}, {"item 1"}}) == std::vector{kNo, kYes});
  CHECK(import_all(*store, some_imports(2))[1].outcome == ImportOutcome::kThere);
  CHECK(bodies(fetch_all(*store, kAnna)) == std::vector{numbered(0), numbered(1)});
  CHECK(names_in(folder + "quarantine").size() == 1);
}

TEST_CASE("another message of a name that was imported before is imported, and stays known", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const bool is_kept = GENERATE(true, false);  // when it is deleted
  import_one(*store, import_of("name", "u", numbered(1)));
  CHECK(was_imported(*store, question_of("name", numbered(1))) == WasImported::kYes);
  CHECK(was_imported(*store, question_of("name", numbered(2))) == WasImported::kNo);  // of the same length
  CHECK(was_imported(*store, {"name", 7}) == WasImported::kNo);
  const Imported other = import_one(*store, import_of("name", "u", numbered(2)));
  CHECK(other.outcome == ImportOutcome::kNew);
  CHECK(other.uidl != "u");
  for (const int number : {1, 2}) {
    CHECK(was_imported(*store, question_of("name", numbered(number))) == WasImported::kYes);
    CHECK(import_one(*store, import_of("name", "u", numbered(number))).outcome == ImportOutcome::kThere);
  }
  CHECK(bodies(fetch_all(*store, kAnna)) == std::vector{numbered(1), numbered(2)});
  auto maildrop = store->open_maildrop(id_of(*store, kAnna)).value();
  const std::vector<std::size_t> both{0, 1};
  DeleteTerms terms;
  terms.deleted = is_kept ? Deleted::kKept : Deleted::kFreed;
  REQUIRE(store->commit_deletes(*maildrop, both, terms).has_value());
  while (store->purge_deleted(id_of(*store, kAnna), 10).value() > 0) continue;
  maildrop.reset();
  for (const int number : {1, 2})
    CHECK(import_one(*store, import_of("name", "u", numbered(number))).outcome == ImportOutcome::kThere);
  CHECK(fetch_all(*store, kAnna).empty());
  // Both of one name in one batch.
  std::vector<Import> batch;
  for (const int number : {3, 4, 3}) batch.push_back(import_of("new", "n", numbered(number)));
  const auto imported = import_all(*store, batch);
  CHECK(imported[0].outcome == ImportOutcome::kNew);
  CHECK(imported[1].outcome == ImportOutcome::kNew);
  CHECK(imported[2].outcome == ImportOutcome::kThere);
  CHECK(imported[2].uidl == imported[0].uidl);
  CHECK(bodies(fetch_all(*store, kAnna)) == std::vector{numbered(3), numbered(4)});
}

TEST_CASE("of two that are the same in a batch neither is here when the first fails", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  std::vector<Import> batch;
  for (int i = 0; i < 2; ++i) batch.push_back(import_of("same", "s", numbered(1)));
  const DiskFault fault(1, ENOSPC);
  const auto results = store->import_messages(address(kAnna), batch);
  CHECK_FALSE(results[0].has_value());
  CHECK_FALSE(results[1].has_value());
}

TEST_CASE("a crash at any operation while a lost message comes back leaves it there once, or to be brought",
          "[storage][crash]") {
  Scratch scratch;
  {
    auto store = store_with(scratch.data(), {kAnna});
    import_all(*store, some_imports(3));
    lose_file(scratch, numbered(1));
    CHECK(fetch_all(*store, kAnna).size() == 2);
  }
  bool crashed = true;
  int n = 1;
  for (; crashed; ++n) {
    REQUIRE(n < 400);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      arm();
      if (store->import_messages(address(kAnna), some_imports(3))[1]) acknowledge(1);
    });
    crashed = run.crashed;
    auto store = open_store(data);
    if (!run.acknowledged.empty()) CHECK(fetch_all(*store, kAnna).size() == 3);
    import_all(*store, some_imports(3));
    const auto mail = fetch_all(*store, kAnna);
    CHECK(bodies(mail) == std::vector{numbered(0), numbered(1), numbered(2)});
    CHECK(uidls_of(mail) == std::vector<std::string>{"uid:/,0", "uid:/,1", "uid:/,2"});
    store.reset();
    std::filesystem::remove_all(data);
  }
  CHECK(n > 5);
}
