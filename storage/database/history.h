// What happened to messages after they were stored: who took them, who deleted them, that they came back.
//
// The rows go with their message or their mailbox. Every function runs in the caller's transaction, or by
// itself when there is none. Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocols/result.h"
#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/store.h"

namespace mailstead {

struct DeletionRow {
  std::int64_t deleted_at = 0;   // Unix seconds
  std::int64_t age_from = 0;     // of the store's clock, aging.h
  std::string device;            // may be empty
  std::int64_t restored_at = 0;  // 0: not restored
};

// Of messages that are kept after they were deleted.
class Deletions {
 public:
  explicit Deletions(Database& database) : database_(database) {}

  Result<void> add(std::int64_t message, std::int64_t now, std::int64_t age, const std::string& device);
  Result<void> note_restored(std::int64_t message, std::int64_t now);
  // Oldest first.
  Result<std::vector<DeletionRow>> of(std::int64_t message);
  // Of the mailbox's messages that are deleted now and have ids from `first` to `last`, by message.
  Result<std::unordered_map<std::int64_t, DeletionRow>> current(MailboxId mailbox, std::int64_t first,
                                                                std::int64_t last);
  // The rows of messages that were deleted at this age of the store or before, oldest first.
  Result<std::vector<MessageRow>> oldest(std::int64_t age, std::size_t at_most);

 private:
  Database& database_;
};

// The programs and places that mail was fetched from.
class Devices {
 public:
  explicit Devices(Database& database) : database_(database) {}

  // Its number; made when it is new, and then the one that was not seen for the longest time goes if there
  // are too many. 0: there is no such mailbox.
  Result<std::int64_t> seen(MailboxId mailbox, const std::string& name, std::int64_t first,
                            std::int64_t last);
  // Does nothing for a message that is gone.
  Result<void> took(std::int64_t device, std::int64_t message, std::int64_t first, std::int64_t last);
  // The last seen first.
  Result<std::vector<DeviceFacts>> of(MailboxId mailbox);
  // Of one message, in time's order.
  Result<std::vector<MessageEvent>> fetches(std::int64_t message);

 private:
  Database& database_;
};

// What the row alone tells.
KnownMessage standing_of(const MessageRow& row, const Address& address);
// What `message`'s newest deletion adds to it, when it was not restored.
void tell_deletion(const DeletionRow& deletion, std::int64_t age, KnownMessage& message);
// All that is known of a row, with its history.
Result<KnownMessage> known_message(Database& database, const MessageRow& row, const Address& address,
                                   std::int64_t age);

}  // namespace mailstead
