// Names in a data folder that are none of ours, where nobody but us should leave any. What lies in new/, cur/
// and queue/ is looked at by others: mail may come there.
//
// Reads only. Threads: any. Errors: those of files.h, with the folder's path.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/folder.h"

namespace mailstead {

// Paths within the data folder, at most so many.
Result<std::vector<std::string>> strangers_in(const DataFolder& folder, std::size_t at_most);

}  // namespace mailstead
