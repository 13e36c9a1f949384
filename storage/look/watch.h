// Whether somebody else changed a maildir since we last looked, told by the times of new/ and cur/.
//
// Our own changes are noted by expect(): a login after a delivery reads no folder. Times have the kernel's
// clock tick as their grain, and a foreign file may slip in beside a change of ours; so a maildir that we
// changed is looked at again after kRescanSeconds, and a second more for each kMessagesASecond in it, since a
// large one takes long to look at.
// Threads: the storage thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "storage/accounts/directory.h"
#include "storage/mailbox/maildir.h"

namespace mailstead {

class MaildirWatch {
 public:
  static constexpr std::chrono::milliseconds kGrain{20};  // more than a tick of the kernel's clock

  // Nobody but us changed it, as far as the times tell.
  bool is_quiet(MailboxId mailbox, const MaildirTimes& times) const;
  bool needs_scan(MailboxId mailbox, const MaildirTimes& times, std::int64_t now,
                  std::uint64_t messages) const;
  // A scan begins, before which these times were taken. Until it ends needs_scan() is true.
  void scan_begins(MailboxId mailbox, const MaildirTimes& times);
  // Has nobody, not even we, changed it since then? False also when a change would not show: the folder had
  // been changed in the moment it began.
  bool is_still(MailboxId mailbox, const MaildirTimes& times) const;
  // It found all settled. A folder that had been changed in the moment it began may have changed again
  // without another time: then nothing is noted, and the next login scans once more.
  void scan_settled(MailboxId mailbox, std::int64_t now);
  // What an earlier process saw, of a maildir that nobody has changed since. `changed_by_us`: it is to be
  // looked at again in a while.
  void remember(MailboxId mailbox, const MaildirTimes& times, bool changed_by_us, std::int64_t now);
  // Is it as the last look, or change of ours, left it, and would a later change show?
  bool is_settled(MailboxId mailbox, const MaildirTimes& times) const;
  bool is_changed_by_us(MailboxId mailbox) const;
  // deleted/ is looked into at a start only. It had this time when it was (0: it is not there), and has
  // another one after a change of ours.
  void saw_deleted(MailboxId mailbox, std::int64_t time) { deleted_times_[mailbox] = time; }
  void expect_deleted(MailboxId mailbox, std::int64_t before, std::int64_t after);
  bool is_deleted_as_seen(MailboxId mailbox, std::int64_t time) const;
  // After a change of ours to a maildir that was quiet before it.
  void expect(MailboxId mailbox, const MaildirTimes& times);
  void forget(MailboxId mailbox);

 private:
  static constexpr std::int64_t kRescanSeconds = 600;
  static constexpr std::uint64_t kMessagesASecond = 10;
  struct Seen {
    MaildirTimes times;
    std::int64_t scanned_at = 0;  // Unix seconds
    bool changed_by_us = false;   // since the scan began
    bool scanning = false;
    bool telling = true;  // a change since the scan began has another time
  };
  std::unordered_map<MailboxId, Seen> seen_;
  std::unordered_map<MailboxId, std::int64_t> deleted_times_;
};

}  // namespace mailstead
