#include "server/storage_thread.h"

#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "storage/files.h"
#include "storage/look/reconcile.h"
#include "tests/catch.h"
#include "tests/storage/support.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr std::size_t kMany = 700;  // more than the start and one slice take in

std::string box_of(const Scratch& scratch, const std::string& user) {
  return scratch.data() + "/mail/example.org/" + user + "/";
}

}  // namespace

TEST_CASE("a mailbox that resists does not stop the import of the others' files", "[storage_thread]") {
  // Whoever has the first turn, in one of the two it is the one that resists.
  std::string resists = "anna";
  std::string other = "bert";
  SECTION("anna's resists") {}
  SECTION("bert's resists") {
    std::swap(resists, other);
  }
  Scratch scratch;
  store_with(scratch.data(), {"anna@example.org", "bert@example.org"}).reset();
  for (const char* user : {"anna", "bert"}) {
    for (std::size_t i = 0; i < kMany; ++i) {
      write_file(box_of(scratch, user) + "new/" + std::to_string(i), "A: 1\n\n");
    }
  }
  auto store = open_store(scratch.data());
  REQUIRE(store->files_wait());
  static_cast<void>(store->take_notices());
  std::filesystem::rename(box_of(scratch, resists), scratch.path() + "/elsewhere");

  uv_loop_t loop;
  uv_loop_init(&loop);
  std::size_t imported = 0;
  StorageThread storage(&loop, *store, [&](const std::string& notice) {
    if (notice.ends_with("in " + other + "@example.org") && notice.starts_with("imported ")) {
      imported += std::stoul(notice.substr(std::string("imported ").size()));
    }
  });
  storage.import_files();
  // No other job comes that would set it going again.
  bool late = false;
  uv_timer_t limit;
  uv_timer_init(&loop, &limit);
  limit.data = &late;
  uv_timer_start(
      &limit, [](uv_timer_t* timer) { *static_cast<bool*>(timer->data) = true; }, 120'000, 0);
  constexpr std::size_t kLeftByStart = kMany - kImportSlice;
  while (imported < kLeftByStart && !late) uv_run(&loop, UV_RUN_ONCE);
  CHECK(imported == kLeftByStart);
  uv_close(reinterpret_cast<uv_handle_t*>(&limit), nullptr);
  storage.stop([] {});
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK_FALSE(store->files_wait());
  CHECK(fetch_all(*store, other + "@example.org").size() == kMany);
}

TEST_CASE("what is committed together is answered together, whatever else waits", "[storage_thread]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  uv_loop_t loop;
  uv_loop_init(&loop);
  StorageThread storage(&loop, *store, [](const std::string&) {});
  std::atomic<bool> go = false;
  REQUIRE(storage.post(
      [&](Store&) {
        while (!go) std::this_thread::yield();
      },
      [] {}));
  constexpr int kDeliveries = 600;  // more than one batch
  int delivered = 0;
  int noted = 0;
  int reads = 0;
  int reads_before_first = -1;
  for (int i = 0; i < kDeliveries; ++i) {
    REQUIRE(storage.deliver(message(*store, {"anna@example.org"}, "A: b\r\n\r\nx\r\n"),
                            [&](const Result<Delivered>& result) {
                              CHECK(result.has_value());
                              ++delivered;
                            }));
  }
  REQUIRE(storage.note_outcomes({}, [&](const Result<void>& result) {
    CHECK(result.has_value());
    CHECK(delivered > 100);  // of the same commit
    ++noted;
    reads_before_first = reads;
  }));
  // Somebody always wants to read.
  std::function<void()> read = [&] {
    ++reads;
    if (delivered < kDeliveries) static_cast<void>(storage.post([](Store&) {}, [&] { read(); }));
  };
  for (int i = 0; i < 100; ++i) read();
  go = true;
  while (delivered < kDeliveries) uv_run(&loop, UV_RUN_ONCE);
  CHECK(noted == 1);
  CHECK(reads_before_first >= 0);
  storage.stop([] {});
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK(fetch_all(*store, "anna@example.org").size() == kDeliveries);
}

TEST_CASE("what waits for a commit is committed when the thread stops", "[storage_thread]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  uv_loop_t loop;
  uv_loop_init(&loop);
  StorageThread storage(&loop, *store, [](const std::string&) {});
  int delivered = 0;
  for (int i = 0; i < 600; ++i) {
    REQUIRE(storage.deliver(message(*store, {"anna@example.org"}, "A: b\r\n\r\nx\r\n"),
                            [&](const Result<Delivered>& result) { delivered += result ? 1 : 0; }));
  }
  storage.stop([] {});
  CHECK_FALSE(
      storage.deliver(message(*store, {"anna@example.org"}, "A: b\r\n\r\nx\r\n"), [](const auto&) {}));
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK(delivered == 600);
}

namespace {

std::atomic<int> commits = 0;
std::atomic<bool> commits_fail = false;

// Counts what SQLite is asked to commit.
int count_commits(const char* operation) {
  if (std::string_view(operation) != "commit") return 0;
  ++commits;
  return commits_fail ? EIO : 0;
}

// Runs the loop for so many milliseconds, or until it is stopped.
void run_for(uv_loop_t& loop, std::uint64_t milliseconds) {
  uv_timer_t timer;
  uv_timer_init(&loop, &timer);
  uv_timer_start(
      &timer, [](uv_timer_t* each) { uv_stop(each->loop); }, milliseconds, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
  uv_run(&loop, UV_RUN_NOWAIT);
}

}  // namespace

TEST_CASE("mail gets into the index by itself, and where that fails it is not tried without end",
          "[storage_thread]") {
  const unsigned messages = GENERATE(1U, 100U);  // at once, and a little later in several steps
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  uv_loop_t loop;
  uv_loop_init(&loop);
  commits = 0;
  commits_fail = false;
  set_disk_hook(count_commits);
  unsigned delivered = 0;
  {
    StorageThread storage(&loop, *store, [](const std::string&) {});
    unsigned answered = 0;
    const auto deliver = [&] {
      for (unsigned i = 0; i < messages; ++i) {
        REQUIRE(storage.deliver(message(*store, {"anna@example.org"}, "A: b\r\n\r\nx\r\n"),
                                [&](const Result<Delivered>& result) {
                                  ++answered;
                                  delivered += result ? 1U : 0U;
                                }));
      }
    };
    deliver();
    for (int i = 0; i < 100 && commits == 0; ++i) run_for(loop, 100);
    CHECK(commits > 0);
    CHECK(answered == messages);
    CHECK(delivered == messages);
    commits_fail = true;
    deliver();
    for (int i = 0; i < 100 && answered < 2 * messages; ++i) run_for(loop, 100);
    CHECK(answered == 2 * messages);
    CHECK(delivered > messages);  // until the first failure
    commits = 0;
    run_for(loop, 500);
    CHECK(commits < 20);
    commits_fail = false;
    storage.stop([] {});
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  set_disk_hook(nullptr);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK(fetch_all(*store, "anna@example.org").size() == delivered);
}

TEST_CASE("deleted mail is freed in slices, and all who wait for room hear of the end", "[storage_thread]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  constexpr std::size_t kDeletedMessages = 450;  // more than two slices
  std::vector<Delivery> batch;
  for (std::size_t i = 0; i < kDeletedMessages; ++i)
    batch.push_back(message(*store, {"anna@example.org"}, "A: 1\r\n\r\n"));
  for (const auto& result : store->deliver(batch)) REQUIRE(result.has_value());
  {
    auto maildrop = store->open_maildrop(id_of(*store, "anna@example.org"));
    std::vector<std::size_t> all(kDeletedMessages);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    REQUIRE(store->commit_deletes(**maildrop, all, {Deleted::kKept, "phone"}).has_value());
  }
  uv_loop_t loop;
  uv_loop_init(&loop);
  StorageThread storage(&loop, *store, [](const std::string&) {});
  storage.tend({3600, 0});  // nothing is old
  std::vector<std::uint64_t> left;
  const auto note = [&] { left.push_back(store->deleted_totals().messages); };
  const auto done = [&] {
    note();
    CHECK(storage.free_deleted({-1, 0}, [&] {
      note();
      storage.stop([] {});
    }));
    CHECK(storage.free_deleted({-1, 0}, note));
  };
  REQUIRE(storage.free_deleted({3600, 0}, done));
  CHECK(left.empty());  // never within the call
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK(left == std::vector<std::uint64_t>{kDeletedMessages, 0, 0});
  CHECK_FALSE(storage.free_deleted({-1, 0}, note));  // stopped
  CHECK(left.size() == 3);
}

TEST_CASE("what mail could not be written for is known until a write works again", "[storage_thread]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  uv_loop_t loop;
  uv_loop_init(&loop);
  StorageThread storage(&loop, *store, [](const std::string&) {});
  const auto try_again = [&] {
    bool done = false;
    REQUIRE(storage.try_mail_again([&] { done = true; }));
    while (!done) uv_run(&loop, UV_RUN_ONCE);
    return storage.mail_trouble();
  };
  CHECK(try_again().empty());
  // This mail or its mailbox, and not the disk.
  for (const ErrorKind kind :
       {ErrorKind::kOverQuota, ErrorKind::kTooLarge, ErrorKind::kNotFound, ErrorKind::kUnavailable}) {
    storage.note_mail(Error{kind, "full"});
    CHECK(storage.mail_trouble().empty());
  }
  const std::string queue = scratch.data() + "/queue";
  storage.note_mail(Error{ErrorKind::kIo, "disk I/O error"});
  CHECK(storage.mail_trouble() == "disk I/O error");
  storage.note_mail({});
  CHECK(storage.mail_trouble().empty());
  storage.note_mail(Error{ErrorKind::kNoSpace, "no space"});
  CHECK(try_again().empty());
  CHECK(std::filesystem::is_empty(queue));
  storage.stop([] {});
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
}
