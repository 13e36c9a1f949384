// Putting deleted messages back.
//
// Their files go from deleted/ to new/ or cur/, that is synced, and then one transaction says so: the files
// rule of reconcile.h makes whole what a crash leaves. A message keeps its row, and with it its UIDL and its
// place in the maildrop. Threads: the storage thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/delivery/filing.h"
#include "storage/folder.h"
#include "storage/mailbox/maildir.h"
#include "storage/store.h"

namespace mailstead {

// All or nothing as far as the caller hears; durable on return. A full disk: the folder's reserve is given up
// for it. kNotFound: one of them was not deleted, or its file is gone and is not to be left out. Returned are
// those that were. What has no file yet needs none for it.
Result<std::vector<std::string>> restore_deleted(DataFolder& folder, Database& database, const Filer& filer,
                                                 Maildir& maildir, const MailboxEntry& mailbox,
                                                 std::span<const std::string> uidls, LostFiles lost);

}  // namespace mailstead
