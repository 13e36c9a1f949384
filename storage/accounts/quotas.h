// How full the mailboxes are, and how full they may be, in memory: RCPT asks it, and touches no disk.
//
// What counts is octets of the messages that are present. Deleted mail that is kept does not: it makes room
// by itself when the disk is low. A quota of 0 is none. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "storage/accounts/directory.h"
#include "storage/store.h"

namespace mailstead {

class Quotas {
 public:
  explicit Quotas(std::uint64_t by_default) : by_default_(by_default) {}

  void set_default(std::uint64_t octets);
  // nullopt: the default.
  void set_own(MailboxId mailbox, std::optional<std::uint64_t> octets);
  void set_use(MailboxId mailbox, std::uint64_t octets);
  // So much more, until set_use() is told.
  void add_use(MailboxId mailbox, std::uint64_t octets);
  void forget(MailboxId mailbox);

  std::uint64_t quota(MailboxId mailbox) const;
  std::optional<std::uint64_t> own(MailboxId mailbox) const;
  // Is there room for a message of so many octets, beside `coming` octets that are on their way? A mailbox of
  // which nothing is known is empty, and has the default.
  Room room(MailboxId mailbox, std::uint64_t octets, std::uint64_t coming = 0) const;
  // Has it gone beyond its quota by as much again? So far others' room can carry it (delivery.cc).
  bool is_far_beyond(MailboxId mailbox, std::uint64_t coming = 0) const;
  // Mailboxes that have no room for any message.
  std::size_t full() const;

 private:
  struct Facts {
    std::uint64_t use = 0;
    std::optional<std::uint64_t> own;
  };

  Facts facts(MailboxId mailbox) const;  // the mutex is held
  std::uint64_t quota(const Facts& facts) const { return facts.own.value_or(by_default_); }

  mutable std::mutex mutex_;  // guards all
  std::uint64_t by_default_;
  std::unordered_map<MailboxId, Facts> facts_;
};

}  // namespace mailstead
