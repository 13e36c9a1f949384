// Small mail before, while and after it gets its file.
#include "storage/delivery/filing.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "crash.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

std::string text(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\n.body " + std::to_string(number) + "\r\n";
}

std::string folder(const Scratch& scratch, const std::string& place) {
  return scratch.data() + "/mail/example.org/anna/" + place;
}

std::vector<std::string> bodies(Store& store) {
  std::vector<std::string> bodies;
  for (const Fetched& message : fetch_all(store, kAnna)) bodies.push_back(message.content);
  return bodies;
}

std::vector<std::string> expected(std::initializer_list<int> numbers) {
  std::vector<std::string> bodies;
  for (const int number : numbers) bodies.push_back(kept(kAnna, text(number)));
  return bodies;
}

void remove_first(Store& store, const DeleteTerms& terms) {
  auto maildrop = store.open_maildrop(id_of(store, kAnna));
  const std::vector<std::size_t> first{0};
  REQUIRE(store.commit_deletes(**maildrop, first, terms).has_value());
}

void purge(Store& store) {
  const auto left = store.purge_deleted(id_of(store, kAnna), SIZE_MAX);
  REQUIRE(left.has_value());
  CHECK(*left == 0);
}

std::unique_ptr<Filing> begin(Store& store) {
  auto filing = store.begin_filing(std::chrono::milliseconds(0), SIZE_MAX);
  REQUIRE(filing.has_value());
  return std::move(*filing);
}

}  // namespace

TEST_CASE("small mail can be read at once, and is a file later", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  CHECK(names_in(folder(scratch, "new")).empty());
  CHECK(store->unfiled() == 2);
  CHECK(bodies(*store) == expected({1, 2}));
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  CHECK(store->begin_filing(std::chrono::hours(1), SIZE_MAX)->get() == nullptr);  // they are younger

  auto filing = begin(*store);
  REQUIRE(filing != nullptr);
  CHECK(filing->size() == 2);
  CHECK(store->unfiled() == 0);
  CHECK(begin(*store) == nullptr);  // they are under way
  CHECK(bodies(*store) == expected({1, 2}));
  filing->sync();
  REQUIRE(store->end_filing(*filing).has_value());
  CHECK(names_in(folder(scratch, "new")).size() == 2);
  CHECK(names_in(folder(scratch, "tmp")).empty());
  CHECK(bodies(*store) == expected({1, 2}));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  for (const std::string& name : names_in(folder(scratch, "new"))) {
    const std::string bytes = read_file(folder(scratch, "new/") + name);
    CHECK((bytes == kept(kAnna, text(1)) || bytes == kept(kAnna, text(2))));
  }
}

TEST_CASE("of small mail the older gets its file first, and no more than was asked for",
          "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2, 3}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  auto first = std::move(*store->begin_filing(std::chrono::milliseconds(0), 2));
  REQUIRE(first != nullptr);
  CHECK(first->size() == 2);
  auto second = begin(*store);  // beside it
  REQUIRE(second != nullptr);
  CHECK(second->size() == 1);
  second->sync();
  first->sync();
  CHECK(store->end_filing(*second).has_value());
  CHECK(store->end_filing(*first).has_value());
  CHECK(bodies(*store) == expected({1, 2, 3}));
  CHECK(names_in(folder(scratch, "new")).size() == 3);
}

TEST_CASE("mail is exported before it has a file", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver_unfiled(*store, {kAnna}, text(1)).has_value());
  const auto entries = store->export_entries(address(kAnna), 0, 10);
  REQUIRE(entries->size() == 1);
  auto reader = store->open_entry(address(kAnna), entries->front());
  REQUIRE(reader.has_value());
  std::string bytes;
  REQUIRE((*reader)->read(0, 10'000, bytes).has_value());
  CHECK(bytes == kept(kAnna, text(1)));
}

TEST_CASE("many files are brought to the disk together", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  std::vector<Delivery> batch;
  for (int i = 0; i < 100; ++i) batch.push_back(message(*store, {i % 2 == 0 ? kAnna : kBert}, text(i)));
  for (const auto& delivered : store->deliver(batch)) REQUIRE(delivered.has_value());
  REQUIRE(store->index_mail().has_value());
  {
    DiskFault fault(2 * 100 + 1 + 100, EIO);  // behind a create, a write and a move for each
    CHECK_FALSE(file_mail(*store).has_value());
    REQUIRE(fault.happened());
  }
  CHECK(names_in(folder(scratch, "new")).empty());
  CHECK(store->unfiled() == 100);
  CHECK(fetch_all(*store, kAnna).size() == 50);
  REQUIRE(file_mail(*store).has_value());
  CHECK(names_in(folder(scratch, "new")).size() == 50);
  CHECK(fetch_all(*store, kAnna).size() == 50);
  CHECK(fetch_all(*store, kBert).size() == 50);
}

TEST_CASE("a large message has its file from the start", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string large = "A: b\r\n\r\n" + std::string(MailContents::kMostOfOne, 'x') + "\r\n";
  REQUIRE(deliver_unfiled(*store, {kAnna}, large).has_value());
  CHECK(names_in(folder(scratch, "new")).size() == 1);
  CHECK(store->unfiled() == 0);
  CHECK(bodies(*store) == std::vector<std::string>{kept(kAnna, large)});
}

TEST_CASE("what does not fit into the database has its file from the start", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string content = "A: b\r\n\r\n" + std::string(MailContents::kMostOfOne - 200, 'x') + "\r\n";
  constexpr std::size_t kFit = MailContents::kMostOctets / MailContents::kMostOfOne;
  std::vector<Delivery> batch;
  for (std::size_t i = 0; i < kFit + 10; ++i) batch.push_back(message(*store, {kAnna}, content));
  for (const auto& delivered : store->deliver(batch)) REQUIRE(delivered.has_value());
  CHECK(store->unfiled() >= kFit);
  CHECK(store->unfiled() + names_in(folder(scratch, "new")).size() == kFit + 10);
  REQUIRE(file_mail(*store).has_value());
  CHECK(names_in(folder(scratch, "new")).size() == kFit + 10);
  CHECK(fetch_all(*store, kAnna).size() == kFit + 10);
}

TEST_CASE("a database that has given its bytes to files does not grow", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string content = "A: b\r\n\r\n" + std::string(4096, 'x') + "\r\n";
  for (int round = 0; round < 12; ++round) {
    std::vector<Delivery> batch;
    for (int i = 0; i < 200; ++i) batch.push_back(message(*store, {kAnna}, content));
    for (const auto& delivered : store->deliver(batch)) REQUIRE(delivered.has_value());
    REQUIRE(file_mail(*store).has_value());
  }
  REQUIRE(store->close().has_value());
  // 2,400 rows, and room for the bytes of a few hundred messages.
  CHECK(std::filesystem::file_size(scratch.data() + "/mailstead.db") < 8u << 20);
}

TEST_CASE("mail that is deleted before or while it gets its file is gone", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2, 3}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  remove_first(*store, {});
  purge(*store);
  auto filing = begin(*store);
  REQUIRE(filing != nullptr);
  CHECK(filing->size() == 2);
  remove_first(*store, {});
  purge(*store);
  filing->sync();
  REQUIRE(store->end_filing(*filing).has_value());
  CHECK(bodies(*store) == expected({3}));
  CHECK(names_in(folder(scratch, "new")).size() == 1);
  store.reset();
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(report.actions.empty());
  CHECK(bodies(*store) == expected({3}));
}

TEST_CASE("mail that is deleted and kept before or while it gets its file can be restored",
          "[storage][filing]") {
  const bool under_way = GENERATE(false, true);
  const bool put_aside = GENERATE(false, true);
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  auto filing = under_way ? begin(*store) : nullptr;
  remove_first(*store, {Deleted::kKept, ""});
  CHECK(bodies(*store) == expected({2}));
  if (put_aside) {
    purge(*store);
    CHECK(names_in(folder(scratch, "deleted")).size() == 1);
  }
  auto known = store->show_message(address(kAnna), uidls[0]);
  REQUIRE(known.has_value());
  CHECK(*store->read_beginning(*known, 100000) == kept(kAnna, text(1)));
  REQUIRE(store->restore_messages(address(kAnna), std::vector{uidls[0]}).has_value());
  if (filing != nullptr) {
    filing->sync();
    REQUIRE(store->end_filing(*filing).has_value());
  }
  CHECK(bodies(*store) == expected({1, 2}));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  store.reset();
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(report.actions.empty());
  CHECK(bodies(*store) == expected({1, 2}));
}

TEST_CASE("mail without a file is restored on a disk that has no room for one", "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  remove_first(*store, {Deleted::kKept, ""});
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "create" ? ENOSPC : 0; });
  const auto restored = store->restore_messages(address(kAnna), std::vector{uidls[0]});
  set_disk_hook(nullptr);
  REQUIRE(restored.has_value());
  CHECK(bodies(*store) == expected({1, 2}));
  REQUIRE(file_mail(*store).has_value());
  CHECK(names_in(folder(scratch, "new")).size() == 2);
  CHECK(bodies(*store) == expected({1, 2}));
}

TEST_CASE("mail of a mailbox that is removed goes with it, or is kept as files", "[storage][filing]") {
  const bool under_way = GENERATE(false, true);
  const KeepMail keep = GENERATE(KeepMail::kNo, KeepMail::kYes);
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  auto filing = under_way ? begin(*store) : nullptr;
  REQUIRE(store->remove_mailbox(address(kAnna), keep).has_value());
  CHECK(store->unfiled() == 0);
  if (filing != nullptr) {
    filing->sync();
    CHECK(store->end_filing(*filing).has_value());
  }
  REQUIRE(store->add_mailbox(address(kAnna), "").has_value());
  if (keep == KeepMail::kYes) {
    CHECK(bodies(*store) == expected({1, 2}));
    CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  } else {
    CHECK(bodies(*store).empty());
  }
}

TEST_CASE("another tool may move a file that is being filed", "[storage][filing]") {
  const bool is_deleted = GENERATE(false, true);
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver_unfiled(*store, {kAnna}, text(1)).has_value());
  auto filing = begin(*store);
  REQUIRE(filing != nullptr);
  const std::string name = names_in(folder(scratch, "new")).at(0);
  std::filesystem::rename(folder(scratch, "new/") + name, folder(scratch, "cur/") + name + ":2,S");
  if (is_deleted) {
    remove_first(*store, {Deleted::kKept, ""});
    purge(*store);
    CHECK(names_in(folder(scratch, "deleted")).size() == 1);
  }
  filing->sync();
  CHECK(store->end_filing(*filing).has_value());
  if (is_deleted) {
    const auto deleted = store->list_messages(address(kAnna), MessageListing::kDeleted);
    REQUIRE(deleted->size() == 1);
    REQUIRE(store->restore_messages(address(kAnna), std::vector{(*deleted)[0].uidl}).has_value());
  }
  CHECK(bodies(*store) == expected({1}));
  store.reset();
  store = open_store(scratch.data());
  CHECK(bodies(*store) == expected({1}));
}

TEST_CASE("a look into the folders takes nobody's mail for missing that has no file yet",
          "[storage][filing]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  REQUIRE(deliver_unfiled(*store, {kAnna}, text(2)).has_value());
  write_file(folder(scratch, "new/stranger"), "A: b\r\n\r\nx\r\n");  // a reason to look
  CHECK(bodies(*store).size() == 3);
  CHECK(store->show_mailbox(address(kAnna))->messages == 3);
  REQUIRE(file_mail(*store).has_value());
  CHECK(bodies(*store).size() == 3);
}

TEST_CASE("a start after a crash writes the files, whatever a filing had left", "[storage][filing]") {
  enum class Left { kNothing, kWhole, kEmpty, kMoved, kMovedEmpty, kDraft };
  const Left left =
      GENERATE(Left::kNothing, Left::kWhole, Left::kEmpty, Left::kMoved, Left::kMovedEmpty, Left::kDraft);
  Scratch scratch;
  Scratch crashed;
  std::vector<std::string> uidls;
  {
    auto store = store_with(scratch.data(), {kAnna});
    for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
    uidls = uidls_of(fetch_all(*store, kAnna));
    auto filing = left == Left::kNothing ? nullptr : begin(*store);
    copy_folder(scratch.data(), crashed.data());
  }
  const std::string new_folder = folder(crashed, "new/");
  for (const std::string& name : names_in(new_folder)) {
    if (left == Left::kEmpty || left == Left::kMovedEmpty) write_file(new_folder + name, "");
    if (left == Left::kMoved || left == Left::kMovedEmpty)
      std::filesystem::rename(new_folder + name, folder(crashed, "cur/") + name + ":2,S");
    if (left == Left::kDraft) std::filesystem::rename(new_folder + name, folder(crashed, "tmp/") + name);
  }
  RecoveryReport report;
  auto store = open_store(crashed.data(), &report);
  CHECK(store->unfiled() == 0);
  CHECK(bodies(*store) == expected({1, 2}));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  CHECK(names_in(folder(crashed, "new")).size() + names_in(folder(crashed, "cur")).size() == 2);
  CHECK(names_in(folder(crashed, "tmp")).empty());
  store.reset();
  RecoveryReport second;
  store = open_store(crashed.data(), &second);
  CHECK(second.actions.empty());
  CHECK(bodies(*store) == expected({1, 2}));
}

TEST_CASE("a start finishes deletes of mail that has no file yet", "[storage][filing]") {
  const Deleted terms = GENERATE(Deleted::kFreed, Deleted::kKept);
  const bool under_way = GENERATE(false, true);
  Scratch scratch;
  Scratch crashed;
  {
    auto store = store_with(scratch.data(), {kAnna});
    for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
    auto filing = under_way ? begin(*store) : nullptr;
    remove_first(*store, {terms, ""});
    copy_folder(scratch.data(), crashed.data());
  }
  auto store = open_store(crashed.data());
  CHECK(bodies(*store) == expected({2}));
  CHECK(names_in(folder(crashed, "new")).size() == 1);
  const auto deleted = store->list_messages(address(kAnna), MessageListing::kDeleted);
  CHECK(deleted->size() == (terms == Deleted::kKept ? 1 : 0));
  for (const KnownMessage& message : *deleted)
    CHECK(store->restore_messages(address(kAnna), std::vector{message.uidl}).has_value());
  CHECK(bodies(*store) == (terms == Deleted::kKept ? expected({1, 2}) : expected({2})));
}

TEST_CASE("mail without a file is read from a damaged database", "[storage][filing]") {
  Scratch scratch;
  Scratch crashed;
  std::vector<std::string> uidls;
  {
    auto store = store_with(scratch.data(), {kAnna});
    REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
    for (const int i : {2, 3, 4}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    REQUIRE(store->commit_deletes(**maildrop, std::vector<std::size_t>{3}, {Deleted::kKept, ""}).has_value());
    maildrop->reset();
    uidls = uidls_of(fetch_all(*store, kAnna));
    copy_folder(scratch.data(), crashed.data());
  }
  run_sql(crashed.data() + "/mailstead.db", "DROP TABLE removals");  // a schema that is not ours
  RecoveryReport report;
  auto store = open_store(crashed.data(), &report);
  CHECK(bodies(*store) == expected({1, 2, 3}));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  CHECK(store->list_messages(address(kAnna), MessageListing::kDeleted)->size() == 1);
  CHECK(std::ranges::find(report.actions, "read 3 messages that had no file yet from the damaged database") !=
        report.actions.end());
}

TEST_CASE("a filing that fails at any operation leaves the mail in the database", "[storage][filing]") {
  const int error_number = GENERATE(EIO, ENOSPC);
  at_each_fault([&](int n) {
    bool happened = false;
    Scratch scratch;
    auto store = store_with(scratch.data(), {kAnna});
    for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
    {
      DiskFault fault(n, error_number);
      const auto filed = file_mail(*store);
      happened = fault.happened();
      static_cast<void>(filed);
    }
    CHECK(bodies(*store) == expected({1, 2}));
    REQUIRE(file_mail(*store).has_value());  // the disk is well again
    CHECK(store->unfiled() == 0);
    CHECK(bodies(*store) == expected({1, 2}));
    CHECK(names_in(folder(scratch, "new")).size() == 2);
    store.reset();
    RecoveryReport report;
    store = open_store(scratch.data(), &report);
    CHECK(report.actions.empty());
    CHECK(bodies(*store) == expected({1, 2}));
    return happened;
  });
}
