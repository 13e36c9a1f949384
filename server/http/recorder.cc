#include "server/http/recorder.h"

#include <ctime>
#include <memory>
#include <utility>

namespace mailstead {
namespace {

struct StoreSize {
  std::uint64_t free_octets = 0;
  std::uint64_t mail_octets = 0;
};

StoreSize size_of(Store& store) {
  StoreSize size;
  if (const auto free = store.free_space()) size.free_octets = *free;
  if (const auto mailboxes = store.list_mailboxes()) {
    for (const MailboxSummary& each : *mailboxes) size.mail_octets += each.octets + each.deleted_octets;
  }
  return size;
}

History::Sample sample_of(const ServerFacts& facts, const StoreSize& size) {
  std::uint64_t connections = 0;
  for (const auto& listener : facts.listeners) connections += listener.connections;
  const Counters& counters = facts.counters;
  // In the order of History::kFields.
  return {std::time(nullptr),
          {counters.accepted, counters.refused(), counters.retrieved, facts.recipients_sent,
           facts.recipients_failed, facts.logins, facts.failed_logins, connections, facts.recipients_waiting,
           facts.messages_unfiled, size.free_octets, size.mail_octets}};
}

}  // namespace

void Recorder::start() {
  is_running_ = true;
  uv_timer_init(context_.loop, &timer_);
  timer_.data = this;
  constexpr auto kStepMs = static_cast<std::uint64_t>(History::kSpans[0].step.count()) * 1000;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Recorder*>(timer->data)->take_sample(); }, 0, kStepMs);
}

void Recorder::take_sample() {
  // A store that has not answered for ten seconds has other work.
  if (is_taking_) return;
  const auto size = std::make_shared<StoreSize>();
  is_taking_ = context_.storage.post([size](Store& store) { *size = size_of(store); },
                                     [this, size] {
                                       is_taking_ = false;
                                       if (is_running_) history_.add(sample_of(context_.facts(), *size));
                                     });
}

void Recorder::stop() {
  if (!std::exchange(is_running_, false)) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

}  // namespace mailstead
