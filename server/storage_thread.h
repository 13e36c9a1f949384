// The one thread that makes the store's calls.
//
// Deliveries that wait at the same moment are handed to the store together, so that they share its flushes;
// no timer holds a batch open. Other calls run one by one, in order of arrival. Threads: all functions on the
// reactor; callbacks run on the reactor. Lifetime: as WorkQueue.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "protocols/result.h"
#include "server/work_queue.h"
#include "storage/store.h"

namespace mailstead {

class StorageThread {
 public:
  StorageThread(uv_loop_t* loop, Store& store);

  // false: too much waits already; nothing will run.
  bool post(std::function<void(Store&)> work, std::function<void()> done);
  bool deliver(Delivery delivery, std::function<void(Result<Delivered>)> done);
  // Removes the files of what was deleted, a slice at a time, so that nobody's mail waits behind many of
  // them. What is left when the server stops, or resists, goes at the next start.
  void tidy_deleted(MailboxId mailbox);
  void tidy_removed();
  void stop(std::function<void()> stopped);

  Store& store() { return store_; }

 private:
  struct Waiting {
    Delivery delivery;
    std::shared_ptr<Result<Delivered>> result;
  };
  void deliver_waiting();

  Store& store_;
  std::mutex mutex_;
  std::deque<Waiting> waiting_;  // guarded by mutex_
  WorkQueue queue_;
};

}  // namespace mailstead
