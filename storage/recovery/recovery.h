// What a start does before anything else: opens the database or makes a new one, and finishes what was
// interrupted.
//
// A damaged database is moved aside with its WAL, never deleted; accounts and aliases are read from it as
// far as it goes; mailboxes whose rows are lost are made again from their folders. Nothing is deleted
// because something else is missing.
// Threads: before the store is used.
#pragma once

#include <memory>
#include <unordered_map>

#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/look/folder_times.h"
#include "storage/look/reconcile.h"
#include "storage/look/watch.h"
#include "storage/store.h"

namespace mailstead {

// Opens, recovers and marks the folder as in use. kCorrupt is dealt with here, not returned, except when a
// new database is found damaged at once.
struct Recovered {
  std::unique_ptr<Database> database;
  std::unique_ptr<Journal> journal;
};
Result<Recovered> recover(DataFolder& folder, const Naming& naming, MaildirWatch& watch,
                          RecoveryReport& report);

// Marks the folder as closed properly. `times`: of mailboxes that the next start need not look into.
Result<void> mark_clean(Database& database, const std::unordered_map<MailboxId, FolderTimes>& times);

}  // namespace mailstead
