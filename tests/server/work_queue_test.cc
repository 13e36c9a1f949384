#include "server/work_queue.h"

#include <atomic>
#include <memory>
#include <thread>

#include "tests/catch.h"

using namespace mailstead;

namespace {

struct LoopFixture {
  uv_loop_t loop{};
  LoopFixture() { uv_loop_init(&loop); }
  ~LoopFixture() { CHECK(uv_loop_close(&loop) == 0); }
};

}  // namespace

TEST_CASE("work runs elsewhere, done runs on the loop, in order", "[work_queue]") {
  LoopFixture fixture;
  WorkQueue queue(&fixture.loop, 1, 100);
  const auto here = std::this_thread::get_id();
  std::string order;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(queue.post([here] { CHECK(std::this_thread::get_id() != here); },
                       [&order, i, here] {
                         CHECK(std::this_thread::get_id() == here);
                         order += std::to_string(i);
                       }));
  }
  bool stopped = false;
  queue.stop(WorkQueue::Waiting::kRun, [&] { stopped = true; });
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(order == "012");
  CHECK(stopped);
}

TEST_CASE("a full queue refuses", "[work_queue]") {
  LoopFixture fixture;
  WorkQueue queue(&fixture.loop, 1, 2);
  std::atomic<bool> go = false;
  std::atomic<bool> busy = false;
  const auto wait = [&] {
    busy = true;
    while (!go) std::this_thread::yield();
  };
  REQUIRE(queue.post(wait, [] {}));
  while (!busy) std::this_thread::yield();
  int done = 0;
  CHECK(queue.post([] {}, [&] { ++done; }));
  CHECK(queue.post_patient([] {}, [&] { ++done; }));
  CHECK_FALSE(queue.post([] {}, [&] { ++done; }));
  CHECK_FALSE(queue.post_patient([] {}, [&] { ++done; }));
  go = true;
  queue.stop(WorkQueue::Waiting::kRun, [] {});
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(done == 2);
}

TEST_CASE("a patient job lets others pass, but not for ever", "[work_queue]") {
  LoopFixture fixture;
  WorkQueue queue(&fixture.loop, 1, 1000);
  std::atomic<bool> go = false;
  std::atomic<bool> busy = false;
  std::string order;  // of the queue's one thread
  REQUIRE(queue.post(
      [&] {
        busy = true;
        while (!go) std::this_thread::yield();
      },
      [] {}));
  while (!busy) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) REQUIRE(queue.post_patient([&order] { order += 'p'; }, [] {}));
  for (std::size_t i = 0; i < WorkQueue::kMostPassing + 5; ++i)
    REQUIRE(queue.post([&order] { order += '.'; }, [] {}));
  go = true;
  queue.stop(WorkQueue::Waiting::kRun, [] {});
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(order == std::string(WorkQueue::kMostPassing, '.') + "p.....pp");
}

TEST_CASE("what was posted before stop runs, what comes after is refused", "[work_queue]") {
  LoopFixture fixture;
  WorkQueue queue(&fixture.loop, 2, 100);
  std::atomic<int> worked = 0;
  int done = 0;
  for (int i = 0; i < 50; ++i) REQUIRE(queue.post([&] { ++worked; }, [&] { ++done; }));
  queue.stop(WorkQueue::Waiting::kRun, [] {});
  CHECK_FALSE(queue.post([] {}, [] {}));
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(worked == 50);
  CHECK(done == 50);
}

TEST_CASE("what the work captured is gone before done runs", "[work_queue]") {
  LoopFixture fixture;
  WorkQueue queue(&fixture.loop, 1, 10);
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  bool freed = false;
  REQUIRE(queue.post([held] {}, [&] { freed = watch.expired(); }));
  held = nullptr;
  queue.stop(WorkQueue::Waiting::kRun, [] {});
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(freed);
}

TEST_CASE("a queue in a hurry drops what has not begun", "[work_queue]") {
  LoopFixture fixture;
  WorkQueue queue(&fixture.loop, 1, 10);
  std::atomic<bool> go = false;
  std::atomic<bool> busy = false;
  int done = 0;
  REQUIRE(queue.post(
      [&] {
        busy = true;
        while (!go) std::this_thread::yield();
      },
      [&] { ++done; }));
  while (!busy) std::this_thread::yield();
  std::atomic<int> worked = 0;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  for (int i = 0; i < 5; ++i) REQUIRE(queue.post([&] { ++worked; }, [&done, held] { ++done; }));
  held = nullptr;
  bool stopped = false;
  queue.stop(WorkQueue::Waiting::kDrop, [&] { stopped = true; });
  CHECK(watch.expired());
  go = true;
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(stopped);
  CHECK(worked == 0);
  CHECK(done == 1);
}
