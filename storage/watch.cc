#include "storage/watch.h"

#include <algorithm>

namespace mailstead {

bool MaildirWatch::is_quiet(MailboxId mailbox, const MaildirTimes& times) const {
  auto seen = seen_.find(mailbox);
  return seen != seen_.end() && seen->second.times == times;
}

bool MaildirWatch::needs_scan(MailboxId mailbox, const MaildirTimes& times, std::int64_t now,
                              std::uint64_t messages) const {
  auto seen = seen_.find(mailbox);
  if (seen == seen_.end() || seen->second.times != times) return true;
  const auto due = kRescanSeconds + static_cast<std::int64_t>(messages / kMessagesASecond);
  return seen->second.changed_by_us && now - seen->second.scanned_at >= due;
}

void MaildirWatch::scanned(MailboxId mailbox, const MaildirTimes& times, std::int64_t now) {
  const std::int64_t newest = std::max(times.new_time, times.cur_time);
  if (times.taken_at - newest < kGrain) {
    seen_.erase(mailbox);
  } else {
    seen_[mailbox] = {times, now, false};
  }
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
