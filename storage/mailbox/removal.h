// Finishing the removal of mailboxes: their rows are gone, their folders are still to be put away.
//
// A removal is finished, and forgotten, when its folder has been renamed aside and that is synced. Deleting
// the folder's files is sweep_removed_folders()'s (mailbox_tree.h): it needs no note.
// Threads: the storage thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "protocols/address.h"
#include "protocols/result.h"
#include "storage/database/database.h"
#include "storage/folder.h"

namespace mailstead {

struct FinishedRemovals {
  std::size_t finished = 0;
  std::vector<std::string> failures;  // folders that resist; noted for the next time
};

// All of them. Errors: the database's.
Result<FinishedRemovals> finish_removals(const DataFolder& folder, Database& database);
// Those of this address; the folder's errors too.
Result<void> finish_removals_of(const DataFolder& folder, Database& database, const Address& address);

}  // namespace mailstead
