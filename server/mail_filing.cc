#include "server/mail_filing.h"

#include <algorithm>
#include <utility>

namespace mailstead {
namespace {

constexpr std::size_t kFewestInFiling = 64;  // messages in a filing
constexpr std::size_t kMostInFiling = 512;   // likewise: some 50 ms of the storage thread
constexpr std::size_t kIndexedAtOnce = 32;   // messages: about a millisecond of the storage thread
constexpr std::uint64_t kCounted = 200;      // milliseconds in which it is counted what comes
constexpr std::uint64_t kForgotten = 1000;   // likewise, after which that says nothing any more

uv_timer_t* new_timer(uv_loop_t* loop, MailFiling* owner) {
  auto* timer = new uv_timer_t;
  uv_timer_init(loop, timer);
  timer->data = owner;
  return timer;
}

bool runs(const uv_timer_t* timer) {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(timer)) != 0;
}

void close_timer(uv_timer_t* timer) {
  uv_close(reinterpret_cast<uv_handle_t*>(timer),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

}  // namespace

struct MailFiling::Round {
  std::unique_ptr<Filing> filing;
};

MailFiling::MailFiling(uv_loop_t* loop, Post post)
    : post_(std::move(post)),
      counted_at_(uv_now(loop)),
      loop_(loop),
      timer_(new_timer(loop, this)),
      index_timer_(new_timer(loop, this)),
      disk_(loop, 1, 1) {}

void MailFiling::note_commit(std::size_t messages) {
  if (messages > 0) together_ = messages;
  counted_ += messages;
  const std::uint64_t took = uv_now(loop_) - counted_at_;
  if (took < kCounted) return;
  rate_ = counted_ * 1000 / took;
  counted_ = 0;
  counted_at_ = uv_now(loop_);
}

bool MailFiling::is_flooded() const {
  return rate_ > kFlood && uv_now(loop_) - counted_at_ < kForgotten;
}

void MailFiling::note(std::size_t unindexed, std::size_t unfiled) {
  unindexed_ = unindexed;
  unfiled_ = unfiled;
  if (stopping_) return;
  if (unindexed_ > 0 && !indexing_) index();
  if (unfiled_ > 0 && !under_way_) file();
}

void MailFiling::index() {
  if (together_ > kFew && unindexed_ < kMany) {
    const auto later = [](uv_timer_t* timer) {
      auto* self = static_cast<MailFiling*>(timer->data);
      self->together_ = 0;
      if (!self->indexing_) self->index();
    };
    if (!runs(index_timer_)) uv_timer_start(index_timer_, later, kMoment, 0);
    return;
  }
  uv_timer_stop(index_timer_);
  index_some();
}

void MailFiling::index_some() {
  auto more = std::make_shared<Result<bool>>(false);
  const auto work = [more](Store& store) {
    *more = store.index_mail(kIndexedAtOnce);
    if (!*more) store.note_trouble(more->error());
  };
  indexing_ = post_(work, [this, more] {
    indexing_ = false;
    if (!*more || stopping_) return;  // whoever comes next tries again
    if (**more) return index_some();
    note(unindexed_, unfiled_);  // what has come meanwhile
  });
}

void MailFiling::file() {
  if (unfiled_ >= kMany && !is_flooded()) return begin();
  const auto later = [](uv_timer_t* timer) {
    auto* self = static_cast<MailFiling*>(timer->data);
    if (self->is_flooded()) {
      self->file();
    } else {
      self->begin();
    }
  };
  if (!runs(timer_)) uv_timer_start(timer_, later, kRest, 0);
}

void MailFiling::begin() {
  if (under_way_ || stopping_) return;
  uv_timer_stop(timer_);
  auto round = std::make_shared<Round>();
  const std::size_t at_most = std::clamp(unfiled_ / 2, kFewestInFiling, kMostInFiling);
  const auto work = [round, at_most](Store& store) {
    auto begun = store.begin_filing(std::chrono::milliseconds(0), at_most);
    if (begun) {
      round->filing = *std::move(begun);
    } else {
      store.note_trouble(begun.error());
    }
  };
  under_way_ = true;
  if (!post_(work, [this, round] { sync(round); })) ended();
}

void MailFiling::sync(const std::shared_ptr<Round>& round) {
  if (round->filing == nullptr) return ended();
  if (!disk_.post([round] { round->filing->sync(); }, [this, round] { end(round); })) ended();
}

void MailFiling::end(const std::shared_ptr<Round>& round) {
  const auto work = [round](Store& store) {
    if (auto done = store.end_filing(*round->filing); !done) store.note_trouble(done.error());
  };
  if (!post_(work, [this] { ended(); })) ended();
}

void MailFiling::ended() {
  under_way_ = false;
  note(unindexed_, unfiled_);
}

void MailFiling::stop(std::function<void()> stopped) {
  stopping_ = true;
  close_timer(std::exchange(timer_, nullptr));
  close_timer(std::exchange(index_timer_, nullptr));
  disk_.stop(WorkQueue::Waiting::kRun, std::move(stopped));
}

}  // namespace mailstead
