// How a proper end left the folders of mailboxes, so that the next start has to look only into those that
// somebody has changed since. A start that uses it takes it away: after a crash every folder is looked into.
// Threads: the storage thread.
#pragma once

#include <unordered_map>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/mailbox/maildir.h"

namespace mailstead {

struct FolderTimes {
  MaildirTimes times;
  std::int64_t deleted_time = 0;  // nanoseconds; 0: there is no deleted/
  bool changed_by_us = false;     // since it was looked at
};

// Of a mailbox's folder as it is now. An error also when a part of it is not there.
Result<FolderTimes> folder_times_of(const DataFolder& folder, const Address& address);

// In the caller's transaction.
Result<std::unordered_map<MailboxId, FolderTimes>> load_folder_times(Database& database);
Result<void> write_folder_times(Database& database, const std::unordered_map<MailboxId, FolderTimes>& all);
Result<void> forget_folder_times(Database& database);

}  // namespace mailstead
