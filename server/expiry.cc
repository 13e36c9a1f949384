#include "server/expiry.h"

#include <fmt/format.h>

#include <memory>

namespace mailstead {
namespace {

constexpr std::uint64_t kTickMs = 10 * 60'000;

}  // namespace

void note_expired(Services& services, MailboxId mailbox, std::size_t messages, std::uint32_t days) {
  services.counters.expired += messages;
  const auto directory = services.storage.store().directory();
  const MailboxEntry* entry = directory->find(mailbox);
  services.log.info("expired", {{"user", entry == nullptr ? std::string() : entry->address.text()},
                                {"messages", fmt::format("{}", messages)},
                                {"days", fmt::format("{}", days)}});
}

Expiry::Expiry(uv_loop_t* loop, Services& services) : loop_(loop), services_(services) {}

void Expiry::start() {
  last_ = uv_now(loop_);
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Expiry*>(timer->data)->tick(); }, 1, kTickMs);
}

void Expiry::stop() {
  waiting_.clear();
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

void Expiry::tick() {
  const std::uint64_t now = uv_now(loop_);
  const std::chrono::seconds elapsed((now - last_) / 1'000);
  const auto days = services_.config.pop3.expire_days;
  if (!days || *days == 0) {
    last_ = now;
    return;
  }
  last_ += static_cast<std::uint64_t>(elapsed.count()) * 1'000;
  auto outcome = std::make_shared<Result<void>>();
  const auto work = [outcome, elapsed](Store& store) { *outcome = store.advance_retention(elapsed); };
  (void)services_.storage.post(work, [this, outcome] {
    if (!outcome->has_value()) services_.log.error("expiry-failed", {{"why", outcome->error().message}});
    if (looking_) return;
    waiting_.clear();
    for (const MailboxEntry& each : services_.storage.store().directory()->mailboxes())
      waiting_.push_back(each.id);
    look_at_next();
  });
}

void Expiry::look_at_next() {
  looking_ = false;
  const auto days = services_.config.pop3.expire_days;
  if (waiting_.empty() || !days || *days == 0) return;
  const MailboxId mailbox = waiting_.back();
  auto outcome = std::make_shared<Result<std::size_t>>(std::size_t{0});
  const auto work = [outcome, mailbox, kept = std::chrono::days(*days),
                     terms = delete_terms(services_.config, kExpiryDevice)](Store& store) {
    *outcome = store.expire_messages(mailbox, kept, kSlice, terms);
  };
  looking_ = services_.storage.post(work, [this, outcome, mailbox, days = *days] {
    const std::size_t count = outcome->has_value() ? **outcome : 0;
    if (count > 0) {
      note_expired(services_, mailbox, count, days);
      services_.storage.tidy_deleted(mailbox);
    } else if (!outcome->has_value() && outcome->error().kind != ErrorKind::kInUse) {
      services_.log.error("expiry-failed", {{"why", outcome->error().message}});
    }
    if (count < kSlice && !waiting_.empty()) waiting_.pop_back();
    look_at_next();
  });
}

}  // namespace mailstead
