// The message files of a backup folder, mail/DOMAIN/USER/NAME: each once, for all generations.
//
// A message file never changes, and its name without flags is never given twice; so one that is here with the
// right size need not be copied again. A file is written as a draft; many drafts are brought to the disk
// together, and only then get their names: what has a name is whole, also after a power cut.
// Ownership: `root` is the backup folder's descriptor, and outlives this. Threads: one. Rights: every call
// acts in the backup folder, with the rights of now. Errors: those of files.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/backup_damage.h"
#include "storage/backup_files.h"
#include "storage/files.h"
#include "storage/names.h"

namespace mailstead {

// Of mail/DOMAIN/USER, the USER of mail that was kept of a removed mailbox begins with ".kept-".
using PoolFolder = MailboxFolderName;

// Below mail/: "example.org/anna/NAME".
std::string pool_entry(const PoolFolder& folder, std::string_view name);

inline constexpr const char* kPoolFolder = "mail";
inline constexpr std::string_view kKeptPrefix = ".kept-";

class BackupPool {
 public:
  // To add to it.
  static Result<BackupPool> open(int root);
  // To read what is there.
  static Result<BackupPool> open_to_read(int root);

  bool holds(const PoolFolder& folder, const std::string& name, std::uint64_t octets);
  // kNotFound: it is not there.
  Result<RegularFile> open_file(const PoolFolder& folder, const std::string& name);
  // The folder of these, open until the next call; kNotFound likewise.
  Result<int> folder(const PoolFolder& folder);

  // A copy of it will be there after flush(), in the place of what has the name.
  Result<Copied> add(const PoolFolder& folder, const std::string& name, const RegularFile& file);
  // What was added is on the disk, and has its names.
  Result<void> flush();
  // At the end of a backup: the list of damaged files is without those that were copied again.
  Result<void> settle_damage();

 private:
  struct Draft {
    std::string draft;
    PoolFolder folder;
    std::string name;
    FileHandle handle;  // where each is synced for itself
  };

  BackupPool(FileHandle mail, FileHandle drafts) : mail_(std::move(mail)), drafts_(std::move(drafts)) {}
  Result<int> make_its_folder(const PoolFolder& folder);
  Result<void> sync_drafts();

  FileHandle mail_;
  FileHandle drafts_;
  PoolFolder open_folder_of_;  // of `open_folder_`
  FileHandle open_folder_;
  std::vector<Draft> waiting_;
  std::uint64_t octets_waiting_ = 0;
  std::uint64_t serial_ = 0;
  int root_ = -1;
  DamagedFiles damaged_;    // are not held
  bool is_mended_ = false;  // some of them were copied again
};

}  // namespace mailstead
