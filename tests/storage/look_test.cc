// Looks at a maildir in slices, between which the store and other mail tools go on.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "storage/database/schema.h"
#include "storage/folder.h"
#include "storage/look/reconcile.h"
#include "storage/mailbox/maildir.h"
#include "storage/mailbox/message_id.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLarge = 5'001;  // messages: no login waits for a look at so many

// A mailbox of so many messages, whose contents are one file's.
class LargeMailbox {
 public:
  LargeMailbox() {
    REQUIRE(store_with(scratch.data(), {kAnna})->close().has_value());
    write_file(path(0), "A: 1\r\n\r\n");
    for (std::size_t i = 1; i < kLarge; ++i) fs::create_hard_link(path(0), path(i));
    store = open_store(scratch.data());
    REQUIRE(open()->totals().messages == kLarge);
  }

  std::string box() const { return scratch.data() + "/mail/example.org/anna/"; }
  std::string path(std::size_t number) const {
    const std::string digits = std::to_string(number);
    return box() + "new/1700000000." + std::string(15 - digits.size(), '0') + digits + ".host";
  }
  std::string seen(std::size_t number) const {
    return box() + "cur/" + fs::path(path(number)).filename().string() + ":2,S";
  }
  std::unique_ptr<Maildrop> open() { return std::move(store->open_maildrop(id_of(*store, kAnna)).value()); }
  std::size_t messages() { return open()->totals().messages; }
  // A login that begins a look, which is then `calls` calls old.
  void begin_look(std::size_t calls) {
    write_file(box() + "new/letter", "A: 2\n\n");
    open();
    for (; calls > 0; --calls) REQUIRE(store->take_in_files(100).value());
  }
  void finish_look() {
    while (store->take_in_files(100).value()) {
    }
  }

  Scratch scratch;
  std::unique_ptr<Store> store;
};

}  // namespace

TEST_CASE("a large mailbox is searched behind a login", "[storage][look]") {
  LargeMailbox it;
  SECTION("a file of another tool is seen by the next") {
    write_file(it.box() + "new/letter", "A: 2\n\n");
    CHECK(it.messages() == kLarge);
    REQUIRE(it.store->files_wait());
    it.finish_look();
    CHECK(it.messages() == kLarge + 1);
  }
  SECTION("a message under another name is found") {
    fs::rename(it.path(7), it.seen(7));
    const auto maildrop = it.open();
    it.finish_look();
    CHECK(read_message(*it.store, *maildrop, 7) == "A: 1\r\n\r\n");
  }
  SECTION("one that is gone is told to be when that is known") {
    const auto maildrop = it.open();
    it.finish_look();
    fs::remove(it.path(7));
    auto read = it.store->open_message(*maildrop, 7);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().kind == ErrorKind::kUnavailable);
    it.finish_look();
    CHECK_FALSE(it.store->open_message(*maildrop, 7).has_value());
    CHECK(read_message(*it.store, *maildrop, 8) == "A: 1\r\n\r\n");
    CHECK(maildrop->totals().messages == kLarge);
  }
}

TEST_CASE("what the store does during a look is no difference", "[storage][look]") {
  // Among the files, among the rows, and before what was found is settled.
  const std::size_t calls = GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{5});
  LargeMailbox it;
  it.begin_look(calls);
  REQUIRE(deliver(*it.store, {kAnna}, "B: 1\r\n\r\n").has_value());
  const DeleteTerms kept_terms{Deleted::kKept, ""};
  {
    const auto maildrop = it.open();
    const std::vector<std::size_t> some{0, 1, 2, kLarge - 1};
    REQUIRE(it.store->commit_deletes(*maildrop, some, kept_terms).has_value());
  }
  REQUIRE(it.store->purge_deleted(id_of(*it.store, kAnna), 100).value() == 0);
  const std::vector<std::string> back{"000000000000001"};
  REQUIRE(it.store->restore_messages(address(kAnna), back).has_value());
  static_cast<void>(it.store->take_notices());
  it.finish_look();
  CHECK(it.store->take_notices() == std::vector<std::string>{"imported 1 file in anna@example.org"});
  CHECK(it.messages() == kLarge - 3 + 2);
  // And all of it is so on the disk.
  it.store.reset();
  RecoveryReport report;
  it.store = open_store(it.scratch.data(), &report);
  CHECK(report.actions.empty());
  CHECK(it.messages() == kLarge - 3 + 2);
}

TEST_CASE("a message that is renamed during a look is not taken for missing", "[storage][look]") {
  const std::size_t calls = GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{5});
  LargeMailbox it;
  it.begin_look(calls);
  for (const std::size_t number : {std::size_t{0}, std::size_t{2'500}, kLarge - 1})
    fs::rename(it.path(number), it.seen(number));
  it.finish_look();
  CHECK(it.messages() == kLarge + 1);
}

TEST_CASE("whose flags change all the time is there all the time, under one UIDL", "[storage][look]") {
  constexpr std::size_t kMany = 1'500;
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string cur = scratch.data() + "/mail/example.org/anna/cur/";
  const auto path = [&](std::size_t number, std::size_t flags) {
    static constexpr const char* kFlags[] = {"", "S", "RS", "T", "F"};
    return fmt::format("{}1700000000.{:015}.host:2,{}", cur, number, kFlags[flags]);
  };
  for (std::size_t i = 0; i < kMany; ++i) write_file(path(i, 0), "A: 1\r\n\r\n");
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  REQUIRE(uidls.size() == kMany);
  std::atomic<bool> ends = false;
  std::thread tool([&] {
    std::mt19937 random(1);
    std::vector<std::size_t> flags(kMany, 0);
    while (!ends) {
      const std::size_t i = random() % kMany;
      const std::size_t before = std::exchange(flags[i], random() % 5);
      fs::rename(path(i, before), path(i, flags[i]));
    }
  });
  for (int logins = 0; logins < 25; ++logins) {
    const auto maildrop = store->open_maildrop(id_of(*store, kAnna)).value();
    std::vector<std::string> seen;
    for (const MaildropEntry& entry : entries_of(*store, *maildrop)) seen.push_back(entry.uidl);
    CHECK(seen == uidls);
  }
  ends = true;
  tool.join();
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  CHECK(names_in(cur).size() == kMany);
}

TEST_CASE("a login waits for no more than a slice of a great many files of others", "[storage][look]") {
  constexpr std::size_t kMany = 13'000;
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string box = scratch.data() + "/mail/example.org/anna/new/";
  write_file(box + "0", "A: 1\n\n");
  for (std::size_t i = 1; i < kMany; ++i) fs::create_hard_link(box + "0", box + std::to_string(i));
  const auto messages = [&] { return store->open_maildrop(id_of(*store, kAnna)).value()->totals().messages; };
  CHECK(messages() == 0);
  CHECK(store->files_wait());
  CHECK(messages() == 0);  // and another begins no second look
  std::size_t calls = 0;
  while (messages() == 0 && ++calls < 100) REQUIRE(store->take_in_files(2'000).value());
  CHECK(calls < 20);
}

TEST_CASE("a look ends with the store, and with its mailbox", "[storage][look]") {
  LargeMailbox it;
  it.begin_look(2);
  SECTION("store") {
    it.store.reset();
    it.store = open_store(it.scratch.data());
    CHECK(it.messages() == kLarge + 1);
  }
  SECTION("mailbox") {
    REQUIRE(it.store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
    CHECK_FALSE(it.store->take_in_files(100).value());
  }
}

namespace {

constexpr MailboxId kMailbox = 1;

// A maildir and its rows: the store changes both, another mail tool the files only. A message's content is
// its number.
class ChangingMailbox {
 public:
  explicit ChangingMailbox(unsigned seed)
      : random_(seed),
        folder_(DataFolder::open(scratch_.data(), "host").value()),
        database_(Database::open_in_memory().value()),
        maildir_(Maildir::make(*folder_, address(kAnna)).value()) {
    REQUIRE(migrate(*database_, schema_migrations()).has_value());
    journal_ = Journal::open(folder_->journal_fd(), {}).value();
    contents_ = std::make_unique<MailContents>(*database_, *journal_);
    filer_ = std::make_unique<Filer>(
        *database_, *contents_, watch_, *folder_,
        [](MailboxId) {
          return Error{ErrorKind::kNotFound, "none"};
        },
        [](const std::string&) {});
    REQUIRE(database_
                ->run("INSERT INTO mailboxes (local, domain, key, created_at) VALUES ('', '', ?1, 0)",
                      std::string_view(kAnna))
                .has_value());
  }

  void change() {
    switch (any(7)) {
      case 0:
        return deliver();
      case 1:
        return remove_as_store();
      case 2:
        return add_as_tool();
      case 3:
        return rename_as_tool();
      case 4:
        return remove_as_tool();
      case 5:
        return take_away();
      default:
        return bring_back();
    }
  }

  // A slice of a look. Nothing is missed whose file is there.
  void look_on() {
    if (look_ == nullptr) {
      look_ = std::make_unique<Reconciler>(*database_, *filer_, maildir_, kMailbox, naming_,
                                           MarkedFiles::kLeave, 0);
      still_ = true;
      searching_ = true;
    }
    if (searching_) {
      searching_ = look_->search(1 + any(3)).value();
      return;
    }
    const std::set<std::string> missing_before = uidls(MessageState::kMissing);
    const Reconciler::Slice slice{1 + any(3), 1 + any(2), any(3) * 20, [this] { return still_; }};
    if (!look_->settle(slice, [] { return Result<void>(); }).value()) look_.reset();
    for (const std::string& uidl : uidls(MessageState::kMissing)) {
      if (missing_before.contains(uidl)) continue;
      INFO(uidl);
      for (const std::string& path : files()) CHECK(path.find(uidl) == std::string::npos);
    }
  }

  // A whole look, after which rows and files agree.
  void check() {
    look_.reset();
    for (int i = 0; i < 2; ++i) {
      Reconciler whole(*database_, *filer_, maildir_, kMailbox, naming_, MarkedFiles::kLeave, 0);
      while (whole.search(SIZE_MAX).value()) {
      }
      const auto nothing = [] { return Result<void>(); };
      REQUIRE(whole.settle({SIZE_MAX, SIZE_MAX, UINT64_MAX, [] { return true; }}, nothing).has_value());
      const Reconciled& found = whole.result();
      CHECK(found.skipped.empty());
      if (i == 1) CHECK(found.moved + found.missing + found.returned + found.adopted + found.imported == 0);
    }
    std::set<std::string> present;
    std::set<int> numbers;
    const auto rows = Index(*database_).of_state(kMailbox, MessageState::kPresent);
    for (const MessageRow& row : rows.value()) {
      present.insert(row.name);
      const int number = std::stoi(read_file(box() + row.name).substr(3));
      CHECK(numbers.insert(number).second);
      CHECK(uidls_.try_emplace(number, row.uidl).first->second == row.uidl);
    }
    CHECK(present == files());
  }

 private:
  std::size_t any(std::size_t count) { return random_() % count; }
  std::string box() const { return scratch_.data() + "/mail/example.org/anna/"; }
  std::set<std::string> files() const {
    std::set<std::string> paths;
    for (const char* place : {"new/", "cur/"}) {
      for (const std::string& name : names_in(box() + place)) paths.insert(place + name);
    }
    return paths;
  }
  std::set<std::string> uidls(MessageState state) {
    std::set<std::string> found;
    const auto rows = Index(*database_).of_state(kMailbox, state);
    for (const MessageRow& row : rows.value()) found.insert(row.uidl);
    return found;
  }
  std::string content() { return "N: " + std::to_string(++number_) + "\r\n\r\n"; }
  // A file of the mailbox's, or nothing.
  std::string some_file() {
    const std::set<std::string> all = files();
    return all.empty() ? std::string()
                       : *std::next(all.begin(), static_cast<std::ptrdiff_t>(any(all.size())));
  }

  void deliver() {
    const std::string bytes = content();
    const MessageName name{1'700'000'000 + number_, ids_.next(), "host"};
    write_file(box() + "new/" + name.text(), bytes);
    MessageRow row;
    row.mailbox = kMailbox;
    row.uidl = name.id;
    row.name = "new/" + name.text();
    row.size = bytes.size();
    REQUIRE(Index(*database_).insert(row).has_value());
    uidls_[number_] = name.id;
  }
  void remove_as_store() {
    auto rows = Index(*database_).of_state(kMailbox, MessageState::kPresent).value();
    std::erase_if(rows, [&](const MessageRow& row) { return !maildir_.is_there(row.name); });
    if (rows.empty()) return;
    const MessageRow& row = rows[any(rows.size())];
    REQUIRE(maildir_.remove(row.name).has_value());
    REQUIRE(Index(*database_).erase(row.id).has_value());
  }
  void add_as_tool() {
    still_ = false;
    const std::string bytes = content();
    write_file(box() + (any(2) == 0 ? "new/" : "cur/") + "letter" + std::to_string(number_), bytes);
  }
  void rename_as_tool() {
    const std::string path = some_file();
    if (path.empty()) return;
    still_ = false;
    const std::string flags = any(2) == 0 ? ":2,S" : ":2,RS";
    fs::rename(box() + path, box() + "cur/" + std::string(base_name(path)) + flags);
  }
  void remove_as_tool() {
    const std::string path = some_file();
    if (path.empty()) return;
    still_ = false;
    fs::remove(box() + path);
  }
  void take_away() {
    const std::string path = some_file();
    if (path.empty() || !away_.empty()) return;
    still_ = false;
    away_ = path;
    fs::rename(box() + path, scratch_.path() + "/away");
  }
  void bring_back() {
    if (away_.empty()) return;
    still_ = false;
    fs::rename(scratch_.path() + "/away", box() + away_);
    away_.clear();
  }

  std::mt19937 random_;
  Scratch scratch_;
  MessageIds ids_;
  Naming naming_{ids_, "host"};
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<Database> database_;
  MaildirWatch watch_;
  std::unique_ptr<Journal> journal_;        // empty
  std::unique_ptr<MailContents> contents_;  // likewise
  std::unique_ptr<Filer> filer_;
  Maildir maildir_;
  std::unique_ptr<Reconciler> look_;
  bool searching_ = false;
  bool still_ = true;
  int number_ = 0;
  std::map<int, std::string> uidls_;  // by number, once it is known
  std::string away_;                  // where the file belongs that was taken away
};

}  // namespace

TEST_CASE("whatever happens during looks, rows and files agree after them", "[storage][look]") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    ChangingMailbox mailbox(seed);
    for (int step = 0; step < 200; ++step) {
      if (step % 3 == 0) mailbox.change();
      mailbox.look_on();
      if (step % 67 == 66) mailbox.check();
    }
  }
}
