// Deleting messages, all or nothing: POP3's UPDATE state (RFC 1939 section 6).
//
// One transaction marks the rows: from its commit on the messages are gone for the client. Those that are
// kept (kDeleted) then move, piece by piece, to deleted/ beside new/ and cur/ (kAside), where other mail
// tools do not see them; of those that are not (kDeleting) the files go, then their folders are synced, then
// the rows. What is not done by the next start is finished by it. Threads: the storage thread.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "protocols/result.h"
#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/delivery/filing.h"
#include "storage/folder.h"
#include "storage/mailbox/maildir.h"
#include "storage/store.h"

namespace mailstead {

// Marks these messages; durable on return, nothing was marked on error. A full disk: the folder's reserve is
// given up for it. `along` is written with them, unless the disk is full: true when it was.
Result<bool> mark_deleted(DataFolder& folder, Database& database, std::span<const std::int64_t> ids,
                          const DeleteTerms& terms, const std::function<Result<void>()>& along);

// Moves the files of up to `at_most` kDeleted messages of the mailbox behind the id `after`, which then is
// the last one's; returns how many are left behind it. One whose file is not there waits for it as it is.
Result<std::size_t> put_aside(Database& database, Maildir& maildir, MailboxId mailbox, std::int64_t& after,
                              std::size_t at_most);

// Removes files and rows of up to `at_most` kDeleting messages, likewise. A file that resists does not keep
// the others; the error is the first one's.
Result<std::size_t> purge_marked(Database& database, Filer& filer, Maildir& maildir, MailboxId mailbox,
                                 std::int64_t& after, std::size_t at_most);

}  // namespace mailstead
