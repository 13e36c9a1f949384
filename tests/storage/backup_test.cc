// Backups: one moment, whatever goes on; whole or not there, wherever they are broken off; and back again.
#include "storage/backup/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "backup_support.h"
#include "crash.h"
#include "queue_support.h"
#include "storage/backup/backup_prune.h"
#include "storage/backup/backup_restore.h"
#include "storage/backup/backup_trial.h"
#include "storage/backup/restore_place.h"
#include "storage/check/checker.h"
#include "storage/mailbox/message_id.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

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

TEST_CASE("mail without a file is new in the first backup that holds it, and in no other",
          "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 1);
  REQUIRE(back_up(scratch.data(), to).new_messages == 1);
  std::uint64_t octets = 0;
  for (const int number : {1, 2}) {
    const auto delivered = deliver_unfiled(*store, {kAnna}, numbered_mail(number));
    octets += delivered.value().copies.at(0).size;
  }
  CHECK(store->index_mail().has_value());
  const BackupSummary with_them = back_up(scratch.data(), to);
  CHECK(with_them.new_messages == 2);
  CHECK(with_them.new_octets == octets);
  CHECK(back_up(scratch.data(), to).new_messages == 0);
  // Their files are copied then, and are no new messages.
  REQUIRE(file_mail(*store).has_value());
  const BackupSummary with_files = back_up(scratch.data(), to);
  CHECK(with_files.new_messages == 0);
  CHECK(with_files.new_octets == octets);
  CHECK(back_up(scratch.data(), to).new_octets == 0);
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

TEST_CASE("a backup that lacks only what the store has lost holds what there is", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  const std::string back = scratch.path() + "/back";
  auto store = store_with(scratch.data(), {kAnna, kBert});
  deliver_some(*store, kAnna, 5);
  deliver_some(*store, kBert, 2);
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    const std::vector<std::size_t> two{0, 1};
    REQUIRE(store->commit_deletes(**maildrop, two, {Deleted::kKept, ""}).has_value());
  }
  REQUIRE(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  REQUIRE(store->remove_mailbox(address(kBert), KeepMail::kYes).has_value());
  const std::string maildir = scratch.data() + kMaildir;
  const std::string lost = names_in(maildir + "/deleted").front();
  const std::string whole = read_file(maildir + "/deleted/" + lost);
  fs::remove(maildir + "/deleted/" + lost);
  fs::remove(maildir + "/new/" + names_in(maildir + "/new").front());

  const BackupSummary summary = back_up(scratch.data(), to);
  CHECK(summary.troubles.size() == 2);
  CHECK(summary.lost == 1);
  CHECK(summary.lost_deleted == 1);
  CHECK(summary.holds_what_there_is());
  CHECK(summary.facts.messages == 2);
  CHECK(summary.deleted.messages == 1);
  CHECK(summary.kept.messages == 2);
  CHECK(summary.new_messages == 5);
  CHECK(summary.new_octets == summary.facts.octets + summary.deleted.octets + summary.kept.octets);
  const auto trial = try_backup(*backups_in(to), summary.facts.generation, nullptr);
  REQUIRE(trial.has_value());
  CHECK(trial->troubles.empty());
  CHECK(trial->messages == 2);
  CHECK(trial->octets == summary.facts.octets);
  CHECK(trial->deleted.octets == summary.deleted.octets);
  CHECK(trial->kept.messages == 2);
  CHECK(trial->kept.octets == summary.kept.octets);

  // What was deleted is not mail again, wherever its file returns from.
  write_file(to + kMaildir + "/" + lost, whole);
  restore(to, back);
  CHECK(fetch_all(*open_store(back), kAnna).size() == 2);

  mend_all(*store, scratch.data());
  CHECK(back_up(scratch.data(), scratch.path() + "/other").troubles.empty());
}

TEST_CASE("the store knows which folders its backups are in", "[storage][backup]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {});
  CHECK_FALSE(store->may_hold_backups("/b").value());
  REQUIRE(store->note_backup(1).has_value());  // an older program's
  CHECK(store->may_hold_backups("/b").value());
  for (const char* folder : {"/a", "/b", "/a"}) REQUIRE(store->note_backup(2, folder).has_value());
  CHECK(store->may_hold_backups("/a").value());
  CHECK(store->may_hold_backups("/b").value());
  CHECK_FALSE(store->may_hold_backups("/proc/x").value());
  for (int i = 0; i < 16; ++i) REQUIRE(store->note_backup(3, "/" + std::to_string(i)).has_value());
  CHECK_FALSE(store->may_hold_backups("/a").value());
  store.reset();
  store = open_store(scratch.data());
  CHECK(store->may_hold_backups("/15").value());
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
