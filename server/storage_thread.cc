#include "server/storage_thread.h"

#include <algorithm>
#include <chrono>
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
constexpr std::size_t kTrialOctets = 64 << 10;  // a disk with room for a few octets only takes no mail

// Is it the disk that refused, or the database on it, and not this mail or its mailbox?
bool is_of_disk(ErrorKind kind) {
  return kind == ErrorKind::kNoSpace || kind == ErrorKind::kIo || kind == ErrorKind::kDenied ||
         kind == ErrorKind::kCorrupt;
}

// What mail needs: a file in the data folder, and a commit. Nothing is changed by it.
Result<void> write_on_trial(Store& store) {
  auto spool = store.new_spool();
  if (!spool) return spool.error();
  if (auto written = (*spool)->append(std::string(kTrialOctets, '\0')); !written) return written;
  const auto notes = store.alert_notes();
  if (!notes) return notes.error();
  return store.keep_told_alerts(notes->told);
}

}  // namespace

StorageThread::StorageThread(uv_loop_t* loop, Store& store, std::function<void(const std::string&)> notice)
    : store_(store),
      notice_(std::move(notice)),
      queue_(loop, 1, kMaxJobs),
      filing_(loop, [this](auto work, auto done) { return post(std::move(work), std::move(done)); }) {}

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
  unindexed_ = store_.unindexed();
  unfiled_ = store_.unfiled();
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
  pass_on_unfiled();
  if (files_wait && !importing_) import_files();
}

StorageThread::CommitCounts StorageThread::commits() const {
  const std::scoped_lock lock(mutex_);
  return commits_;
}

std::string StorageThread::mail_trouble() const {
  const std::scoped_lock lock(mutex_);
  return mail_trouble_;
}

void StorageThread::note_mail(const Result<void>& outcome) {
  const std::scoped_lock lock(mutex_);
  if (outcome) {
    mail_trouble_.clear();
  } else if (is_of_disk(outcome.error().kind)) {
    mail_trouble_ = outcome.error().message;
  }
}

// Who looks whether mail is taken sends none: without a trial it would never be seen that the disk is well.
bool StorageThread::try_mail_again(std::function<void()> done) {
  if (mail_trouble().empty()) {
    done();
    return true;
  }
  return post([this](Store& store) { note_mail(write_on_trial(store)); }, std::move(done));
}

std::size_t StorageThread::unfiled() const {
  const std::scoped_lock lock(mutex_);
  return unfiled_;
}

void StorageThread::pass_on_unfiled() {
  std::size_t unindexed = 0;
  std::size_t unfiled = 0;
  {
    const std::scoped_lock lock(mutex_);
    unindexed = unindexed_;
    unfiled = unfiled_;
  }
  filing_.note(unindexed, unfiled);
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
  const std::scoped_lock lock(mutex_);
  if (stopping_ || !expect_commit()) return false;
  waiting_.push_back({std::move(delivery), std::move(done)});
  return true;
}

bool StorageThread::note_outcomes(std::vector<QueueOutcome> outcomes,
                                  std::function<void(const Result<void>&)> done) {
  const std::scoped_lock lock(mutex_);
  if (stopping_ || !expect_commit()) return false;
  to_note_.push_back({std::move(outcomes), std::move(done)});
  return true;
}

// There is a job that has not begun, and takes what is added before the lock goes. One at a time: a job for
// each message would have those that came with one commit answered one by one, each behind a commit of its
// own.
bool StorageThread::expect_commit() {
  if (waiting_.size() + to_note_.size() >= kMaxJobs) return false;
  if (commit_expected_) return true;
  auto commit = std::make_shared<Commit>();
  commit_expected_ =
      queue_.post_patient([this, commit] { make_commit(*commit); }, [this, commit] { tell_of(*commit); });
  return commit_expected_;
}

// The storage thread.
void StorageThread::make_commit(Commit& commit) {
  std::vector<Delivery> deliveries;
  std::vector<QueueOutcome> outcomes;
  {
    const std::scoped_lock lock(mutex_);
    commit_expected_ = false;
    while (!waiting_.empty() && (stopping_ || commit.deliveries.size() < kMaxBatch)) {
      commit.deliveries.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    commit.notes.swap(to_note_);
  }
  for (Waiting& each : commit.deliveries) deliveries.push_back(std::move(each.delivery));
  for (Noting& each : commit.notes)
    std::move(each.outcomes.begin(), each.outcomes.end(), std::back_inserter(outcomes));
  const auto began = std::chrono::steady_clock::now();
  const bool is_empty = deliveries.empty() && outcomes.empty();
  if (!is_empty) commit.result = store_.deliver_and_note(deliveries, outcomes);
  // One that was kept is proof enough: what others were refused for is about them.
  for (const Result<Delivered>& each : commit.result.delivered) {
    note_mail(each ? Result<void>() : Result<void>(each.error()));
    if (each) break;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const std::scoped_lock lock(mutex_);
  if (!is_empty) {
    ++commits_.commits;
    commits_.deliveries += deliveries.size();
    commits_.seconds += took.count();
  }
  unindexed_ = store_.unindexed();
  unfiled_ = store_.unfiled();
  hear_queue();
}

void StorageThread::tell_of(Commit& commit) {
  std::deque<Waiting> refused;
  {
    const std::scoped_lock lock(mutex_);
    // What did not fit into the batch.
    if ((!waiting_.empty() || !to_note_.empty()) && !expect_commit()) refused.swap(waiting_);
  }
  pass_on_queue();
  for (std::size_t i = 0; i < commit.deliveries.size(); ++i)
    commit.deliveries[i].done(std::move(commit.result.delivered[i]));
  for (const Noting& each : commit.notes) each.done(commit.result.noted);
  for (const Waiting& each : refused) each.done(Error{ErrorKind::kUnavailable, "too much waits"});
  filing_.note_commit(commit.deliveries.size());
  pass_on_unfiled();
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
  try_mail_again([] {});
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
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    // What was left by a batch that is full.
    if (!waiting_.empty() || !to_note_.empty()) static_cast<void>(expect_commit());
  }
  filing_.stop([this, stopped = std::move(stopped)] { queue_.stop(WorkQueue::Waiting::kRun, stopped); });
}

}  // namespace mailstead
