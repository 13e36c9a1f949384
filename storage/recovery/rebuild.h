// The database file's fate at a start: there, absent, or damaged and replaced.
//
// Replacing it leaves a trace at every step: the file mailstead.db.rebuild names the damaged file from
// before the first rename until the new database is filled, so that a crash in between goes on where it
// stopped.
#pragma once

#include <memory>
#include <string_view>

#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/store.h"

namespace mailstead {

// In meta: what the damaged database is called from which this one was filled; empty: none was ever damaged.
inline constexpr std::string_view kRebuiltFromKey = "rebuilt_from";

// Has a start that was cut off begun to put a new database in the place of a damaged one?
bool is_rebuild_under_way(const DataFolder& folder);

// The database with the newest schema, checked. Errors: kCorrupt (then call set_aside_database() and try
// again), kInvalid (a later schema), and the others of database.h.
Result<std::unique_ptr<Database>> open_database(const DataFolder& folder, RecoveryReport& report);

// Moves the damaged database, its WAL and its shared-memory file out of the way.
Result<void> set_aside_database(const DataFolder& folder, RecoveryReport& report);

}  // namespace mailstead
