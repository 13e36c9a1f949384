// A folder of backups over time: what a later one may take from an earlier one, and what it must not.
#include "storage/backup/backup_generations.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "backup_support.h"
#include "queue_support.h"
#include "storage/backup/backup_prune.h"
#include "storage/backup/backup_trial.h"
#include "storage/check/checker.h"
#include "storage/mailbox/message_id.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

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

TEST_CASE("a damaged backup is told, keeps what it may need, and the others go", "[storage][backup]") {
  Scratch scratch;
  const std::string to = scratch.path() + "/backup";
  auto store = store_with(scratch.data(), {kAnna});
  deliver_some(*store, kAnna, 2);
  std::vector<std::string> generations;
  for (int i = 0; i < 4; ++i) {
    generations.push_back(back_up(scratch.data(), to).facts.generation);
    delete_messages(*store, kAnna, {0});
    deliver_some(*store, kAnna, 1);
  }
  const auto in_pool = names_in(to + kMaildir).size();
  const std::string damaged = to + "/" + generations[2] + "/mailstead.db";
  const std::string database = read_file(damaged);
  std::string broken = database;
  if (GENERATE(true, false)) {
    broken.replace(0, 4096, std::string(4096, 'x'));
  } else {
    broken = with_damaged_messages(broken);
  }
  write_file(damaged, broken);
  auto folder = backups_in(to);
  for (int i = 0; i < 2; ++i) {
    const auto pruned = prune_backups(*folder, 2, [] { return true; });
    REQUIRE(pruned.has_value());
    CHECK(pruned->generations == (i == 0 ? 2 : 0));
    CHECK(pruned->files == 0);
    REQUIRE(pruned->troubles.size() == 1);
    CHECK(pruned->troubles[0].find(to + "/" + generations[2] + " cannot be read") != std::string::npos);
  }
  CHECK(names_in(to + kMaildir).size() == in_pool);
  // What it kept goes when it can be read again, or has gone.
  write_file(damaged, database);
  const auto pruned = prune_backups(*folder, 2, [] { return true; });
  REQUIRE(pruned.has_value());
  CHECK(pruned->troubles.empty());
  CHECK(pruned->files > 0);
  folder.reset();
  check_backups(to);
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
