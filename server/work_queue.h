// Threads for what may block: password hashing, file reads, the store.
//
// post() hands over a job: `work` runs on a thread of the queue, then `done` on the reactor. The queue is
// bounded: a full one refuses, and the caller answers its client with "try again".
//
// Lifetime: stop() ends the threads after all that was posted has run, or after what runs right now (then the
// `done`s of the rest never run); after that the last `done`s run on the loop and the queue's handle closes.
// Destroy the queue only after its `stopped` callback.
//
// Threads: post() and stop() on the reactor. Exceptions in `work` end the process: they mean a bug or no
// memory.
#pragma once

#include <uv.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mailstead {

class WorkQueue {
 public:
  static constexpr std::size_t kMostPassing = 16;

  enum class Waiting { kRun, kDrop };  // what becomes of jobs that have not begun when the queue stops

  WorkQueue(uv_loop_t* loop, std::size_t threads, std::size_t capacity);
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // false: the queue is full or stopped; neither function will run.
  bool post(std::function<void()> work, std::function<void()> done);
  // The same, for a job that gets dearer by being early: it lets up to kMostPassing of those pass that post()
  // hands over. In order among themselves.
  bool post_patient(std::function<void()> work, std::function<void()> done);
  void stop(Waiting waiting, std::function<void()> stopped);

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  bool post_to(std::deque<Job>& jobs, Job job);
  Job next_job();  // with the lock held; there is one
  void run();
  void collect();
  void close_handle();

  std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;                      // guarded by mutex_
  std::deque<Job> patient_;                      // guarded by mutex_
  std::size_t passed_ = 0;                       // guarded by mutex_: jobs that went before patient_'s first
  std::vector<std::function<void()>> finished_;  // guarded by mutex_
  std::size_t unfinished_ = 0;                   // reactor: jobs whose `done` has not run
  bool stopping_ = false;                        // guarded by mutex_
  std::function<void()> stopped_;
  uv_async_t* wakeup_;  // freed in its close callback
  std::vector<std::thread> threads_;
};

}  // namespace mailstead
