// Backups: one moment, whatever goes on; whole or not there, wherever they are broken off; and back again.
#include "storage/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "crash.h"
#include "queue_support.h"
#include "storage/backup_prune.h"
#include "storage/backup_restore.h"
#include "storage/backup_trial.h"
#include "storage/checker.h"
#include "storage/message_id.h"
#include "storage/restore_place.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kMaildir = "/mail/example.org/anna";

Result<void> as_is(const std::function<Result<void>()>& work) {
  return work();
}

BackupTerms terms_for(const std::string& data) {
  BackupTerms terms;
  terms.data = data;
  terms.as_caller = as_is;
  return terms;
}

std::unique_ptr<BackupFolder> backups_in(const std::string& path,
                                         BackupFolder::Use use = BackupFolder::Use::kWrite) {
  auto folder = BackupFolder::open(path, use);
  if (!folder) FAIL(folder.error().message);
  return std::move(*folder);
}

Error refused_backups(const std::string& path, BackupFolder::Use use = BackupFolder::Use::kWrite) {
  auto folder = BackupFolder::open(path, use);
  REQUIRE_FALSE(folder.has_value());
  return folder.error();
}

// `meanwhile` is between the moment that it shows and its files.
Result<BackupSummary> try_back_up(
    const std::string& data, const std::string& to, const std::function<void()>& meanwhile = [] {}) {
  auto folder = BackupFolder::open(to, BackupFolder::Use::kWrite);
  if (!folder) return folder.error();
  auto backup = Backup::begin(**folder, terms_for(data));
  if (!backup) return backup.error();
  meanwhile();
  if (auto done = (*backup)->finish(); !done) return done.error();
  return (*backup)->summary();
}

BackupSummary back_up(
    const std::string& data, const std::string& to, const std::function<void()>& meanwhile = [] {}) {
  auto summary = try_back_up(data, to, meanwhile);
  if (!summary) FAIL(summary.error().message);
  return *summary;
}

Result<RestoreSummary> try_restore(const std::string& from, const std::string& data,
                                   OldData old_data = OldData::kRefuse,
                                   RestoredQueue queue = RestoredQueue::kSent,
                                   const std::string& generation = "") {
  auto folder = BackupFolder::open(from, BackupFolder::Use::kRead);
  if (!folder) return folder.error();
  auto chosen = (*folder)->choose(generation);
  if (!chosen) return chosen.error();
  auto place = RestorePlace::open(data, "test.example", old_data);
  if (!place) return place.error();
  RestoreSummary summary;
  if (!(*place)->is_whole()) {
    RestoreTerms terms;
    terms.as_caller = as_is;
    terms.queue = queue;
    auto filled = fill_from_backup(**folder, *chosen, (*place)->fd(), (*place)->path(), terms);
    if (!filled) return filled.error();
    summary = *filled;
  }
  if (auto placed = (*place)->put_in_place(); !placed) return placed.error();
  return summary;
}

RestoreSummary restore(const std::string& from, const std::string& data, OldData old_data = OldData::kRefuse,
                       RestoredQueue queue = RestoredQueue::kSent, const std::string& generation = "") {
  auto summary = try_restore(from, data, old_data, queue, generation);
  if (!summary) FAIL(summary.error().message);
  return *summary;
}

// Everything that is visible in it is whole.
void check_backups(const std::string& path) {
  const auto folder = backups_in(path);
  const auto generations = folder->generations();
  REQUIRE(generations.has_value());
  for (const std::string& generation : *generations) {
    INFO(generation);
    auto trial = try_backup(*folder, generation, {});
    if (!trial) FAIL(trial.error().message);
    CHECK(trial->troubles == std::vector<std::string>{});
  }
}

bool is_same_mail(const std::vector<Fetched>& a, const std::vector<Fetched>& b) {
  return std::ranges::equal(
      a, b, [](const Fetched& x, const Fetched& y) { return x.uidl == y.uidl && x.content == y.content; });
}

std::string numbered_mail(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\n.body " + std::to_string(number) + "\r\n";
}

void deliver_some(Store& store, const std::string& mailbox, int count) {
  for (int i = 0; i < count; ++i) REQUIRE(deliver(store, {mailbox}, numbered_mail(i)).has_value());
}

// As `mailstead verify --repair`.
void mend_all(Store& store, const std::string& data) {
  auto checker = Checker::open(data).value();
  const auto mailboxes = checker->mailboxes().value();
  Checker::Found found;
  for (const Checker::Mailbox& mailbox : mailboxes) {
    while (checker->check_messages(mailbox, {1, 0}, found).value()) {
    }
  }
  for (const auto& judgement : store.judge(found.suspicions, Mend::kYes)) REQUIRE(judgement.has_value());
}

void flip_octet(const std::string& file) {
  std::string content = read_file(file);
  content.at(content.size() / 2) ^= 1;
  write_file(file, content);
}

std::vector<std::string> troubles_of_newest(const std::string& backups) {
  const auto folder = backups_in(backups);
  return try_backup(*folder, folder->choose("").value(), {})->troubles;
}

std::string only_name_in(const std::string& folder) {
  const auto names = names_in(folder);
  REQUIRE(names.size() == 1);
  return names.front();
}

}  // namespace

TEST_CASE("a backup of a store at work brings back mail, UIDLs, passwords, aliases and queue",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  const std::string back = scratch.path() + "/back";
  auto store = store_with(scratch.data(), {kAnna, kBert});
  deliver_some(*store, kAnna, 5);
  REQUIRE(deliver_unfiled(*store, {kAnna, kBert}, "Subject: unfiled\r\n\r\n").has_value());
  delete_messages(*store, kAnna, {0});
  REQUIRE(store->add_alias("info@example.org", {address(kAnna)}).has_value());
  REQUIRE(store->add_app_password(address(kAnna), {"phone", PasswordScope::kRead, ApopUse::kYes, "secret"})
              .has_value());
  REQUIRE(submit(*store, submission(*store, {kFar}, "Subject: small\r\n\r\n")).has_value());
  REQUIRE(submit(*store, spooled(*store, submission(*store, {kWide}, "Subject: large\r\n\r\n"))).has_value());
  const auto anna = fetch_all(*store, kAnna);
  const auto bert = fetch_all(*store, kBert);
  const auto waiting = queued(*store);
  std::vector<std::string> waiting_mail;
  for (const QueuedMessage& message : waiting) waiting_mail.push_back(content_of(*store, message));

  const BackupSummary summary = back_up(scratch.data(), to);
  CHECK(summary.troubles.empty());
  CHECK(summary.facts.messages == anna.size() + bert.size());
  CHECK(summary.facts.mailboxes == 2);
  CHECK(summary.facts.queued == 2);
  check_backups(to);
  deliver_some(*store, kAnna, 1);  // after it

  const RestoreSummary restored = restore(to, back);
  CHECK(restored.lost == 0);
  CHECK(restored.queued == 2);
  auto again = open_store(back);
  CHECK(is_same_mail(fetch_all(*again, kAnna), anna));
  CHECK(is_same_mail(fetch_all(*again, kBert), bert));
  CHECK(again->credentials(address(kAnna))->password_hash == "$x$");
  const auto credentials = again->credentials(address(kAnna));
  REQUIRE(credentials->app_passwords.size() == 1);
  CHECK(credentials->app_passwords[0].apop_secret == "secret");
  CHECK(again->directory()->resolve(address("info@example.org")).size() == 1);
  CHECK(again->last_backup_at() == summary.facts.at);
  const auto waits_again = queued(*again);
  REQUIRE(waits_again.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(waits_again[i].id == waiting[i].id);
    CHECK(content_of(*again, waits_again[i]) == waiting_mail[i]);
  }
  // Mail goes on coming, under other UIDLs.
  deliver_some(*again, kAnna, 1);
  CHECK(fetch_all(*again, kAnna).size() == anna.size() + 1);
  CHECK((fs::status(back).permissions() & fs::perms::all) == fs::perms::owner_all);
}

TEST_CASE("deleted mail that can be restored is in a backup, and mail kept of a removed mailbox",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  const std::string back = scratch.path() + "/back";
  auto store = store_with(scratch.data(), {kAnna, kBert});
  deliver_some(*store, kAnna, 3);
  deliver_some(*store, kBert, 3);
  const auto bert = fetch_all(*store, kBert);
  const std::string uidl = fetch_all(*store, kAnna)[1].uidl;
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    const std::vector<std::size_t> second{1};
    REQUIRE(store->commit_deletes(**maildrop, second, {Deleted::kKept, "phone"}).has_value());
  }
  REQUIRE(store->purge_deleted(id_of(*store, kAnna), SIZE_MAX).has_value());
  REQUIRE(store->remove_mailbox(address(kBert), KeepMail::kYes).has_value());
  CHECK(back_up(scratch.data(), to).new_messages == 6);
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  restore(to, back);
  auto again = open_store(back);
  CHECK(fetch_all(*again, kAnna).size() == 2);
  const std::vector<std::string> uidls{uidl};
  REQUIRE(again->restore_messages(address(kAnna), uidls, LostFiles::kRefuse).has_value());
  CHECK(fetch_all(*again, kAnna).size() == 3);
  REQUIRE(again->add_mailbox(address(kBert), "$x$").has_value());
  CHECK(is_same_mail(fetch_all(*again, kBert), bert));
}

TEST_CASE("a second backup copies what is new, and each of them is whole", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 4);
  const auto first_mail = fetch_all(*store, kAnna);
  const BackupSummary first = back_up(scratch.data(), to);
  CHECK(first.new_messages == 4);
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  delete_messages(*store, kAnna, {0, 1});
  deliver_some(*store, kAnna, 3);
  const auto last_mail = fetch_all(*store, kAnna);
  CHECK(back_up(scratch.data(), to).new_messages == 3);
  check_backups(to);
  restore(to, scratch.path() + "/first", OldData::kRefuse, RestoredQueue::kSent, first.facts.generation);
  CHECK(is_same_mail(fetch_all(*open_store(scratch.path() + "/first"), kAnna), first_mail));
  restore(to, scratch.path() + "/last");
  CHECK(is_same_mail(fetch_all(*open_store(scratch.path() + "/last"), kAnna), last_mail));

  auto folder = backups_in(to);
  const auto pruned = prune_backups(*folder, 1, [] { return true; });
  REQUIRE(pruned.has_value());
  CHECK(pruned->generations == 2);
  CHECK(pruned->files == 2);
  CHECK(names_in(to + kMaildir).size() == 5);
  folder.reset();
  check_backups(to);
}

TEST_CASE("what other hands put into a backup folder stays there", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 1);
  back_up(scratch.data(), to);
  write_file(to + "/notes", "mine");
  write_file(to + kMaildir + "/notes", "mine");
  fs::create_directory(to + "/2026-11-30");
  write_file(to + "/2026-11-30/notes", "mine");
  fs::create_symlink("/etc", to + "/2020-01-01T00-00-00Z.unfinished");
  delete_messages(*store, kAnna, {0});
  back_up(scratch.data(), to);
  auto folder = backups_in(to);
  REQUIRE(prune_backups(*folder, 1, [] { return true; }).has_value());
  CHECK(names_in(to + kMaildir) == std::vector<std::string>{"notes"});
  CHECK(read_file(to + "/notes") == "mine");
  CHECK(read_file(to + "/2026-11-30/notes") == "mine");
  CHECK(fs::exists("/etc/passwd"));
}

TEST_CASE("mail that is deleted, or moved, while a backup is made leaves a whole backup",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna, kBert});
  deliver_some(*store, kAnna, 6);
  deliver_some(*store, kBert, 2);
  const auto before = fetch_all(*store, kAnna);
  const std::string maildir = scratch.data() + kMaildir;
  const BackupSummary summary = back_up(scratch.data(), to, [&] {
    delete_messages(*store, kAnna, {1, 3});
    REQUIRE(store->remove_mailbox(address(kBert), KeepMail::kNo).has_value());
    REQUIRE(store->sweep_removed(SIZE_MAX).has_value());
    // Another tool marks all of them as seen.
    for (const std::string& name : names_in(maildir + "/new"))
      fs::rename(maildir + "/new/" + name, maildir + "/cur/" + name + ":2,S");
  });
  CHECK(summary.gone == 4);
  CHECK(summary.troubles == std::vector<std::string>{});
  CHECK(summary.facts.messages == 4);
  check_backups(to);
  restore(to, scratch.path() + "/back");
  const auto after = fetch_all(*open_store(scratch.path() + "/back"), kAnna);
  CHECK(uidls_of(after) ==
        std::vector<std::string>{before[0].uidl, before[2].uidl, before[4].uidl, before[5].uidl});
}

TEST_CASE("queued mail that leaves while a backup is made is finished in it", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  for (const char* subject : {"Subject: 1\r\n\r\n", "Subject: 2\r\n\r\n"})
    REQUIRE(submit(*store, spooled(*store, submission(*store, {kFar}, subject))).has_value());
  const auto waiting = queued(*store);
  REQUIRE(waiting.size() == 2);
  const BackupSummary summary = back_up(scratch.data(), to, [&] {
    const QueueOutcome sent = outcome(waiting[0].recipients[0], QueueState::kDelivered, "250 2.0.0 OK");
    REQUIRE(store->note_outcomes({&sent, 1}).has_value());
  });
  CHECK(summary.troubles.empty());
  CHECK(summary.facts.queued == 1);
  check_backups(to);
  store.reset();
  for (const auto& [how, count] :
       {std::pair{RestoredQueue::kSent, 1}, {RestoredQueue::kHeld, 1}, {RestoredQueue::kLeftOut, 0}}) {
    const std::string back = scratch.path() + "/back" + std::to_string(static_cast<int>(how));
    restore(to, back, OldData::kRefuse, how);
    RecoveryReport report;
    auto again = open_store(back, &report);
    const auto waits = queued(*again);
    REQUIRE(waits.size() == static_cast<std::size_t>(count));
    if (count > 0) CHECK(waits[0].id == waiting[1].id);
    if (count > 0) CHECK(waits[0].held == (how == RestoredQueue::kHeld));
    CHECK_FALSE(mentions(report, "queue"));
  }
}

TEST_CASE("a file that is lost, short, or changed is told, and the rest is backed up", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 3);
  const std::string folder = scratch.data() + kMaildir + "/new/";
  auto names = names_in(folder);
  std::sort(names.begin(), names.end());
  fs::remove(folder + names[0]);
  fs::resize_file(folder + names[1], 1);
  std::string changed = read_file(folder + names[2]);
  changed.back() ^= 1;
  write_file(folder + names[2], changed);
  const BackupSummary summary = back_up(scratch.data(), to);
  CHECK(summary.troubles.size() == 3);
  CHECK(names_in(to + kMaildir).size() == 2);
  const RestoreSummary restored = restore(to, scratch.path() + "/back");
  CHECK(restored.lost == 2);  // that the other one was lost has been told
  CHECK(names_in(scratch.path() + "/back" + kMaildir + "/new").size() == 2);
}

TEST_CASE("a backup finds what an earlier one of its folder has lost", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 1);
  back_up(scratch.data(), to);
  const std::string file = to + kMaildir + "/" + only_name_in(to + kMaildir);
  const std::string content = read_file(file);
  fs::resize_file(file, 1);
  const auto folder_says = [&] {
    const auto folder = backups_in(to);
    return try_backup(*folder, folder->choose("").value(), {})->troubles.size();
  };
  CHECK(folder_says() > 0);
  CHECK(back_up(scratch.data(), to).new_messages == 1);
  CHECK(read_file(file) == content);
  CHECK(folder_says() == 0);
  // Never through a link.
  fs::remove(file);
  write_file(scratch.path() + "/elsewhere", content);
  fs::create_symlink(scratch.path() + "/elsewhere", file);
  CHECK(folder_says() > 0);
  CHECK(back_up(scratch.data(), to).new_messages == 1);
  CHECK(fs::is_regular_file(fs::symlink_status(file)));
}

TEST_CASE(
    "what a trial found to be changed in a backup is copied again by the next one, if it is still there",
    "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 3);
  back_up(scratch.data(), to);
  std::map<std::string, std::string> contents;
  for (const std::string& name : names_in(to + kMaildir)) {
    const std::string file = to + kMaildir + "/" + name;
    std::string content = contents[file] = read_file(file);
    content.back() ^= 1;  // as a disk may: its size and time tell nothing
    write_file(file, content);
  }
  REQUIRE(contents.size() == 3);
  const auto troubles = [&] {
    const auto folder = backups_in(to);
    return try_backup(*folder, folder->choose("").value(), {})->troubles.size();
  };
  CHECK(troubles() == 3);
  // Of one the backup is the last there is.
  fs::remove(scratch.data() + kMaildir + "/new/" + fs::path(contents.begin()->first).filename().string());
  CHECK(back_up(scratch.data(), to).new_messages == 2);
  for (const auto& [file, content] : contents)
    CHECK((read_file(file) == content) == (file != contents.begin()->first));
  CHECK(fs::exists(to + "/damaged"));
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  // It is back, and so is the file.
  write_file(scratch.data() + kMaildir + "/new/" + fs::path(contents.begin()->first).filename().string(),
             contents.begin()->second);
  store.reset();
  store = store_with(scratch.data(), {});
  CHECK(back_up(scratch.data(), to).new_messages == 1);
  CHECK(troubles() == 0);
  CHECK_FALSE(fs::exists(to + "/damaged"));
}

TEST_CASE("what a message became does not take the place of what an earlier backup holds of it",
          "[storage][backup]") {
  const std::string how = GENERATE("cut", "cut, and only its length is known", "an octet");
  INFO(how);
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 2);
  const auto first_mail = fetch_all(*store, kAnna);
  const std::string first = back_up(scratch.data(), to).facts.generation;
  const std::string name = names_in(scratch.data() + kMaildir + "/new").front();
  const std::string file = scratch.data() + kMaildir + "/new/" + name;
  const std::string whole = read_file(file);
  if (how == "an octet") {
    flip_octet(file);
  } else {
    fs::resize_file(file, 9);
  }
  if (how == "cut, and only its length is known") {
    run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET size = 9 WHERE name LIKE '%" + name + "'");
  } else {
    mend_all(*store, scratch.data());
  }
  const std::string changed = read_file(file);
  const auto last_mail = fetch_all(*store, kAnna);

  for (int i = 0; i < 3; ++i) {
    const auto generation = back_up(scratch.data(), to).facts.generation;
    CHECK(read_file(to + kMaildir + "/" + name) == whole);
    CHECK(names_in(to + kMaildir).size() == 3);
    if (how != "cut, and only its length is known") check_backups(to);
    if (how == "cut, and only its length is known") CHECK_FALSE(troubles_of_newest(to).empty());
    const std::string back = scratch.path() + "/" + std::to_string(i);
    restore(to, back + "first", OldData::kRefuse, RestoredQueue::kSent, first);
    CHECK(is_same_mail(fetch_all(*open_store(back + "first"), kAnna), first_mail));
    static_cast<void>(try_restore(to, back + "last", OldData::kRefuse, RestoredQueue::kSent, generation));
    CHECK(read_file(back + "last" + kMaildir + "/new/" + name) == changed);
  }

  // The last generation needs the changed one; and none of both when the message is gone.
  auto folder = backups_in(to);
  REQUIRE(prune_backups(*folder, 1, [] { return true; }).has_value());
  folder.reset();
  restore(to, scratch.path() + "/pruned");
  CHECK(read_file(scratch.path() + "/pruned" + kMaildir + "/new/" + name) == changed);
  delete_messages(*store, kAnna, {0, 1});
  back_up(scratch.data(), to);
  folder = backups_in(to);
  REQUIRE(prune_backups(*folder, 1, [] { return true; }).has_value());
  CHECK_FALSE(fs::exists(to + kMaildir));
}

TEST_CASE("a message that is as it came again needs no other file", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 1);
  const auto mail = fetch_all(*store, kAnna);
  back_up(scratch.data(), to);
  const std::string file =
      scratch.data() + kMaildir + "/new/" + only_name_in(scratch.data() + kMaildir + "/new");
  const std::string whole = read_file(file);
  flip_octet(file);
  mend_all(*store, scratch.data());
  CHECK(back_up(scratch.data(), to).new_messages == 1);
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  write_file(file, whole);
  mend_all(*store, scratch.data());
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  check_backups(to);
  auto folder = backups_in(to);
  REQUIRE(prune_backups(*folder, 1, [] { return true; }).has_value());
  CHECK(names_in(to + kMaildir).size() == 1);
  folder.reset();
  restore(to, scratch.path() + "/back");
  CHECK(is_same_mail(fetch_all(*open_store(scratch.path() + "/back"), kAnna), mail));
}

TEST_CASE("a hash that changed in the index alone costs an earlier backup nothing", "[storage][backup]") {
  // As a repair by an older program left it: nothing but the trial sees that the file in the backup is not
  // it.
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 1);
  const std::string first = back_up(scratch.data(), to).facts.generation;
  const std::string name = only_name_in(to + kMaildir);
  const std::string file = scratch.data() + kMaildir + "/new/" + name;
  const std::string whole = read_file(file);
  flip_octet(file);
  mend_all(*store, scratch.data());
  run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET came_hash = x''");
  back_up(scratch.data(), to);
  CHECK(troubles_of_newest(to).size() == 1);
  back_up(scratch.data(), to);
  CHECK(read_file(to + kMaildir + "/" + name) == whole);
  CHECK(troubles_of_newest(to).empty());
  CHECK_FALSE(fs::exists(to + "/damaged"));
  restore(to, scratch.path() + "/first", OldData::kRefuse, RestoredQueue::kSent, first);
  CHECK(read_file(scratch.path() + "/first" + kMaildir + "/new/" + name) == whole);
}

TEST_CASE("a damaged file of a backup is not given up for what its message became", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 1);
  back_up(scratch.data(), to);
  const std::string name = only_name_in(to + kMaildir);
  const std::string file = scratch.data() + kMaildir + "/new/" + name;
  const std::string whole = read_file(file);
  flip_octet(to + kMaildir + "/" + name);
  const std::string nearly = read_file(to + kMaildir + "/" + name);
  CHECK(troubles_of_newest(to).size() == 1);
  fs::resize_file(file, 9);
  mend_all(*store, scratch.data());
  back_up(scratch.data(), to);
  CHECK(read_file(to + kMaildir + "/" + name) == nearly);
  // The true one is back in the store, and then in the backup.
  write_file(file, whole);
  mend_all(*store, scratch.data());
  back_up(scratch.data(), to);
  CHECK(read_file(to + kMaildir + "/" + name) == whole);
  CHECK(troubles_of_newest(to).empty());
}

TEST_CASE("a trial reads deleted mail, kept mail and the queue, and the next backup copies what it found",
          "[storage][backup]") {
  const std::string what = GENERATE("deleted", "kept", "queue");
  INFO(what);
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna, kBert});
  deliver_some(*store, kAnna, 1);
  deliver_some(*store, kBert, 1);
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    const std::vector<std::size_t> only{0};
    REQUIRE(store->commit_deletes(**maildrop, only, {Deleted::kKept, "phone"}).has_value());
  }
  REQUIRE(store->purge_deleted(id_of(*store, kAnna), SIZE_MAX).has_value());
  REQUIRE(store->remove_mailbox(address(kBert), KeepMail::kYes).has_value());
  REQUIRE(submit(*store, spooled(*store, submission(*store, {kFar}, "Subject: 1\r\n\r\n"))).has_value());
  const auto queue_file = [&](const std::string& generation) {
    const std::string folder = to + "/" + generation + "/queue";
    return folder + "/" + only_name_in(folder);
  };
  const std::string first = back_up(scratch.data(), to).facts.generation;
  CHECK(troubles_of_newest(to).empty());
  const std::string pool = to + "/mail/example.org/" + (what == "kept" ? ".kept-bert" : "anna");
  const std::string file = what == "queue" ? queue_file(first) : pool + "/" + only_name_in(pool);
  const std::string whole = read_file(file);
  std::string changed = whole;
  changed[changed.size() - 3] ^= 1;
  write_file(file, changed);
  const auto troubles = troubles_of_newest(to);
  REQUIRE(troubles.size() == 1);
  CHECK(troubles[0].find("other octets") != std::string::npos);
  const BackupSummary again = back_up(scratch.data(), to);
  CHECK(again.troubles.empty());
  CHECK(again.new_messages == (what == "queue" ? 0 : 1));
  CHECK(read_file(what == "queue" ? queue_file(again.facts.generation) : file) == whole);
  CHECK(troubles_of_newest(to).empty());
  CHECK(back_up(scratch.data(), to).new_messages == 0);
}

TEST_CASE("kept mail that was cut takes nothing from an earlier backup, also one of an older program",
          "[storage][backup]") {
  const bool is_older = GENERATE(false, true);
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna, kBert});
  deliver_some(*store, kBert, 1);
  const auto mail = fetch_all(*store, kBert);
  REQUIRE(store->remove_mailbox(address(kBert), KeepMail::kYes).has_value());
  const std::string first = back_up(scratch.data(), to).facts.generation;
  const std::string kept = "/mail/example.org/.kept-bert";
  const std::string name = only_name_in(to + kept);
  const std::string whole = read_file(to + kept + "/" + name);
  if (is_older)
    run_sql(to + "/" + first + "/mailstead.db",
            "ALTER TABLE backup_kept DROP COLUMN hash; ALTER TABLE messages DROP COLUMN came_hash;"
            " ALTER TABLE queue DROP COLUMN hash; PRAGMA user_version = 15;");
  check_backups(to);
  const std::string in_store = scratch.data() + kept + "/new/" + name;
  fs::resize_file(in_store, 9);
  const std::string last = back_up(scratch.data(), to).facts.generation;
  CHECK(read_file(to + kept + "/" + name) == whole);
  check_backups(to);
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  restore(to, scratch.path() + "/first", OldData::kRefuse, RestoredQueue::kSent, first);
  CHECK(read_file(scratch.path() + "/first" + kept + "/new/" + name) == whole);
  restore(to, scratch.path() + "/last", OldData::kRefuse, RestoredQueue::kSent, last);
  CHECK(read_file(scratch.path() + "/last" + kept + "/new/" + name).size() == 9);
  auto folder = backups_in(to);
  REQUIRE(prune_backups(*folder, 1, [] { return true; }).has_value());
  folder.reset();
  check_backups(to);
}

TEST_CASE("a backup goes only where there is nothing else, and nobody else is", "[storage][backup]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string to = scratch.path() + "/backup";
  fs::create_directory(to);
  write_file(to + "/other", "");
  CHECK(refused_backups(to).kind == ErrorKind::kExists);
  fs::remove(to + "/other");
  CHECK(refused_backups(to, BackupFolder::Use::kRead).kind == ErrorKind::kNotFound);
  CHECK(refused_backups(scratch.path() + "/no/such").kind == ErrorKind::kNotFound);
  back_up(scratch.data(), to);
  {
    const auto first = backups_in(to);
    CHECK(refused_backups(to).kind == ErrorKind::kInUse);
    CHECK(refused_backups(to, BackupFolder::Use::kRead).kind == ErrorKind::kInUse);
  }
  const std::string other = scratch.path() + "/other";
  store_with(other, {kAnna}).reset();
  auto refused = try_back_up(other, to);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("another mail server") != std::string::npos);
  std::string mark = read_file(to + "/mailstead-backup");
  mark.replace(mark.find("format 1"), 8, "format 2");
  write_file(to + "/mailstead-backup", mark);
  CHECK(refused_backups(to).kind == ErrorKind::kInvalid);
}

TEST_CASE("a store that lost its database and was made anew is the same one to its backups",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 2);
  back_up(scratch.data(), to);
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "DROP TABLE imported;");  // damaged, as far as a start can tell
  store = open_store(scratch.data());
  CHECK(back_up(scratch.data(), to).new_messages == 0);
}

TEST_CASE("a restore takes an empty folder or a new one, and moves others aside when told",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 2);
  const auto mail = fetch_all(*store, kAnna);
  back_up(scratch.data(), to);
  CHECK(try_restore(to, scratch.data(), OldData::kMoveAside).error().kind == ErrorKind::kInUse);
  store.reset();
  CHECK(try_restore(to, scratch.data()).error().kind == ErrorKind::kExists);
  CHECK(fetch_all(*open_store(scratch.data()), kAnna).size() == 2);

  // As a volume is, or a server that was started before.
  const std::string fresh = scratch.path() + "/fresh";
  fs::create_directories(fresh + "/lost+found");
  write_file(fresh + "/mailstead.toml", "of its own");
  open_store(fresh).reset();
  restore(to, fresh);
  CHECK(is_same_mail(fetch_all(*open_store(fresh), kAnna), mail));
  CHECK(read_file(fresh + "/mailstead.toml") == "of its own");

  auto third = open_store(fresh);
  deliver_some(*third, kAnna, 1);
  third.reset();
  restore(to, fresh, OldData::kMoveAside);
  CHECK(is_same_mail(fetch_all(*open_store(fresh), kAnna), mail));
  std::size_t aside = 0;
  for (const std::string& name : names_in(fresh)) {
    if (!name.starts_with("replaced-") || !fs::exists(fresh + "/" + name + "/mail")) continue;
    ++aside;
    CHECK(names_in(fresh + "/" + name + kMaildir + "/new").size() == 3);
  }
  CHECK(aside == 1);
  write_file(scratch.path() + "/strange", "");
  fs::create_directory(scratch.path() + "/holds");
  write_file(scratch.path() + "/holds/strange", "");
  CHECK(try_restore(to, scratch.path() + "/holds").error().kind == ErrorKind::kExists);
}

TEST_CASE("a backup does not hold a key that is a credential, and its store wants that one back",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  const std::string back = scratch.path() + "/back";
  const std::string credentials = scratch.path() + "/credentials";
  fs::create_directory(credentials);
  write_file(credentials + "/secret.key", std::string(64, '1') + "\n");
  RecoveryReport report;
  const auto open_with_key = [&](const std::string& data) {
    auto store = Store::open({.data = data, .host = "test.example", .credentials = credentials}, report);
    if (!store) FAIL(store.error().message);
    return std::move(*store);
  };
  auto store = open_with_key(scratch.data());
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  REQUIRE(store->add_app_password(address(kAnna), {"phone", PasswordScope::kRead, ApopUse::kYes, "secret"})
              .has_value());
  const BackupSummary summary = back_up(scratch.data(), to);
  CHECK(summary.troubles.empty());
  check_backups(to);
  CHECK_FALSE(fs::exists(to + "/" + summary.facts.generation + "/secret.key"));

  // A server that has been started is no obstacle.
  open_with_key(back).reset();
  restore(to, back);
  CHECK(refused_store(back).message.find("secret.key is a credential") != std::string::npos);
  CHECK(open_with_key(back)->credentials(address(kAnna))->app_passwords.at(0).apop_secret == "secret");
}

TEST_CASE("a backup of a newer program is not restored", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  store_with(scratch.data(), {kAnna}).reset();
  const BackupSummary summary = back_up(scratch.data(), to);
  run_sql(to + "/" + summary.facts.generation + "/mailstead.db", "PRAGMA user_version = 999;");
  const auto refused = try_restore(to, scratch.path() + "/back");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("newer Mailstead") != std::string::npos);
  CHECK(names_in(scratch.path() + "/back") == std::vector<std::string>{"lock"});
}

TEST_CASE("a backup that fails at any operation is not there, and the next one is whole",
          "[storage][backup]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 3);
  REQUIRE(submit(*store, spooled(*store, submission(*store, {kFar}, "Subject: 1\r\n\r\n"))).has_value());
  bool failed = true;
  int n = 1;
  for (; failed; ++n) {
    REQUIRE(n < 1000);
    INFO("operation " << n);
    const std::string to = scratch.path() + "/" + std::to_string(n);
    Result<BackupSummary> made = Error{};
    {
      const DiskFault fault(n, ENOSPC);
      made = try_back_up(scratch.data(), to);
      failed = fault.happened();
    }
    if (!failed) CHECK(made.has_value());
    check_backups(to);
    back_up(scratch.data(), to);
    check_backups(to);
    fs::remove_all(to);
  }
  CHECK(n > 15);
}

TEST_CASE("a crash at any operation of a backup leaves whole ones only, and the next run goes on",
          "[storage][backup][crash]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 3);
  const std::string first = scratch.path() + "/first";
  back_up(scratch.data(), first);
  delete_messages(*store, kAnna, {0});
  deliver_some(*store, kAnna, 2);
  REQUIRE(submit(*store, spooled(*store, submission(*store, {kFar}, "Subject: 1\r\n\r\n"))).has_value());
  store->close().value();
  store.reset();
  bool crashed = true;
  int n = 1;
  for (; crashed; ++n) {
    REQUIRE(n < 1000);
    INFO("operation " << n);
    const std::string to = scratch.path() + "/" + std::to_string(n);
    copy_folder(first, to);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge&) {
      const auto at_work = open_store(scratch.data());
      arm();
      back_up(scratch.data(), to);
      const auto folder = backups_in(to);
      prune_backups(*folder, 1, [] { return true; }).value();
    });
    crashed = run.crashed;
    check_backups(to);
    const auto at_work = open_store(scratch.data());
    back_up(scratch.data(), to);
    {
      const auto folder = backups_in(to);
      REQUIRE(prune_backups(*folder, 1, [] { return true; }).has_value());
      CHECK(folder->generations()->size() == 1);
    }
    CHECK(names_in(to + kMaildir).size() == 4);
    check_backups(to);
    fs::remove_all(to);
  }
  CHECK(n > 20);
}

TEST_CASE("a crash at any operation of a restore is refused by a start, or whole; another one finishes it",
          "[storage][backup][crash]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 2);
  const auto mail = fetch_all(*store, kAnna);
  back_up(scratch.data(), to);
  deliver_some(*store, kAnna, 1);
  const auto newer = fetch_all(*store, kAnna);
  store->close().value();
  store.reset();
  bool crashed = true;
  int n = 1;
  for (; crashed; ++n) {
    REQUIRE(n < 1000);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge&) {
      arm();
      restore(to, data, OldData::kMoveAside);
    });
    crashed = run.crashed;
    RecoveryReport report;
    auto opened = Store::open({data, "test.example"}, report);
    if (opened) {
      const auto found = fetch_all(**opened, kAnna);
      CHECK((is_same_mail(found, mail) || is_same_mail(found, newer)));
      opened->reset();
    } else {
      CHECK(opened.error().message.find("mailstead restore") != std::string::npos);
    }
    restore(to, data, OldData::kMoveAside);
    CHECK(is_same_mail(fetch_all(*open_store(data), kAnna), mail));
    // What was there is somewhere.
    bool is_aside = false;
    for (const std::string& name : names_in(data)) {
      const std::string folder = data + "/" + name + kMaildir + "/new";
      is_aside |= name.starts_with("replaced-") && fs::exists(folder) && names_in(folder).size() == 3;
    }
    CHECK(is_aside);
    fs::remove_all(data);
  }
  CHECK(n > 20);
}
