// Old backups go, and with them the message files that no other backup needs.
//
// Which files those are is asked of each generation's database. While one cannot be read, no file goes that
// it may need, which is any: only generations go then. Memory: some 60 octets for each file of a mailbox, of
// 250,000 at a time at most. Threads: one. Rights: those of now, which have to be the caller's. Errors: those
// of backup_folder.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/backup/backup_folder.h"

namespace mailstead {

struct Pruned {
  std::uint64_t generations = 0;
  std::uint64_t files = 0;  // of messages
  // A generation that cannot be read, each, and what to do: until then it keeps the files of all.
  std::vector<std::string> troubles = {};
};

// The newest `keep` generations stay. `goes_on` is asked now and then; false: stop, which leaves work for the
// next time and nothing wrong.
Result<Pruned> prune_backups(const BackupFolder& folder, std::size_t keep,
                             const std::function<bool()>& goes_on);

}  // namespace mailstead
