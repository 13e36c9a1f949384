// Files and folders relative to an open folder: openat with O_NOFOLLOW, short writes, fsync, errors in
// words.
//
// Every call that changes the disk passes one seam, the DiskHook, so that a test can make the n-th
// operation fail or end the process there.
// Ownership: FileHandle owns its descriptor.
// Threads: any; a handle is used by one at a time.
// Errors: kNotFound (ENOENT), kExists (EEXIST), kNoSpace (ENOSPC, EDQUOT), kDenied (EACCES, EPERM, EROFS),
// kUnavailable (no descriptors, no memory), kIo (the rest); the message names the operation and the name,
// callers put the folder in front with in_folder().
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/result.h"

namespace mailstead {

// Called before each operation that changes the disk: "create", "write", "sync", "move", "remove", "mkdir",
// "rmdir", "commit", "committed". Returns 0, or an errno that the operation then fails with ("committed"
// cannot fail).
using DiskHook = int (*)(const char* operation);
// For tests only; nullptr takes it away. Set while no other thread uses the store.
void set_disk_hook(DiskHook hook);
int pass_disk_hook(const char* operation);

class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle() { reset(); }

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

Error system_error(int error_number, std::string_view operation, std::string_view name);
// The same error with the folder's path in front of its message.
Error in_folder(std::string_view path, Error error);

// An existing folder, never through a symbolic link.
Result<FileHandle> open_folder(int at, const std::string& name);
// The same, made with mode 0700 when it is not there. The caller syncs the parent.
Result<FileHandle> make_folder(int at, const std::string& name);
// An existing regular file for reading, never through a symbolic link. kInvalid: it is something else.
struct RegularFile {
  FileHandle handle;
  struct stat facts {};  // when it was opened

  int fd() const { return handle.fd(); }
};
Result<RegularFile> open_file(int at, const std::string& name);
// A new file, mode 0600. kExists when the name is taken.
Result<FileHandle> create_file(int at, const std::string& name);
// A file without a name in this folder: gone when it is closed.
Result<FileHandle> create_unnamed_file(int at);

// Is somebody writing this file, which we have open for reading? Where the kernel does not tell (another
// owner's file, some file systems): was it written in the last few seconds?
bool is_being_written(int fd);

Result<void> write_all(int fd, std::string_view bytes);
// In the place of what is there.
Result<void> write_at(int fd, std::uint64_t offset, std::string_view bytes);
// Appends up to `length` bytes from `offset` to `into`; nothing at the end of the file.
Result<void> read_some(int fd, std::uint64_t offset, std::size_t length, std::string& into);
// At most `limit` bytes of a small file.
Result<std::string> read_small_file(int at, const std::string& name, std::size_t limit);
// Makes the file new with these bytes and syncs it; its folder is the caller's to sync. Replaces an older one
// whole.
Result<void> replace_small_file(int at, const std::string& name, std::string_view bytes);

// Begins to bring what was written to the disk, without waiting for it: files that are all begun before the
// first is synced share the disk's flushes. Promises nothing.
void start_write_back(int fd);
Result<void> sync_handle(int fd, std::string_view name);
// Its octets and its length, and nothing else about it.
Result<void> sync_data(int fd, std::string_view name);
// All of the file system that this is on, with what others have written there, and one flush of the disk for
// it: many files are on the disk sooner so. Without sync_file_system_tells_errors() it may have failed
// unsaid.
Result<void> sync_file_system(int fd, std::string_view name);
// Linux 5.8 and later.
bool sync_file_system_tells_errors();

// Gives a file another name; never replaces what has that name already (kExists).
Result<void> move_file(int from_at, const std::string& from, int to_at, const std::string& to);
// Gives a file another name, in the place of what has that name: also where a file system knows no other way.
Result<void> move_over(int from_at, const std::string& from, int to_at, const std::string& to);
// Puts `from` in the place of `to`, which must exist (kNotFound): one step, after which `from` holds the old
// content, or is gone where the file system cannot exchange names. The old content is worth keeping until the
// folder of `to` is synced.
Result<void> put_in_place(int from_at, const std::string& from, int to_at, const std::string& to);
Result<void> remove_file(int at, const std::string& name);
// Removes a folder with what is in it, up to `budget` entries, which counts down: true when it is gone or was
// absent. A symbolic link is removed, never followed. An entry that resists does not keep the others; the
// error is the first one's and names it by `path`, which is the folder's own.
Result<bool> remove_tree(int at, const std::string& name, const std::string& path, std::size_t& budget);

// The names in a folder without "." and "..", in no order, one at a time. What is added or removed meanwhile
// may be told or not.
class FolderNames {
 public:
  FolderNames() = default;  // none
  static Result<FolderNames> of(int fd);

  // nullopt: there are no more. Good until the next call.
  Result<std::optional<std::string_view>> next();

 private:
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  std::unique_ptr<DIR, Close> stream_;
};
// All of them; of a great many only `at_most`.
Result<std::vector<std::string>> list_folder(int fd, std::size_t at_most = SIZE_MAX);
// kNotFound: there is nothing of that name. Does not follow links.
Result<struct stat> stat_name(int at, const std::string& name);
bool is_folder(int at, const std::string& name);  // likewise

}  // namespace mailstead
