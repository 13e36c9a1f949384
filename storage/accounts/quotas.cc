#include "storage/accounts/quotas.h"

#include <algorithm>

namespace mailstead {

void Quotas::set_default(std::uint64_t octets) {
  std::lock_guard guard(mutex_);
  by_default_ = octets;
}

void Quotas::set_own(MailboxId mailbox, std::optional<std::uint64_t> octets) {
  std::lock_guard guard(mutex_);
  facts_[mailbox].own = octets;
}

void Quotas::set_use(MailboxId mailbox, std::uint64_t octets) {
  std::lock_guard guard(mutex_);
  facts_[mailbox].use = octets;
}

void Quotas::add_use(MailboxId mailbox, std::uint64_t octets) {
  std::lock_guard guard(mutex_);
  facts_[mailbox].use += octets;
}

void Quotas::forget(MailboxId mailbox) {
  std::lock_guard guard(mutex_);
  facts_.erase(mailbox);
}

Quotas::Facts Quotas::facts(MailboxId mailbox) const {
  const auto found = facts_.find(mailbox);
  return found == facts_.end() ? Facts{} : found->second;
}

std::uint64_t Quotas::quota(MailboxId mailbox) const {
  std::lock_guard guard(mutex_);
  return quota(facts(mailbox));
}

std::optional<std::uint64_t> Quotas::own(MailboxId mailbox) const {
  std::lock_guard guard(mutex_);
  return facts(mailbox).own;
}

Room Quotas::room(MailboxId mailbox, std::uint64_t octets, std::uint64_t coming) const {
  std::lock_guard guard(mutex_);
  const Facts known = facts(mailbox);
  const std::uint64_t most = quota(known);
  if (most == 0) return Room::kYes;
  if (octets > most) return Room::kNever;
  // No sum that could overflow: use may be beyond the quota.
  const std::uint64_t left = most - std::min(most, known.use);
  return left < coming || left - coming < octets ? Room::kNo : Room::kYes;
}

bool Quotas::is_far_beyond(MailboxId mailbox, std::uint64_t coming) const {
  std::lock_guard guard(mutex_);
  const Facts known = facts(mailbox);
  const std::uint64_t most = quota(known);
  return most != 0 && known.use + coming >= 2 * most;
}

std::size_t Quotas::full() const {
  std::lock_guard guard(mutex_);
  return static_cast<std::size_t>(std::count_if(facts_.begin(), facts_.end(), [this](const auto& each) {
    const std::uint64_t most = quota(each.second);
    return most != 0 && each.second.use >= most;
  }));
}

}  // namespace mailstead
