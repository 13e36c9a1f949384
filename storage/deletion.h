// Deleting messages for good, all or nothing: POP3's UPDATE state (RFC 1939 section 6).
//
// One transaction marks the rows kDeleting: from its commit on the messages are gone. Later, piece by piece,
// the files go, then their folders are synced, then the rows. What is not done by the next start is finished
// by reconcile() then.
// Threads: the storage thread.
#pragma once

#include <cstddef>
#include <span>

#include "protocols/result.h"
#include "storage/database.h"
#include "storage/folder.h"
#include "storage/index.h"
#include "storage/maildir.h"

namespace mailstead {

// Durable on return; nothing was marked on error. A full disk: the folder's reserve is given up for it.
Result<void> mark_deleted(DataFolder& folder, Database& database, std::span<const std::int64_t> ids);

// Removes files and rows of up to `at_most` messages of the mailbox that are marked; returns how many are
// left. A file that resists does not keep the others; the error is the first one's.
Result<std::size_t> purge_marked(Database& database, Maildir& maildir, MailboxId mailbox,
                                 std::size_t at_most);

}  // namespace mailstead
