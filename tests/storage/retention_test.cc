// What a message's header holds, as the index remembers it, and how long messages stay.
#include "protocols/smtp/surrogate.h"
#include "storage/database/schema.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr std::chrono::hours kOneDay{24};

const std::string kUtf8Message =
    "Subject: \xc3\xa9\r\n\r\nb\xc3\xb6"
    "dy\r\n";
const std::string kAsciiMessage =
    "Subject: e\r\n\r\nb\xc3\xb6"
    "dy\r\n";

std::vector<MaildropEntry> entries(Store& store) {
  auto maildrop = store.open_maildrop(id_of(store, kAnna));
  REQUIRE(maildrop.has_value());
  return entries_of(store, **maildrop);
}

std::int64_t surrogate_size(const std::string& content) {
  Surrogate surrogate;
  surrogate.read(content, nullptr);
  surrogate.finish(nullptr);
  return static_cast<std::int64_t>(surrogate.size());
}

void check_first_is_utf8(const std::vector<MaildropEntry>& found) {
  REQUIRE(found.size() == 2);
  CHECK(found[0].header == HeaderText::kUtf8);
  CHECK(static_cast<std::int64_t>(found[0].size) + found[0].surrogate_growth ==
        surrogate_size(kept(kAnna, kUtf8Message)));
  CHECK(found[1].header == HeaderText::kAscii);
}

void run_for(Store& store, std::chrono::seconds time) {
  for (; time.count() > 0; time -= kRetentionStep)
    REQUIRE(store.advance_retention(kRetentionStep).has_value());
}

std::size_t expire(Store& store, std::chrono::seconds kept_for, std::size_t at_most = 1'000) {
  auto count = store.expire_messages(id_of(store, kAnna), kept_for, at_most, {});
  REQUIRE(count.has_value());
  return *count;
}

}  // namespace

TEST_CASE("the index knows which headers hold UTF-8, and what the surrogate's size is", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, kUtf8Message).has_value());
  REQUIRE(deliver(*store, {kAnna}, kAsciiMessage).has_value());
  check_first_is_utf8(entries(*store));

  SECTION("after a start") {
    store.reset();
    store = open_store(scratch.data());
    check_first_is_utf8(entries(*store));
  }
  SECTION("when the index is made again from the files") {
    store.reset();
    run_sql(scratch.data() + "/mailstead.db", "DELETE FROM messages");
    store = open_store(scratch.data());
    check_first_is_utf8(entries(*store));
  }
}

TEST_CASE("a message that lacks its final line end is counted with the one that it gets", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "Subject: \xc3\xa9").has_value());
  const auto found = entries(*store);
  REQUIRE(found.size() == 1);
  CHECK(static_cast<std::int64_t>(found[0].size) + found[0].surrogate_growth ==
        surrogate_size(kept(kAnna, "Subject: \xc3\xa9\r\n")));
}

TEST_CASE("messages of an older index are looked at after the start, a few at a time", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, kUtf8Message).has_value());
  REQUIRE(deliver(*store, {kAnna}, kAsciiMessage).has_value());
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET header = 2, surrogate_growth = 0");
  store = open_store(scratch.data());
  for (const MaildropEntry& entry : entries(*store)) CHECK(entry.header == HeaderText::kUnknown);
  int calls = 0;
  while (store->files_wait() && ++calls < 10) REQUIRE(store->take_in_files(1).has_value());
  CHECK(calls == 3);
  check_first_is_utf8(entries(*store));
  store.reset();
  store = open_store(scratch.data());
  CHECK_FALSE(store->files_wait());
}

TEST_CASE("a file that cannot be looked at keeps nobody waiting", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, kUtf8Message).has_value());
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET header = 2, size = size + 1");
  store = open_store(scratch.data());
  int calls = 0;
  while (store->files_wait() && ++calls < 10) REQUIRE(store->take_in_files(100).has_value());
  CHECK(calls == 2);
  CHECK(entries(*store)[0].header == HeaderText::kUnknown);
}

TEST_CASE("a message goes when its time is over, and never before", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  run_for(*store, kOneDay / 2);
  REQUIRE(deliver(*store, {kAnna}, "A: 2\r\n\r\n").has_value());
  run_for(*store, kOneDay / 2);
  CHECK(expire(*store, kOneDay) == 0);  // a step more, for a row does not know where in its step it came
  run_for(*store, kRetentionStep);
  CHECK(expire(*store, kOneDay) == 1);
  CHECK(expire(*store, kOneDay) == 0);
  REQUIRE(fetch_all(*store, kAnna).size() == 1);
  CHECK(fetch_all(*store, kAnna)[0].content == kept(kAnna, "A: 2\r\n\r\n"));

  // Durable: a start finishes it, and remembers the time.
  copy_folder(scratch.data(), scratch.path() + "/copy");
  auto copy = open_store(scratch.path() + "/copy");
  CHECK(fetch_all(*copy, kAnna).size() == 1);
  CHECK(names_in(scratch.path() + "/copy/mail/example.org/anna/new").size() == 1);
  run_for(*copy, kOneDay / 2);
  CHECK(expire(*copy, kOneDay) == 1);
  CHECK(fetch_all(*copy, kAnna).empty());
}

TEST_CASE("a clock that was wrong, and a long sleep, expire nothing", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET received_at = 0");
  store = open_store(scratch.data());
  REQUIRE(store->advance_retention(1'000 * kOneDay).has_value());  // counts as one step
  REQUIRE(store->advance_retention(-kOneDay).has_value());
  CHECK(expire(*store, kOneDay) == 0);
  CHECK(fetch_all(*store, kAnna).size() == 1);
}

TEST_CASE("what a session holds does not expire under it", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 5; ++i) REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  run_for(*store, 2 * kOneDay);
  {
    auto held = store->open_maildrop(id_of(*store, kAnna));
    REQUIRE(held.has_value());
    auto refused = store->expire_messages(id_of(*store, kAnna), kOneDay, 10, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::kInUse);
  }
  CHECK(expire(*store, kOneDay, 2) == 2);
  CHECK(expire(*store, kOneDay, 2) == 2);
  CHECK(expire(*store, kOneDay, 2) == 1);
  CHECK(store->open_maildrop(id_of(*store, kAnna)).has_value());
}

TEST_CASE("an index of the first schema gets the columns", "[storage]") {
  auto database = Database::open_in_memory();
  REQUIRE(database.has_value());
  REQUIRE(migrate(**database, schema_migrations().first(1)).has_value());
  REQUIRE((*database)
              ->run_script(
                  "INSERT INTO mailboxes (id, local, domain, key, created_at) VALUES (1, 'a', 'b', 'a@b', 0);"
                  "INSERT INTO messages (mailbox, uidl, name, size, dot_lines, received_at, queue_id)"
                  " VALUES (1, 'u', 'new/u', 1, 0, 0, 'q');")
              .has_value());
  REQUIRE(migrate(**database, schema_migrations()).has_value());
  auto row = (*database)->query("SELECT header, surrogate_growth, kept_since FROM messages");
  REQUIRE(row.has_value());
  REQUIRE(row->step().value());
  CHECK(row->integer(0) == 2);
  CHECK(row->integer(1) == 0);
  CHECK(row->integer(2) == 0);
}

TEST_CASE("what expired can be restored, and then has its whole time again", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, kUtf8Message).has_value());
  const auto before = fetch_all(*store, kAnna);
  run_for(*store, 3 * kOneDay);
  auto expired = store->expire_messages(id_of(*store, kAnna), kOneDay, 10, {Deleted::kKept, "expiry"});
  REQUIRE(expired.has_value());
  CHECK(*expired == 1);
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK(store->deleted_totals().messages == 1);
  const auto deleted = store->list_messages(address(kAnna), MessageListing::kDeleted);
  REQUIRE(deleted.has_value());
  REQUIRE(deleted->size() == 1);
  CHECK(deleted->at(0).deleted_by == "expiry");
  const std::vector<std::string> uidls{deleted->at(0).uidl};
  REQUIRE(store->restore_messages(address(kAnna), uidls).has_value());
  const auto again = fetch_all(*store, kAnna);
  REQUIRE(again.size() == 1);
  CHECK(again[0].uidl == before[0].uidl);
  CHECK(again[0].content == before[0].content);
  run_for(*store, kRetentionStep);
  CHECK(expire(*store, kOneDay) == 0);
  run_for(*store, 2 * kOneDay);
  CHECK(expire(*store, kOneDay) == 1);
}
