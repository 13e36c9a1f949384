#include "storage/look/watch.h"

namespace mailstead {

bool MaildirWatch::is_quiet(MailboxId mailbox, const MaildirTimes& times) const {
  auto seen = seen_.find(mailbox);
  return seen != seen_.end() && seen->second.times == times;
}

bool MaildirWatch::needs_scan(MailboxId mailbox, const MaildirTimes& times, std::int64_t now,
                              std::uint64_t messages) const {
  auto seen = seen_.find(mailbox);
  if (seen == seen_.end() || seen->second.scanning || seen->second.times != times) return true;
  const auto due = kRescanSeconds + static_cast<std::int64_t>(messages / kMessagesASecond);
  return seen->second.changed_by_us && now - seen->second.scanned_at >= due;
}

void MaildirWatch::scan_begins(MailboxId mailbox, const MaildirTimes& times) {
  Seen& seen = seen_[mailbox];
  seen = {times};
  seen.scanning = true;
  seen.telling = times.taken_at - times.latest() >= std::chrono::nanoseconds(kGrain).count();
}

bool MaildirWatch::is_still(MailboxId mailbox, const MaildirTimes& times) const {
  const auto seen = seen_.find(mailbox);
  return seen != seen_.end() && seen->second.scanning && seen->second.telling &&
         !seen->second.changed_by_us && seen->second.times == times;
}

void MaildirWatch::scan_settled(MailboxId mailbox, std::int64_t now) {
  const auto seen = seen_.find(mailbox);
  if (seen == seen_.end()) return;
  seen->second.scanning = false;
  seen->second.scanned_at = now;
  if (!seen->second.telling) seen_.erase(seen);
}

void MaildirWatch::remember(MailboxId mailbox, const MaildirTimes& times, bool changed_by_us,
                            std::int64_t now) {
  Seen& seen = seen_[mailbox];
  seen = {times};
  seen.scanned_at = now;
  seen.changed_by_us = changed_by_us;
}

bool MaildirWatch::is_settled(MailboxId mailbox, const MaildirTimes& times) const {
  const auto seen = seen_.find(mailbox);
  return seen != seen_.end() && !seen->second.scanning && seen->second.times == times &&
         times.taken_at - times.latest() >= std::chrono::nanoseconds(kGrain).count();
}

bool MaildirWatch::is_changed_by_us(MailboxId mailbox) const {
  const auto seen = seen_.find(mailbox);
  return seen != seen_.end() && seen->second.changed_by_us;
}

void MaildirWatch::expect_deleted(MailboxId mailbox, std::int64_t before, std::int64_t after) {
  if (is_deleted_as_seen(mailbox, before)) deleted_times_[mailbox] = after;
}

bool MaildirWatch::is_deleted_as_seen(MailboxId mailbox, std::int64_t time) const {
  const auto seen = deleted_times_.find(mailbox);
  return seen != deleted_times_.end() && seen->second == time;
}

void MaildirWatch::expect(MailboxId mailbox, const MaildirTimes& times) {
  auto seen = seen_.find(mailbox);
  if (seen == seen_.end()) return;
  seen->second.times = times;
  seen->second.changed_by_us = true;
}

void MaildirWatch::forget(MailboxId mailbox) {
  seen_.erase(mailbox);
}

}  // namespace mailstead
