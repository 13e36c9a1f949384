// Which files of a backup's mail/ a trial found to be other than what they were made from, so that the next
// backup copies them again as far as the store still has them: `damaged` in the backup folder, a path of
// mail/ in each line. The files themselves stay: of mail that is gone they are the last there is. Threads:
// one, with the folder's lock. Errors: those of files.h.
#pragma once

#include <set>
#include <string>

#include "protocols/result.h"

namespace mailstead {

using DamagedFiles = std::set<std::string, std::less<>>;  // "example.org/anna/NAME"

// None, where there is no list, or none that can be read: the next trial makes another.
DamagedFiles read_damaged_files(int root);
Result<void> write_damaged_files(int root, const DamagedFiles& damaged);

}  // namespace mailstead
