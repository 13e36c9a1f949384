#include "storage/mailbox/maildrop.h"

#include <filesystem>
#include <thread>

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

TEST_CASE("one session holds a mailbox, and a refused one does not free it", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  const MailboxId anna = id_of(*store, kAnna);
  auto first = store->open_maildrop(anna);
  REQUIRE(first.has_value());
  for (int i = 0; i < 2; ++i) {
    auto second = store->open_maildrop(anna);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().kind == ErrorKind::kInUse);
  }
  CHECK(store->open_maildrop(id_of(*store, "bert@example.org")).has_value());
  std::thread([held = std::move(*first)]() mutable { held.reset(); }).join();
  CHECK(store->open_maildrop(anna).has_value());
}

TEST_CASE("a lock is freed by its own token only", "[storage]") {
  MaildropLocks locks;
  const auto first = locks.take(7);
  REQUIRE(first.has_value());
  CHECK_FALSE(locks.take(7).has_value());
  locks.release(7, *first);
  const auto second = locks.take(7);
  REQUIRE(second.has_value());
  locks.release(7, *first);
  CHECK_FALSE(locks.take(7).has_value());
  locks.release(7, *second);
  CHECK(locks.take(7).has_value());
}

TEST_CASE("a snapshot stays as it was at login", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const char* text : {"A: 1\r\n\r\n", "A: 2\r\n\r\n"})
    REQUIRE(deliver(*store, {kAnna}, text).has_value());
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  REQUIRE(maildrop.has_value());
  REQUIRE(deliver(*store, {kAnna}, "A: 3\r\n\r\n").has_value());
  CHECK((*maildrop)->totals().messages == 2);
  CHECK(read_message(*store, **maildrop, 0) == kept(kAnna, "A: 1\r\n\r\n"));
  CHECK(read_message(*store, **maildrop, 1) == kept(kAnna, "A: 2\r\n\r\n"));
  const std::vector<std::size_t> both{1, 0};
  REQUIRE(store->commit_deletes(**maildrop, both).has_value());
  maildrop->reset();
  auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == 1);
  CHECK(all[0].content == kept(kAnna, "A: 3\r\n\r\n"));
}

TEST_CASE("messages are in the order in which they came, with UIDLs that stay", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 20; ++i) {
    REQUIRE(deliver(*store, {kAnna}, "N: " + std::to_string(i) + "\r\n\r\n").has_value());
  }
  auto before = fetch_all(*store, kAnna);
  for (int i = 0; i < 20; ++i) {
    CHECK(before[static_cast<std::size_t>(i)].content == kept(kAnna, "N: " + std::to_string(i) + "\r\n\r\n"));
  }
  delete_messages(*store, kAnna, {0, 7, 19});
  store.reset();
  store = open_store(scratch.data());
  auto after = fetch_all(*store, kAnna);
  REQUIRE(after.size() == 17);
  CHECK(after[0].uidl == before[1].uidl);
  CHECK(after[6].uidl == before[8].uidl);
  CHECK(names_in(scratch.data() + "/mail/example.org/anna/new").size() == 17);
}

TEST_CASE("messages taken in a row are found under names that another tool gave them meanwhile",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 40; ++i)
    REQUIRE(deliver(*store, {kAnna}, "A: " + std::to_string(i) + "\r\n\r\n").has_value());
  const std::string box = scratch.data() + "/mail/example.org/anna/";
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  REQUIRE(maildrop.has_value());
  const MaildropPage entries = entries_of(*store, **maildrop);
  for (std::size_t i = 0; i < 40; ++i) {
    CHECK(read_message(*store, **maildrop, i) == kept(kAnna, "A: " + std::to_string(i) + "\r\n\r\n"));
    if (i != 3 && i != 20) continue;
    for (const std::string& name : names_in(box + "new")) {
      if (name.find(entries[i + 2].uidl) != std::string::npos)
        std::filesystem::rename(box + "new/" + name, box + "cur/" + name + ":2,S");
    }
    REQUIRE(names_in(box + "cur").size() == (i == 3 ? 1 : 2));
  }
  // Once more, back and forth.
  constexpr std::size_t kOrder[] = {0, 1, 2, 2, 1, 39, 0, 1, 2, 3, 5, 6};
  for (const std::size_t i : kOrder)
    CHECK(read_message(*store, **maildrop, i) == kept(kAnna, "A: " + std::to_string(i) + "\r\n\r\n"));
}

TEST_CASE("a delete names messages of its snapshot or nothing happens", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  const std::vector<std::size_t> wrong{0, 1};
  auto done = store->commit_deletes(**maildrop, wrong);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::kInvalid);
  maildrop->reset();
  CHECK(fetch_all(*store, kAnna).size() == 1);
}

TEST_CASE("a file that vanished is kNotFound, one that shrank is kCorrupt, and both can be deleted",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const char* text : {"A: 1\r\n\r\n", "A: 2\r\n\r\n"})
    REQUIRE(deliver(*store, {kAnna}, text).has_value());
  const std::string inbox = scratch.data() + "/mail/example.org/anna/new/";
  const auto names = names_in(inbox);
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  std::filesystem::remove(inbox + names[0]);
  write_file(inbox + names[1], "short");
  auto vanished = store->open_message(**maildrop, 0);
  REQUIRE_FALSE(vanished.has_value());
  CHECK(vanished.error().kind == ErrorKind::kNotFound);
  auto shrunk = store->open_message(**maildrop, 1);
  REQUIRE_FALSE(shrunk.has_value());
  CHECK(shrunk.error().kind == ErrorKind::kCorrupt);
  const std::vector<std::size_t> both{0, 1};
  REQUIRE(store->commit_deletes(**maildrop, both).has_value());
  maildrop->reset();
  CHECK(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK(names_in(inbox).empty());
}

TEST_CASE("a message that another mail tool renamed is read and deleted under its new name", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const char* text : {"A: 1\r\n\r\n", "A: 2\r\n\r\n"})
    REQUIRE(deliver(*store, {kAnna}, text).has_value());
  const std::string box = scratch.data() + "/mail/example.org/anna/";
  auto before = fetch_all(*store, kAnna);
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  for (const std::string& name : names_in(box + "new")) {
    std::filesystem::rename(box + "new/" + name, box + "cur/" + name + ":2,S");
  }
  CHECK(read_message(*store, **maildrop, 0) == before[0].content);
  // Once more, behind the index's back.
  for (const std::string& name : names_in(box + "cur")) {
    std::filesystem::rename(box + "cur/" + name, box + "cur/" + name + "R");
  }
  const std::vector<std::size_t> first{0};
  REQUIRE(store->commit_deletes(**maildrop, first).has_value());
  maildrop->reset();
  CHECK(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  auto after = fetch_all(*store, kAnna);
  REQUIRE(after.size() == 1);
  CHECK(after[0].uidl == before[1].uidl);
  CHECK(names_in(box + "cur").size() == 1);
}

TEST_CASE("a session whose mailbox is removed gets kNotFound", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  auto read = store->open_message(**maildrop, 0);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().kind == ErrorKind::kNotFound);
  const std::vector<std::size_t> first{0};
  auto done = store->commit_deletes(**maildrop, first);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a reader goes on with a message that is deleted under it", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\nbody\r\n").has_value());
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  auto reader = store->open_message(**maildrop, 0);
  REQUIRE(reader.has_value());
  const std::vector<std::size_t> first{0};
  REQUIRE(store->commit_deletes(**maildrop, first).has_value());
  CHECK(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  std::string bytes;
  REQUIRE((*reader)->read(0, 4096, bytes).has_value());
  CHECK(bytes == kept(kAnna, "A: 1\r\n\r\nbody\r\n"));
}

TEST_CASE("deleted messages are shown to nobody, and their files go in pieces", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 10; ++i) REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const std::string inbox = scratch.data() + "/mail/example.org/anna/new/";
  const MailboxId anna = id_of(*store, kAnna);
  auto maildrop = store->open_maildrop(anna);
  const std::vector<std::size_t> most{0, 1, 2, 3, 4, 5, 6, 7};
  REQUIRE(store->commit_deletes(**maildrop, most).has_value());
  maildrop->reset();
  CHECK(names_in(inbox).size() == 10);
  CHECK(fetch_all(*store, kAnna).size() == 2);
  CHECK(store->show_mailbox(address(kAnna))->messages == 2);
  write_file(inbox + "foreign", "A: 2\r\n\r\n");  // a login that looks through the folder
  CHECK(fetch_all(*store, kAnna).size() == 3);
  SECTION("by calls") {
    CHECK(store->purge_deleted(anna, 3).value() == 5);
    CHECK(names_in(inbox).size() == 8);
    CHECK(store->purge_deleted(anna, 5).value() == 0);
    CHECK(store->purge_deleted(anna, 5).value() == 0);
  }
  SECTION("at the end") {
    REQUIRE(store->close().has_value());
  }
  SECTION("at the next start") {
    copy_folder(scratch.data(), scratch.path() + "/copy");
    RecoveryReport report;
    store = open_store(scratch.path() + "/copy", &report);
    CHECK(mentions(report, "finished 8 interrupted deletes"));
    CHECK(names_in(scratch.path() + "/copy/mail/example.org/anna/new").size() == 3);
    return;
  }
  CHECK(names_in(inbox).size() == 3);
}
