// What a start does with the folder queue/: files and rows are brought together.
//
// A file whose row is finished goes; one without a row is taken in, its recipients wait anew, or goes when it
// names none: there was only a report to be sent, which the row knew; drafts go. A row without its file
// stays: nothing is deleted because something else is missing. Threads: before the store is used.
#pragma once

#include <string>
#include <vector>

#include "storage/database/database.h"
#include "storage/folder.h"

namespace mailstead {

// What was done, a sentence each, goes behind `actions`.
Result<void> recover_queue(const DataFolder& folder, Database& database, std::vector<std::string>& actions);

}  // namespace mailstead
