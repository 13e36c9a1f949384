// The way back from an upgrade: the database as it was before a migration changed it.
//
// It is kept as mailstead.db.schema-N, N being the schema it has, until the next one takes its place. Who
// wants to go back stops the server, puts it in the place of mailstead.db (and moves mailstead.db-wal and
// -shm away), and starts the older program: it takes in what came since by its files, under the same UIDLs.
// Threads: before the store is used.
#pragma once

#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/store.h"

namespace mailstead {

// Makes it when the database has an older schema than `newest`; on the disk on return. kNoSpace: a copy does
// not fit beside it; nothing was changed.
Result<void> snapshot_before_migration(const DataFolder& folder, Database& database, int newest,
                                       RecoveryReport& report);

}  // namespace mailstead
