// The message files of a backup folder, mail/DOMAIN/USER/NAME: each once, for all generations.
//
// A message file hardly ever changes, and its name without flags is never given twice; so one that is here
// with the right size need not be copied again. Where it did change (a disk, a person, a repair), the
// generations that are there hold what it was: a file that one of them describes, by length and hash, is
// never replaced by other octets. What the message is now then lies beside it, under a name that is made of
// the message's and of what its row says (other_pool_name()), and whoever knows the row finds it: there if
// it is there, else under the message's own name. Only what no generation describes is damaged, and replaced
// by what one does.
// A file is written as a draft; many drafts are brought to the disk together, and only then get their names:
// what has a name is whole, also after a power cut.
// Ownership: the folder and its generations outlive it. Threads: one. Rights: every call
// acts in the backup folder, with the rights of now. Errors: those of files.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/backup/backup_damage.h"
#include "storage/backup/backup_files.h"
#include "storage/backup/backup_generations.h"
#include "storage/files.h"

namespace mailstead {

// Below mail/: "example.org/anna/NAME".
std::string pool_entry(const PoolFolder& folder, std::string_view name);

inline constexpr const char* kPoolFolder = "mail";
// The name, beside the message's own, of a file that is what the claim says.
std::string other_pool_name(std::string_view name, const PoolClaim& claim);
// Is it such a name?
bool is_other_pool_name(std::string_view name);

// How sure one has to be that a file is what its row says.
enum class Sure {
  kByLength,  // the message never changed, as far as is known
  kByOctets,  // it did: all of the file is read
};

class BackupPool {
 public:
  // To add to it.
  static Result<BackupPool> open(const BackupFolder& folder, EarlierGenerations& generations);
  // To read what is there.
  static Result<BackupPool> open_to_read(int root);

  bool holds(const PoolFolder& folder, const std::string& name, const PoolClaim& claim, Sure sure);
  // What may be the message of this claim: the first is the likeliest, and there is another only where the
  // octets have to tell. kNotFound: there is none.
  Result<std::vector<std::string>> names_of(const PoolFolder& folder, const std::string& name,
                                            const PoolClaim& claim);
  Result<RegularFile> open_file(const PoolFolder& folder, const std::string& name);
  // The folder of these, open until the next call; kNotFound: it is not there.
  Result<int> folder(const PoolFolder& folder);

  // After flush() what is in the file is there, for who asks by this claim.
  Result<Copied> add(const PoolFolder& folder, const std::string& name, const PoolClaim& claim,
                     const RegularFile& file);
  // What was added is on the disk, and has its names.
  Result<void> flush();
  // At the end of a backup: the list of damaged files is without those that were copied again.
  Result<void> settle_damage();

 private:
  struct Draft {
    std::string draft;
    PoolFolder folder;
    std::string name;
    PoolClaim claim;
    Copied copied;
    FileHandle handle;  // where each is synced for itself
  };

  BackupPool(FileHandle mail, FileHandle drafts) : mail_(std::move(mail)), drafts_(std::move(drafts)) {}
  Result<int> make_its_folder(const PoolFolder& folder);
  Result<void> sync_drafts();
  // Empty: what the draft holds is there, or something better.
  Result<std::string> name_for(const Draft& draft, int at);
  Result<void> place(const Draft& draft);
  void is_sound(const PoolFolder& folder, const std::string& name);
  bool is_there(int at, const PoolFolder& folder, const std::string& name, std::uint64_t octets) const;

  FileHandle mail_;
  FileHandle drafts_;
  PoolFolder open_folder_of_;  // of `open_folder_`
  FileHandle open_folder_;
  std::vector<Draft> waiting_;
  std::uint64_t octets_waiting_ = 0;
  std::uint64_t serial_ = 0;
  int root_ = -1;
  EarlierGenerations* generations_ = nullptr;
  DamagedFiles damaged_;    // are not held
  bool is_mended_ = false;  // some of them were copied again, or are none
};

}  // namespace mailstead
