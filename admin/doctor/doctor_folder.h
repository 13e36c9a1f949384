// doctor: the data folder, as it is seen from outside. look_at_folder() changes nothing; judge_… are pure
// functions. Threads: one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "admin/doctor/doctor_finding.h"

namespace mailstead::admin {

struct FolderFacts {
  std::string path;
  enum class Kind { kFolder, kMissing, kNoParent, kNoFolder, kDenied } kind = Kind::kMissing;
  std::string parent = {};
  bool is_link = false;                   // a symbolic link leads to it
  mode_t mode = 0;                        // of the folder
  uid_t owner = 0;                        // of the folder
  bool is_laid_out = false;               // a store has been there
  bool is_restore_open = false;           // a restore was broken off
  std::vector<std::string> foreign = {};  // what belongs to somebody else, at most a few
  std::vector<std::string> open = {};     // secrets that others can read, likewise
  bool is_locked = false;                 // by some process
  std::string holder = {};                // its number, and the host where it is not this one
  bool is_answering = false;              // a server does, by the control socket
};

FolderFacts look_at_folder(const std::string& data);
void judge_folder(const FolderFacts& facts, DoctorFindings& into);

struct BackupFacts {
  std::int64_t now = 0;                 // Unix seconds, as the next
  std::optional<std::int64_t> last_at;  // a good one; 0: never; nullopt: not known
  std::int64_t failed_at = 0;           // after it; 0: none has
  std::string failure = {};
};

void judge_backup(const BackupFacts& facts, DoctorFindings& into);

}  // namespace mailstead::admin
