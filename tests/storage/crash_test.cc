// A process that dies at any operation on the disk: what was acknowledged stays, once; what was not is there
// at most once; nobody's mail is deleted that was not asked to be.
#include "crash.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr int kMostOperations = 400;

std::string content_of(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\n.body " + std::to_string(number) + "\r\n";
}

std::vector<std::string> recipients_of(int number) {
  if (number % 3 == 0) return {kAnna, kBert};
  return {number % 3 == 1 ? kAnna : kBert};
}

std::size_t count_in(const std::vector<Fetched>& mail, const std::string& content) {
  return static_cast<std::size_t>(std::count_if(
      mail.begin(), mail.end(), [&](const Fetched& message) { return message.content == content; }));
}

void deliver_two_batches(Store& store, const Acknowledge& acknowledge) {
  for (int first : {0, 4}) {
    std::vector<Delivery> batch;
    for (int i = first; i < first + 4; ++i) batch.push_back(message(store, recipients_of(i), content_of(i)));
    auto results = store.deliver(batch);
    for (int i = 0; i < 4; ++i) {
      if (results[static_cast<std::size_t>(i)]) acknowledge(first + i);
    }
    static_cast<void>(file_mail(store));
  }
}

// Checks the mail of both mailboxes against what was acknowledged.
void check_deliveries(Store& store, const std::vector<int>& acknowledged) {
  for (const char* mailbox : {kAnna, kBert}) {
    const auto mail = fetch_all(store, mailbox);
    std::size_t explained = 0;
    for (int i = 0; i < 8; ++i) {
      const auto recipients = recipients_of(i);
      const bool mine = std::find(recipients.begin(), recipients.end(), mailbox) != recipients.end();
      const bool promised = std::find(acknowledged.begin(), acknowledged.end(), i) != acknowledged.end();
      const std::size_t count = count_in(mail, kept(mailbox, content_of(i)));
      CHECK(count <= (mine ? 1u : 0u));
      if (mine && promised) CHECK(count == 1);
      explained += count;
    }
    CHECK(explained == mail.size());
  }
}

}  // namespace

TEST_CASE("a crash at any operation of a delivery loses nothing acknowledged and doubles nothing",
          "[storage][crash]") {
  Scratch scratch;
  store_with(scratch.data(), {kAnna, kBert}).reset();
  bool crashed = true;
  int n = 0;
  while (crashed) {
    ++n;
    REQUIRE(n < kMostOperations);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      arm();
      deliver_two_batches(*store, acknowledge);
    });
    crashed = run.crashed;
    RecoveryReport report;
    auto store = open_store(data, &report);
    if (!crashed) CHECK(report.clean);
    if (run.acknowledged.size() < 8) CHECK_FALSE(report.clean);  // after that it may have died closing
    check_deliveries(*store, run.acknowledged);
    for (const char* user : {"anna", "bert"})
      CHECK(names_in(data + "/mail/example.org/" + user + "/tmp").empty());
    // And once more: recovery found an end.
    const auto before = uidls_of(fetch_all(*store, kAnna));
    store.reset();
    RecoveryReport second;
    store = open_store(data, &second);
    CHECK(second.clean);
    CHECK(second.actions.empty());
    CHECK(uidls_of(fetch_all(*store, kAnna)) == before);
    store.reset();
    std::filesystem::remove_all(data);
  }
  CHECK(n > 30);
}

TEST_CASE("a crash at any operation of a deletion leaves all or nothing", "[storage][crash]") {
  Scratch scratch;
  {
    auto store = store_with(scratch.data(), {kAnna});
    for (int i = 0; i < 4; ++i) REQUIRE(deliver(*store, {kAnna}, content_of(i)).has_value());
  }
  bool crashed = true;
  for (int n = 1; crashed; ++n) {
    REQUIRE(n < kMostOperations);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      auto maildrop = store->open_maildrop(id_of(*store, kAnna));
      arm();
      const std::vector<std::size_t> indices{0, 2};
      if (maildrop && store->commit_deletes(**maildrop, indices)) acknowledge(1);
      static_cast<void>(store->purge_deleted(id_of(*store, kAnna), 1));
      static_cast<void>(store->purge_deleted(id_of(*store, kAnna), 1));
    });
    crashed = run.crashed;
    auto store = open_store(data);
    const auto mail = fetch_all(*store, kAnna);
    if (!run.acknowledged.empty()) CHECK(mail.size() == 2);
    CHECK((mail.size() == 4 || mail.size() == 2));
    for (int i : {1, 3}) CHECK(count_in(mail, kept(kAnna, content_of(i))) == 1);
    CHECK(names_in(data + "/mail/example.org/anna/new").size() == mail.size());
    store.reset();
    std::filesystem::remove_all(data);
  }
}

TEST_CASE("a crash at any operation of a deletion that keeps, a restore, or freeing leaves all or nothing",
          "[storage][crash]") {
  Scratch scratch;
  std::vector<Fetched> before;
  {
    auto store = store_with(scratch.data(), {kAnna});
    for (int i = 0; i < 5; ++i) REQUIRE(deliver(*store, {kAnna}, content_of(i)).has_value());
    before = fetch_all(*store, kAnna);
  }
  // What the child says when each step was promised.
  enum { kDeleted = 1, kRestored = 2, kDeletedAgain = 3, kFreed = 4 };
  bool crashed = true;
  int n = 0;
  while (crashed) {
    ++n;
    REQUIRE(n < kMostOperations);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      const MailboxId anna = id_of(*store, kAnna);
      const auto remove = [&](const std::vector<std::size_t>& indices, int what) {
        auto maildrop = store->open_maildrop(anna);
        if (maildrop && store->commit_deletes(**maildrop, indices, {Deleted::kKept, "phone"}))
          acknowledge(what);
      };
      arm();
      remove({0, 2, 4}, kDeleted);
      static_cast<void>(store->purge_deleted(anna, 2));
      const std::vector<std::string> two{before[0].uidl, before[4].uidl};
      if (store->restore_messages(address(kAnna), two)) acknowledge(kRestored);
      static_cast<void>(store->purge_deleted(anna, 2));
      remove({0}, kDeletedAgain);
      if (store->free_deleted({7 * 24 * 3600, UINT64_MAX}, 1)) acknowledge(kFreed);
    });
    crashed = run.crashed;
    const auto promised = [&](int what) {
      return std::find(run.acknowledged.begin(), run.acknowledged.end(), what) != run.acknowledged.end();
    };
    RecoveryReport report;
    auto store = open_store(data, &report);
    const auto mail = uidls_of(fetch_all(*store, kAnna));
    std::vector<std::string> deleted;
    const auto listed = store->list_messages(address(kAnna), MessageListing::kDeleted);
    for (const KnownMessage& message : listed.value()) deleted.push_back(message.uidl);
    const auto has = [](const std::vector<std::string>& uidls, const std::string& uidl) {
      return std::count(uidls.begin(), uidls.end(), uidl) == 1;
    };
    for (int i : {1, 3}) CHECK(has(mail, before[static_cast<std::size_t>(i)].uidl));
    // Each message is in one place, once; only the oldest deleted one may be freed, and only when that began.
    for (const Fetched& message : before) {
      const bool may_be_freed = message.uidl == before[2].uidl && promised(kDeletedAgain);
      const int places = int{has(mail, message.uidl)} + int{has(deleted, message.uidl)};
      CHECK((places == 1 || (may_be_freed && places == 0)));
    }
    CHECK(std::is_sorted(mail.begin(), mail.end()));  // ids grow: everything is in its old place
    if (promised(kDeleted)) CHECK_FALSE(has(mail, before[2].uidl));
    if (promised(kRestored)) CHECK(has(mail, before[4].uidl));
    if (promised(kRestored) && !promised(kDeletedAgain)) {
      CHECK((mail.size() == 4 || mail.size() == 3));
    }
    if (promised(kDeletedAgain)) CHECK(has(deleted, before[0].uidl));
    if (promised(kFreed)) CHECK_FALSE(has(deleted, before[2].uidl));
    const std::string box = data + "/mail/example.org/anna/";
    store.reset();
    CHECK(names_in(box + "new").size() == mail.size());
    const std::size_t aside = std::filesystem::exists(box + "deleted") ? names_in(box + "deleted").size() : 0;
    CHECK(aside == deleted.size());
    // What is deleted can be restored whole, and recovery found an end.
    RecoveryReport second;
    store = open_store(data, &second);
    CHECK(second.clean);
    CHECK(second.actions.empty());
    if (!deleted.empty()) REQUIRE(store->restore_messages(address(kAnna), deleted).has_value());
    for (const Fetched& message : fetch_all(*store, kAnna)) {
      const auto same = std::find_if(before.begin(), before.end(),
                                     [&](const Fetched& one) { return one.uidl == message.uidl; });
      REQUIRE(same != before.end());
      CHECK(same->content == message.content);
    }
    store.reset();
    std::filesystem::remove_all(data);
  }
  CHECK(n > 30);
}

TEST_CASE("a crash at any operation of a recovery is recovered from", "[storage][crash]") {
  Scratch scratch;
  std::vector<std::string> uidls;
  {
    auto store = store_with(scratch.data(), {kAnna, kBert});
    REQUIRE(store->add_alias("info@example.org", {address(kAnna)}).has_value());
    for (int i = 0; i < 8; ++i) REQUIRE(deliver(*store, recipients_of(i), content_of(i)).has_value());
    uidls = uidls_of(fetch_all(*store, kAnna));
  }
  const std::string inbox = scratch.data() + "/mail/example.org/anna/new/";
  write_file(inbox + "dropped.by.hand", "A: b\n\nforeign\n");
  write_file(inbox + "another", "A: c\r\n\r\nwith its CRLF\r\n");
  write_file(scratch.data() + "/mail/example.org/anna/tmp/1700000000.0123456789abcde.host", "half a mess");

  const bool damaged = GENERATE(false, true);
  INFO("damaged " << damaged);
  if (damaged) {
    // The last pages go: the index of messages is hurt, what stands before it can be read.
    const std::string database = scratch.data() + "/mailstead.db";
    std::filesystem::resize_file(database, std::filesystem::file_size(database) - 4096);
  }
  bool crashed = true;
  for (int n = 1; crashed; ++n) {
    REQUIRE(n < kMostOperations);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge&) {
      arm();
      open_store(data)->close().value();
    });
    crashed = run.crashed;
    auto store = open_store(data);
    CHECK(store->credentials(address(kAnna)).has_value());
    CHECK(store->directory()->resolve(address("info@example.org")).size() == 1);
    const auto mail = fetch_all(*store, kAnna);
    CHECK(mail.size() == uidls.size() + 2);
    CHECK(count_in(mail, "A: c\r\n\r\nwith its CRLF\r\n") == 1);
    CHECK(count_in(mail, "A: b\r\n\r\nforeign\r\n") == 1);
    for (const std::string& uidl : uidls) {
      CHECK(std::count_if(mail.begin(), mail.end(), [&](const Fetched& one) { return one.uidl == uidl; }) ==
            1);
    }
    CHECK(names_in(data + "/mail/example.org/anna/tmp").empty());
    store.reset();
    std::filesystem::remove_all(data);
  }
}

TEST_CASE("a crash at any operation of adding or removing a mailbox leaves it there or gone",
          "[storage][crash]") {
  Scratch scratch;
  {
    auto store = store_with(scratch.data(), {kAnna, kBert});
    REQUIRE(deliver(*store, {kAnna}, content_of(1)).has_value());
  }
  const KeepMail keep = GENERATE(KeepMail::kNo, KeepMail::kYes);
  bool crashed = true;
  for (int n = 1; crashed; ++n) {
    REQUIRE(n < kMostOperations);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    const CrashRun run = run_until(n, [&](const Arm& arm, const Acknowledge& acknowledge) {
      auto store = open_store(data);
      arm();
      if (store->remove_mailbox(address(kAnna), keep)) acknowledge(1);
      static_cast<void>(store->sweep_removed(3));
      if (store->add_mailbox(address(kAnna), "$new$")) acknowledge(2);
    });
    crashed = run.crashed;
    auto store = open_store(data);
    const auto found = store->credentials(address(kAnna));
    const auto acknowledged = run.acknowledged.size();
    if (acknowledged == 0) {
      CHECK((!found || found->password_hash == "$x$"));
    } else if (acknowledged == 1) {
      CHECK((!found || found->password_hash == "$new$"));
    } else {
      REQUIRE(found.has_value());
      CHECK(found->password_hash == "$new$");
    }
    if (!found) {
      // Gone, and not back without a password.
      CHECK(store->directory()->find(address(kAnna)) == nullptr);
      REQUIRE(store->add_mailbox(address(kAnna), "$again$").has_value());
    }
    const std::size_t mail = fetch_all(*store, kAnna).size();
    const bool was_never_removed = found && found->password_hash == "$x$";
    CHECK(mail == (was_never_removed || keep == KeepMail::kYes ? 1u : 0u));
    store.reset();
    std::filesystem::remove_all(data);
  }
}

TEST_CASE("an operation that fails during a delivery fails its messages only", "[storage][crash]") {
  Scratch scratch;
  store_with(scratch.data(), {kAnna, kBert}).reset();
  const int error_number = GENERATE(EIO, ENOSPC);
  at_each_fault([&](int n) {
    bool happened = false;
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    auto store = open_store(data);
    std::vector<int> acknowledged;
    {
      DiskFault fault(n, error_number);
      deliver_two_batches(*store, [&](int what) { acknowledged.push_back(what); });
      happened = fault.happened();
    }
    if (!happened) CHECK(acknowledged.size() == 8);
    check_deliveries(*store, acknowledged);
    std::size_t copies = 0;
    for (int i : acknowledged) copies += recipients_of(i).size();
    CHECK(fetch_all(*store, kAnna).size() + fetch_all(*store, kBert).size() == copies);
    store.reset();
    std::filesystem::remove_all(data);
    return happened;
  });
}

TEST_CASE("a commit whose outcome is not known ends the process", "[storage][crash]") {
  Scratch scratch;
  store_with(scratch.data(), {kAnna}).reset();
  const bool administrative = GENERATE(false, true);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto store = open_store(scratch.data());
    // No file may grow past what the WAL is now: its next write fails, and not for want of space.
    const auto size = std::filesystem::file_size(scratch.data() + "/mailstead.db-wal");
    ::signal(SIGXFSZ, SIG_IGN);
    ::signal(SIGABRT, SIG_DFL);
    const struct rlimit limit = {size, size};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::fclose(stderr);
    auto result = administrative ? store->set_password(address(kAnna), "$y$").has_value()
                                 : deliver(*store, {kAnna}, content_of(1)).has_value();
    ::_exit(result ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
  auto store = open_store(scratch.data());
  CHECK(fetch_all(*store, kAnna).size() <= 1);
}
