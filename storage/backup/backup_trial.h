// Does a backup bring back what it should? It is restored beside itself, opened by the store as after a real
// restore, and everything in it is read.
//
// The files are names of the backup's own ones where the file system has such links, else copies. All of it
// is in DIR/.test-TIME, which goes at the end. Threads: one. Rights: those of now, which have to be the
// caller's. Errors: it could not be tried; what was found wrong is in `troubles`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/backup/backup_files.h"
#include "storage/backup/backup_folder.h"

namespace mailstead {

struct BackupTrial {
  std::uint64_t mailboxes = 0;  // these were compared with what the backup says, and read
  std::uint64_t messages = 0;   // present ones
  std::uint64_t octets = 0;     // of these
  MailSum deleted;              // that can be restored
  MailSum kept;                 // of removed mailboxes
  std::uint64_t queued = 0;
  std::vector<std::string> troubles;
};

Result<BackupTrial> try_backup(const BackupFolder& folder, const std::string& generation,
                               const TellProgress& tell);

}  // namespace mailstead
