#include "server/mail_filing.h"

#include <algorithm>
#include <utility>

namespace mailstead {
namespace {

constexpr std::size_t kFewestInFiling = 64;  // messages in a filing
constexpr std::size_t kMostInFiling = 1024;  // likewise: some 50 ms of the storage thread

}  // namespace

struct MailFiling::Round {
  std::unique_ptr<Filing> filing;
};

MailFiling::MailFiling(uv_loop_t* loop, Post post)
    : post_(std::move(post)), timer_(new uv_timer_t), disk_(loop, 1, 1) {
  uv_timer_init(loop, timer_);
  timer_->data = this;
}

void MailFiling::note(std::size_t unfiled) {
  unfiled_ = unfiled;
  if (under_way_ || stopping_ || unfiled_ == 0) return;
  if (unfiled_ >= kMany) {
    begin();
  } else if (uv_is_active(reinterpret_cast<uv_handle_t*>(timer_)) == 0) {
    uv_timer_start(
        timer_, [](uv_timer_t* timer) { static_cast<MailFiling*>(timer->data)->begin(); }, kRest, 0);
  }
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
  note(unfiled_);
}

void MailFiling::stop(std::function<void()> stopped) {
  stopping_ = true;
  uv_timer_stop(timer_);
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
  disk_.stop(WorkQueue::Waiting::kRun, std::move(stopped));
}

}  // namespace mailstead
