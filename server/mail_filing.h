// When small mail gets into the index (Store::index_mail()) and its files (Store::begin_filing()).
//
// Nobody waits for either, so it is done for many at a time. Into the index: at once where little comes, else
// after a moment, or when kMany wait; in small steps, between which the storage thread is others'. Files: a
// second after the first came, or at once when kMany wait, but not while a flood comes: a file costs several
// times what it takes to be ready for the next message, and the journal holds what a flood brings. The disk
// is waited for on a thread of its own: the store goes on meanwhile. One filing is under way at a time; the
// more wait, the larger it is.
//
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
  static constexpr std::uint64_t kRest = 1000;   // milliseconds
  static constexpr std::uint64_t kMoment = 100;  // likewise
  static constexpr std::size_t kFew = 8;         // messages of one commit
  static constexpr std::uint64_t kFlood = 2000;  // messages a second
  static constexpr std::size_t kMany = 1024;     // messages

  // Hands a job to the storage thread; false: it takes no more.
  using Post = std::function<bool(std::function<void(Store&)> work, std::function<void()> done)>;
  MailFiling(uv_loop_t* loop, Post post);

  // So many are not in the index, so many have no file.
  void note(std::size_t unindexed, std::size_t unfiled);
  // So many have just come with one commit; note() follows.
  void note_commit(std::size_t messages);
  // What is under way is ended, nothing is begun; the rest is for Store::close().
  void stop(std::function<void()> stopped);

 private:
  struct Round;

  void index();
  void index_some();
  void file();
  void begin();
  bool is_flooded() const;
  void sync(const std::shared_ptr<Round>& round);
  void end(const std::shared_ptr<Round>& round);
  void ended();

  Post post_;
  std::size_t unindexed_ = 0;
  std::size_t unfiled_ = 0;
  std::size_t together_ = 0;   // messages of the last commit
  std::uint64_t counted_at_;   // when it was begun to count those that come
  std::uint64_t counted_ = 0;  // since then
  std::uint64_t rate_ = 0;     // messages a second, before
  bool indexing_ = false;
  bool under_way_ = false;
  bool stopping_ = false;
  uv_loop_t* loop_;
  uv_timer_t* timer_;  // freed in its close callback, like the next
  uv_timer_t* index_timer_;
  WorkQueue disk_;
};

}  // namespace mailstead
