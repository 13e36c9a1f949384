// The generations of a backup folder, read as the databases they are: what their rows say of the files in
// the pool.
//
// Threads: one. Rights: those of now, which have to be the caller's. Errors: those of database.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocols/result.h"
#include "storage/backup/backup_folder.h"
#include "storage/database/database.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/names.h"

namespace mailstead {

// Of mail/DOMAIN/USER, the USER of mail that was kept of a removed mailbox begins with ".kept-".
using PoolFolder = MailboxFolderName;

inline constexpr std::string_view kKeptPrefix = ".kept-";

// What a row says of its message's file.
struct PoolClaim {
  std::uint64_t octets = 0;
  ContentHash hash = {};  // may be not known
};

struct Generation {
  using FolderKey = std::pair<std::string, std::string>;  // domain, user

  std::string name;
  std::unique_ptr<Database> database;
  std::map<FolderKey, std::int64_t> mailboxes;
};

Result<Generation> open_generation(const BackupFolder& folder, const std::string& name);
// The oldest first.
Result<std::vector<Generation>> open_generations(const BackupFolder& folder);
// Of mail that was kept of a removed mailbox: path in its folder, and what is said of the file.
Result<void> each_kept(Database& database, const PoolFolder& folder,
                       const std::function<void(const std::string&, const PoolClaim&)>& tell);
bool has_column(Database& database, std::string_view table, std::string_view column);

// While a backup is made: all that are there already, opened when somebody asks.
class EarlierGenerations {
 public:
  explicit EarlierGenerations(const BackupFolder& folder) : folder_(folder) {}

  // What all of them say of this message.
  Result<std::vector<PoolClaim>> claims_on(const PoolFolder& folder, const std::string& name);
  // How the newest holds this message. Only that one is opened for it.
  enum class Held { kNot, kAsFile, kInDatabase };  // it had no file yet: its bytes are in the copy
  Result<Held> held_by_newest(const PoolFolder& folder, const std::string& name);
  // Of mail that was kept of a removed mailbox what the newest says, by base name.
  Result<std::unordered_map<std::string, PoolClaim>> kept_in(const PoolFolder& folder);

 private:
  Result<void> open();

  const BackupFolder& folder_;
  bool are_open_ = false;
  std::vector<Generation> generations_;
  bool is_newest_open_ = false;
  std::optional<Generation> newest_;  // nullopt: there is none
};

}  // namespace mailstead
