// The folder that holds the backups of a store: its mark, its lock, its generations.
//
//     mailstead-backup       says whose backups these are, for people and for us
//     lock                   held while a backup is made (alone) or read (with others)
//     mail/DOMAIN/USER/NAME  message files, which all generations share: backup_pool.h
//     TIME/                  a generation, such as 2026-11-30T08-15-00Z: what it holds besides is in backup.h
//     TIME.unfinished        one that is being made, or going
//     .drafts/ .test-TIME/   of a run; what one left that was broken off, the next removes
//     pruning                files of mail/ are being looked through, or were when a run was broken off
//
// Nothing else in it is touched, and no symbolic link in it is followed.
// Ownership: holds the folder and its lock. Threads: one. Rights: every call acts in the folder, with the
// rights of now. Errors: kExists (it is no backup folder, or another store's), kInUse (another backup is at
// work there), kInvalid (a later form, nothing there), and those of files.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/files.h"

namespace mailstead {

// What a generation says of itself, in its file `about`.
struct BackupFacts {
  std::string generation;  // "2026-11-30T08-15-00Z"
  std::int64_t at = 0;     // Unix seconds: the moment that it shows
  std::uint64_t mailboxes = 0;
  std::uint64_t messages = 0;  // present ones
  std::uint64_t octets = 0;    // of these
  std::uint64_t queued = 0;    // messages on their way out
  int schema = 0;
};

struct MailSum {
  std::uint64_t messages = 0;
  std::uint64_t octets = 0;
};

// "2026-11-30T08-15-00Z"
std::string generation_name(std::int64_t at);
bool is_generation_name(std::string_view name);

class BackupFolder {
 public:
  enum class Use {
    kWrite,  // made when it is missing; its parent has to be there
    kRead,
  };
  static Result<std::unique_ptr<BackupFolder>> open(const std::string& path, Use use);

  int fd() const { return root_.fd(); }
  const std::string& path() const { return path_; }  // as given
  // Without symbolic links, for SQLite, which opens by path.
  const std::string& real_path() const { return real_path_; }
  // The store whose backups are here; empty: there are none yet.
  const std::string& identity() const { return identity_; }

  // From now on these are this store's. kExists: they are another's.
  Result<void> claim(const std::string& identity);
  // The oldest first.
  Result<std::vector<std::string>> generations() const;
  Result<BackupFacts> facts_of(const std::string& generation) const;
  // "" is the newest. kNotFound: there is none, or not this one; the message says which there are.
  Result<std::string> choose(const std::string& generation) const;

  // A new generation that nobody sees yet. Its name is the time `at`, but behind all that are there, also
  // where a clock was wrong: the newest is the last one made.
  Result<FileHandle> begin(std::int64_t at, std::string& generation) const;
  // It is whole and on the disk.
  Result<void> publish(const std::string& generation) const;
  // One that was published goes; files of mail/ stay.
  Result<void> remove(const std::string& generation) const;
  // What a run left that was broken off.
  Result<void> sweep() const;

 private:
  explicit BackupFolder(std::string path) : path_(std::move(path)) {}
  Result<void> open_root(Use use);
  Result<void> look_whose(Use use);
  Result<void> lock(Use use);

  std::string path_;
  std::string real_path_;
  std::string identity_;
  FileHandle root_;
  FileHandle lock_;
};

// The file `about` of a generation, and back.
std::string facts_text(const BackupFacts& facts);
BackupFacts parse_facts(std::string_view text);

inline constexpr const char* kAboutFile = "about";
inline constexpr const char* kConfigurationFile =
    "configuration.toml";  // one that lay outside the data folder
inline constexpr std::string_view kUnfinished = ".unfinished";
inline constexpr std::string_view kTestPrefix = ".test-";
inline constexpr const char* kDraftsFolder = ".drafts";
inline constexpr const char* kPruningFile = "pruning";

}  // namespace mailstead
