#include "server/work_queue.h"

#include <utility>

namespace mailstead {

WorkQueue::WorkQueue(uv_loop_t* loop, std::size_t threads, std::size_t capacity)
    : capacity_(capacity), wakeup_(new uv_async_t) {
  uv_async_init(loop, wakeup_, [](uv_async_t* handle) { static_cast<WorkQueue*>(handle->data)->collect(); });
  wakeup_->data = this;
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

WorkQueue::~WorkQueue() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool WorkQueue::post(std::function<void()> work, std::function<void()> done) {
  return post_to(waiting_, {std::move(work), std::move(done)});
}

bool WorkQueue::post_patient(std::function<void()> work, std::function<void()> done) {
  return post_to(patient_, {std::move(work), std::move(done)});
}

bool WorkQueue::post_to(std::deque<Job>& jobs, Job job) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || waiting_.size() + patient_.size() >= capacity_) return false;
    jobs.push_back(std::move(job));
  }
  ++unfinished_;
  wake_.notify_one();
  return true;
}

WorkQueue::Job WorkQueue::next_job() {
  const bool patient = waiting_.empty() || (!patient_.empty() && passed_ >= kMostPassing);
  std::deque<Job>& jobs = patient ? patient_ : waiting_;
  passed_ = patient || patient_.empty() ? 0 : passed_ + 1;
  Job job = std::move(jobs.front());
  jobs.pop_front();
  return job;
}

void WorkQueue::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty() || !patient_.empty(); });
      if (waiting_.empty() && patient_.empty()) return;
      job = next_job();
    }
    job.work();
    // What `work` captured may hold a lock of the store: it goes before anybody hears that the job is done.
    job.work = nullptr;
    const std::scoped_lock lock(mutex_);
    finished_.push_back(std::move(job.done));
    uv_async_send(wakeup_);
  }
}

void WorkQueue::collect() {
  std::vector<std::function<void()>> finished;
  {
    const std::scoped_lock lock(mutex_);
    finished.swap(finished_);
  }
  for (auto& done : finished) {
    --unfinished_;
    done();
    done = nullptr;
  }
  if (stopped_ && unfinished_ == 0) close_handle();
}

void WorkQueue::stop(Waiting waiting, std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  // Destroyed without the lock: what they hold is the callers' business.
  std::deque<Job> dropped;
  std::deque<Job> dropped_patient;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (waiting == Waiting::kDrop) {
      dropped.swap(waiting_);
      dropped_patient.swap(patient_);
    }
  }
  unfinished_ -= dropped.size() + dropped_patient.size();
  wake_.notify_all();
  if (unfinished_ == 0) close_handle();
}

void WorkQueue::close_handle() {
  if (wakeup_ == nullptr) return;
  for (std::thread& thread : threads_) thread.join();
  uv_async_t* handle = std::exchange(wakeup_, nullptr);
  handle->data = new std::function<void()>(std::move(stopped_));
  uv_close(reinterpret_cast<uv_handle_t*>(handle), [](uv_handle_t* closed) {
    auto* stopped = static_cast<std::function<void()>*>(closed->data);
    delete reinterpret_cast<uv_async_t*>(closed);
    (*stopped)();
    delete stopped;
  });
}

}  // namespace mailstead
