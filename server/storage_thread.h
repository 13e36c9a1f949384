// The one thread that makes the store's calls.
//
// Deliveries that wait at the same moment are handed to the store together, so that they share its flushes,
// and so are outcomes of attempts; no timer holds a batch open, but other calls go first, up to
// WorkQueue::kMostPassing of them: what they read may bring more. They run one by one, in order of arrival.
// Threads: all functions on the reactor; callbacks run on the reactor. Lifetime: as WorkQueue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "server/mail_filing.h"
#include "server/work_queue.h"
#include "storage/store.h"

namespace mailstead {

class StorageThread {
 public:
  // `notice` gets what the store did unasked, a sentence each, on the reactor.
  StorageThread(uv_loop_t* loop, Store& store, std::function<void(const std::string&)> notice);

  // false: too much waits already; nothing will run.
  bool post(std::function<void(Store&)> work, std::function<void()> done);
  bool deliver(Delivery delivery, std::function<void(Result<Delivered>)> done);
  // Removes the files of what was deleted, a slice at a time, so that nobody's mail waits behind many of
  // them. What is left when the server stops, or resists, goes at the next start.
  void tidy_deleted(MailboxId mailbox);
  void tidy_removed();
  // Frees deleted mail that is past its time, or while the disk is low, likewise; then `done` runs. Who asks
  // while that is under way waits for the same end. false: too much waits already; nothing will run.
  bool free_deleted(const FreeTerms& terms, std::function<void()> done);
  // What is to be done once in a while: notes are written, what waits in the queue
  // gets files, deleted mail is freed. Called once a minute.
  void tend(const FreeTerms& terms);
  // Imports files that other tools left, likewise. Called at the start; goes on by itself whenever a login
  // finds more of them than it takes in.
  void import_files();
  // Writes down what came of attempts; those that wait at the same moment share a commit. `done` is told
  // whether it is durable.
  bool note_outcomes(std::vector<QueueOutcome> outcomes, std::function<void(const Result<void>&)> done);
  // `changed` hears on the reactor what Store::take_queue_changes() tells, before the `done` of the job that
  // brought it about.
  void watch_queue(std::function<void(const std::vector<QueueEntry>&)> changed) {
    queue_changed_ = std::move(changed);
  }
  void stop(std::function<void()> stopped);

  Store& store() { return store_; }
  struct CommitCounts {
    std::uint64_t commits = 0;
    std::uint64_t deliveries = 0;  // in them
    double seconds = 0;            // that they took
  };
  CommitCounts commits() const;
  // Why the last mail that came could not be written down; empty: it could, or the disk works again. Any
  // thread, as note_mail().
  std::string mail_trouble() const;
  // What came of writing mail elsewhere: of a spool.
  void note_mail(const Result<void>& outcome);
  // Where mail could not be written down: tries a write as mail needs it, and forgets the trouble when that
  // works. `done` runs in any case, at once where there is none. false: too much waits already.
  bool try_mail_again(std::function<void()> done);
  std::size_t unfiled() const;  // messages without a file

 private:
  struct Waiting {
    Delivery delivery;
    std::function<void(Result<Delivered>)> done;
  };
  struct Noting {
    std::vector<QueueOutcome> outcomes;
    std::function<void(const Result<void>&)> done;
  };
  // What is committed together.
  struct Commit {
    std::vector<Waiting> deliveries;
    std::deque<Noting> notes;
    Store::Committed result;
  };
  bool expect_commit();  // with the lock held
  void make_commit(Commit& commit);
  void tell_of(Commit& commit);
  void file_queued();
  bool free_some(const FreeTerms& terms);
  void freed();
  // After each job: on the storage thread, then on the reactor.
  void hear_store();
  void hear_queue();  // with the lock held
  void pass_on_queue();
  void pass_on_notices();
  void pass_on_unfiled();

  Store& store_;
  std::function<void(const std::string&)> notice_;
  std::function<void(const std::vector<QueueEntry>&)> queue_changed_;
  bool importing_ = false;
  bool freeing_ = false;
  std::vector<std::function<void()>> wait_for_room_;
  mutable std::mutex mutex_;  // guards the rest
  std::deque<Waiting> waiting_;
  std::vector<std::string> notices_;
  std::deque<Noting> to_note_;
  bool commit_expected_ = false;  // a job has been posted that has not begun
  bool stopping_ = false;
  std::vector<QueueEntry> queue_changes_;
  bool files_wait_ = false;
  std::size_t unindexed_ = 0;  // messages without a row
  std::size_t unfiled_ = 0;    // messages without a file
  CommitCounts commits_;
  std::string mail_trouble_;

  WorkQueue queue_;
  MailFiling filing_;
};

}  // namespace mailstead
