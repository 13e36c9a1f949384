// A generation of a backup becomes a data folder again.
//
// What is written is a folder that a Store opens: its start then recovers as after a crash, takes in mail
// that had no file yet, and brings an older schema to its own. What the backup lacks is told, and does not
// keep the rest. Threads: one. Rights: this process acts as the data folder's owner; `as_caller` lends it
// those that the backup is read with. Errors: kUnavailable (stopped), kInvalid (of a newer program), kCorrupt
// (its database), and those of files.h: what is there by then is not whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/backup/backup_files.h"
#include "storage/backup/backup_folder.h"

namespace mailstead {

// Mail that was on its way out. Some of it was sent after the backup was made, and nobody knows which.
enum class RestoredQueue {
  kSent,  // what was sent since goes once more: RFC 5321 4.1.1.4 has it twice rather than not at all
  kHeld,  // until people release it
  kLeftOut,
};

enum class Bring {
  kCopies,
  kLinks,  // names of the backup's own files, where the file system has them: nobody is to write into them
};

struct RestoreTerms {
  AsCaller as_caller;
  TellProgress tell;
  RestoredQueue queue = RestoredQueue::kSent;
  Bring bring = Bring::kCopies;
};

struct RestoreSummary {
  BackupFacts facts;
  std::uint64_t files = 0;   // of messages
  std::uint64_t octets = 0;  // of these
  std::uint64_t queued = 0;  // messages on their way out
  std::uint64_t lost = 0;    // messages whose files the backup lacks, or that differ from what was backed up
  std::vector<std::string> troubles;  // these and others, the first of them
};

// `into` is an empty folder, `path` its name for SQLite, without symbolic links. On the disk on return.
Result<RestoreSummary> fill_from_backup(const BackupFolder& backup, const std::string& generation, int into,
                                        const std::string& path, const RestoreTerms& terms);

}  // namespace mailstead
