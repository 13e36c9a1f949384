// When small mail gets its files (Store::begin_filing()).
//
// Nobody waits for them, so it is done for many at a time: a second after the first came, or at once when
// kMany wait. The disk is waited for on a thread of its own: the store goes on meanwhile. One filing is under
// way at a time; the more wait, the larger it is.
// Ownership: the storage thread's object. Threads: the reactor. Lifetime: destroy it after `stopped`.
#pragma once

#include <uv.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "server/work_queue.h"
#include "storage/store.h"

namespace mailstead {

class MailFiling {
 public:
  static constexpr std::uint64_t kRest = 1000;  // milliseconds
  static constexpr std::size_t kMany = 1024;    // messages

  // Hands a job to the storage thread; false: it takes no more.
  using Post = std::function<bool(std::function<void(Store&)> work, std::function<void()> done)>;
  MailFiling(uv_loop_t* loop, Post post);

  // So many have no file.
  void note(std::size_t unfiled);
  // What is under way is ended, nothing is begun; the rest is for Store::close().
  void stop(std::function<void()> stopped);

 private:
  struct Round;

  void begin();
  void sync(const std::shared_ptr<Round>& round);
  void end(const std::shared_ptr<Round>& round);
  void ended();

  Post post_;
  std::size_t unfiled_ = 0;
  bool under_way_ = false;
  bool stopping_ = false;
  uv_timer_t* timer_;  // freed in its close callback
  WorkQueue disk_;
};

}  // namespace mailstead
