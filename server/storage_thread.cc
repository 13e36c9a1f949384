#include "server/storage_thread.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace mailstead {
namespace {

constexpr std::size_t kMaxJobs = 20000;   // jobs: at least one for each connection that may be open
constexpr std::size_t kMaxBatch = 256;    // deliveries
constexpr std::size_t kTidySlice = 200;   // files
constexpr std::size_t kFilingSlice = 64;  // messages of the queue: a job is their syncs
constexpr std::chrono::seconds kAgeForFile(60);

}  // namespace

StorageThread::StorageThread(uv_loop_t* loop, Store& store, std::function<void(const std::string&)> notice)
    : store_(store), notice_(std::move(notice)), queue_(loop, 1, kMaxJobs) {}

bool StorageThread::post(std::function<void(Store&)> work, std::function<void()> done) {
  return queue_.post(
      [this, work = std::move(work)] {
        work(store_);
        hear_store();
      },
      [this, done = std::move(done)] {
        pass_on_notices();
        done();
      });
}

void StorageThread::hear_store() {
  auto notices = store_.take_notices();
  const std::scoped_lock lock(mutex_);
  files_wait_ = store_.files_wait();
  std::move(notices.begin(), notices.end(), std::back_inserter(notices_));
  hear_queue();
}

void StorageThread::hear_queue() {
  auto changes = store_.take_queue_changes();
  std::move(changes.begin(), changes.end(), std::back_inserter(queue_changes_));
}

void StorageThread::pass_on_queue() {
  std::vector<QueueEntry> changes;
  {
    const std::scoped_lock lock(mutex_);
    changes.swap(queue_changes_);
  }
  if (!changes.empty() && queue_changed_) queue_changed_(changes);
}

void StorageThread::pass_on_notices() {
  std::vector<std::string> notices;
  bool files_wait = false;
  {
    const std::scoped_lock lock(mutex_);
    notices.swap(notices_);
    files_wait = files_wait_;
  }
  for (const std::string& notice : notices) notice_(notice);
  pass_on_queue();
  if (files_wait && !importing_) import_files();
}

void StorageThread::import_files() {
  importing_ = true;
  auto more = std::make_shared<bool>(false);
  const auto work = [more](Store& store) {
    // What stands in one mailbox's way is none of the others' business. This ends: the store lets go of a
    // mailbox that resists, until its next login.
    (void)store.take_in_files(kTidySlice);
    *more = store.files_wait();
  };
  const auto done = [this, more] {
    if (*more) {
      import_files();
    } else {
      importing_ = false;
    }
  };
  if (!post(work, done)) importing_ = false;
}

bool StorageThread::deliver(Delivery delivery, std::function<void(Result<Delivered>)> done) {
  auto result = std::make_shared<Result<Delivered>>(Error{ErrorKind::kUnavailable, "not delivered"});
  // Each delivery posts a job; the first job that runs takes along all deliveries and outcomes that wait by
  // then, and the jobs of those find nothing left to do. A message's callback comes after its own job, by
  // then its result is there. Under the lock, so that the job finds its delivery, and a refused one is never
  // taken along.
  const std::scoped_lock lock(mutex_);
  if (!queue_.post_patient([this] { commit_waiting(); },
                           [this, result, done] {
                             pass_on_queue();
                             done(std::move(*result));
                           })) {
    return false;
  }
  waiting_.push_back({std::move(delivery), result});
  return true;
}

bool StorageThread::note_outcomes(std::vector<QueueOutcome> outcomes,
                                  std::function<void(const Result<void>&)> done) {
  auto result = std::make_shared<Result<void>>(Error{ErrorKind::kUnavailable, "not written down"});
  // As deliver().
  const std::scoped_lock lock(mutex_);
  const bool posted = queue_.post_patient([this] { commit_waiting(); },
                                          [this, result, done = std::move(done)] {
                                            pass_on_queue();
                                            done(*result);
                                          });
  if (posted) to_note_.push_back({std::move(outcomes), result});
  return posted;
}

void StorageThread::commit_waiting() {
  std::vector<Delivery> batch;
  std::vector<std::shared_ptr<Result<Delivered>>> delivered;
  std::vector<QueueOutcome> outcomes;
  std::vector<std::shared_ptr<Result<void>>> noted;
  {
    const std::scoped_lock lock(mutex_);
    while (!waiting_.empty() && batch.size() < kMaxBatch) {
      batch.push_back(std::move(waiting_.front().delivery));
      delivered.push_back(std::move(waiting_.front().result));
      waiting_.pop_front();
    }
    for (Noting& next : to_note_) {
      std::move(next.outcomes.begin(), next.outcomes.end(), std::back_inserter(outcomes));
      noted.push_back(std::move(next.result));
    }
    to_note_.clear();
  }
  if (batch.empty() && outcomes.empty()) return;
  Store::Committed committed = store_.deliver_and_note(batch, outcomes);
  for (std::size_t i = 0; i < delivered.size(); ++i) *delivered[i] = std::move(committed.delivered[i]);
  for (const auto& result : noted) *result = committed.noted;
  const std::scoped_lock lock(mutex_);
  hear_queue();
}

void StorageThread::tidy_deleted(MailboxId mailbox) {
  auto more = std::make_shared<bool>(false);
  const auto work = [more, mailbox](Store& store) {
    const auto left = store.purge_deleted(mailbox, kTidySlice);
    *more = left.has_value() && *left > 0;
    if (!left.has_value()) store.note_trouble(left.error());
  };
  post(work, [this, more, mailbox] {
    if (*more) tidy_deleted(mailbox);
  });
}

void StorageThread::tidy_removed() {
  auto more = std::make_shared<bool>(false);
  const auto work = [more](Store& store) {
    const auto left = store.sweep_removed(kTidySlice);
    *more = left.has_value() && *left;
  };
  post(work, [this, more] {
    if (*more) tidy_removed();
  });
}

bool StorageThread::free_deleted(const FreeTerms& terms, std::function<void()> done) {
  if (!freeing_ && !free_some(terms)) return false;
  if (done) wait_for_room_.push_back(std::move(done));
  return true;
}

bool StorageThread::free_some(const FreeTerms& terms) {
  auto more = std::make_shared<bool>(false);
  const auto work = [more, terms](Store& store) {
    const auto left = store.free_deleted(terms, kTidySlice);
    *more = left.has_value() && *left;
    if (!left.has_value()) store.note_trouble(left.error());
  };
  freeing_ = post(work, [this, more, terms] {
    if (!*more || !free_some(terms)) freed();
  });
  return freeing_;
}

void StorageThread::freed() {
  freeing_ = false;
  const auto waiting = std::exchange(wait_for_room_, {});
  for (const auto& done : waiting) done();
}

void StorageThread::tend(const FreeTerms& terms) {
  // Notes that cannot be written now are written later.
  post([](Store& store) { (void)store.write_notes(); }, [] {});
  post([](Store& store) { (void)store.forget_finished(kTidySlice); }, [] {});
  file_queued();
  free_deleted(terms, {});
}

void StorageThread::file_queued() {
  auto more = std::make_shared<bool>(false);
  const auto work = [more](Store& store) {
    const auto left = store.file_queued(kAgeForFile, kFilingSlice);
    *more = left.has_value() && *left;
    if (!left.has_value()) store.note_trouble(left.error());
  };
  post(work, [this, more] {
    if (*more) file_queued();
  });
}

void StorageThread::stop(std::function<void()> stopped) {
  queue_.stop(WorkQueue::Waiting::kRun, std::move(stopped));
}

}  // namespace mailstead
