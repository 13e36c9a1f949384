// The data folder: its lock, its layout, its reserve of disk space.
//
// Ownership: holds the folder's descriptor and the lock until it is destroyed.
// Threads: fd() and free_space() any; the rest one at a time.
// Errors: kInUse (the message names the other process), kInvalid (it is not a folder), kDenied, kNoSpace:
// nothing was changed.
// Modes: 0700 folders, 0600 files.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <memory>
#include <string>

#include "protocols/address.h"
#include "protocols/result.h"
#include "storage/files.h"

namespace mailstead {

inline constexpr const char* kDatabaseFile = "mailstead.db";
// What a restore writes into until it is whole: no store is opened beside it (restore_place.h).
inline constexpr const char* kRestoreFolder = "restore.unfinished";
// Files in it, while it moves what was there aside, and then what it has made into its place
// (restore_place.h).
inline constexpr const char* kRestoreAsideMark = ".aside";
inline constexpr const char* kRestorePlacingMark = ".placing";
// The same when it is no longer needed, and goes.
inline constexpr const char* kRestoredFolder = ".restored";
// What is held back for a full disk: octets, and files (inodes) in a folder.
inline constexpr const char* kReserveFile = "reserve";
inline constexpr const char* kReserveFolder = "reserve.files";
// What a restore found in the data folder, and moved aside.
inline constexpr const char* kReplacedPrefix = "replaced-";

// The lock of a data folder, for as long as the handle is open. `path` is for messages. kInUse: another
// process has it.
Result<FileHandle> lock_data_folder(int root, const std::string& path, const std::string& host);

// What we make in a data folder, and what a volume, its owner or a service keeps beside it.
bool may_be_in_data_folder(const std::string& name);

// The octets that mail may still take of a file system. Where it may make few files (inodes) yet, each stands
// for this many octets: a disk that has no file left is as full as one that has no octet left.
inline constexpr std::uint64_t kOctetsOfFile = 256 << 10;
std::uint64_t room_of(const struct statvfs& facts);

class DataFolder {
 public:
  // Takes the lock; makes the folder (not its parent) and what is in it when they are absent. A folder that
  // is there has to be one of ours (it holds a mailstead.db…, our lock or, when these are lost, nothing but
  // our names and a mail/DOMAIN/USER/address) or empty but for lost+found, tls, dkim and mailstead….
  static Result<std::unique_ptr<DataFolder>> open(const std::string& path, const std::string& host);

  // Without the lock, to look at beside its owner: a folder that a store has laid out before. Nothing is made
  // or changed.
  static Result<std::unique_ptr<DataFolder>> open_to_read(const std::string& path);

  int fd() const { return root_.fd(); }
  const std::string& path() const { return path_; }  // as given
  // The path without symbolic links, for SQLite, which opens by path.
  std::string database_path() const { return real_path_ + "/" + kDatabaseFile; }

  int mail_fd() const { return mail_.fd(); }
  int queue_fd() const { return queue_.fd(); }
  int journal_fd() const { return journal_.fd(); }  // -1: opened to read, and there is none

  Result<std::uint64_t> free_space() const;  // room_of() its file system
  // kNoSpace: the disk is so low that only what has to be written is.
  Result<void> check_room() const;

  // 4 MiB set aside, as much as the WAL may hold that the database has no room for yet, and some files: so
  // deletes, a start and the end find room on a full disk.
  void release_reserve();
  // Makes the reserve again when there is room for it; quiet when there is not.
  void refill_reserve();
  bool holds_reserve() const { return reserve_held_; }

 private:
  explicit DataFolder(std::string path) : path_(std::move(path)) {}

  Result<void> open_root();
  Result<void> find_real_path();
  Result<void> check_root();
  Result<void> lock(const std::string& host);
  Result<void> check_restore() const;
  Result<void> lay_out();

  std::string path_;
  std::string real_path_;
  FileHandle root_;
  FileHandle lock_;
  FileHandle mail_;
  FileHandle queue_;
  FileHandle journal_;
  bool made_ = false;              // the folder was made by this open()
  bool is_new_ = false;            // nothing in it was ours before
  bool closes_to_others_ = false;  // it is a data folder already, or empty: its mode is ours to set
  bool reserve_held_ = false;
};

}  // namespace mailstead
