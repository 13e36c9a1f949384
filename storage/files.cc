#include "storage/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <system_error>

namespace mailstead {

namespace {

std::atomic<DiskHook> disk_hook{nullptr};

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr std::time_t kStillWarmSeconds = 5;

ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return ErrorKind::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return ErrorKind::kExists;
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::kDenied;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorKind::kUnavailable;
    default:
      return ErrorKind::kIo;
  }
}

// More names than are to be removed, so that some that resist do not hide the others.
constexpr std::size_t kResisting = 1000;

Result<bool> remove_folder_entries(int fd, const std::string& path, std::size_t& budget) {
  auto names = list_folder(fd, budget < SIZE_MAX - kResisting ? budget + kResisting : SIZE_MAX);
  if (!names) return in_folder(path, names.error());
  Result<bool> all = true;
  for (const std::string& name : *names) {
    if (budget == 0) return false;
    auto gone = remove_tree(fd, name, path + "/" + name, budget);
    if (!gone) {
      if (all) all = gone;
    } else if (!*gone) {
      return false;
    }
  }
  return all;
}

}  // namespace

void set_disk_hook(DiskHook hook) {
  disk_hook.store(hook);
}

int pass_disk_hook(const char* operation) {
  DiskHook hook = disk_hook.load(std::memory_order_relaxed);
  return hook == nullptr ? 0 : hook(operation);
}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileHandle::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error system_error(int error_number, std::string_view operation, std::string_view name) {
  std::string_view advice;
  switch (kind_of(error_number)) {
    case ErrorKind::kNoSpace:
      advice = "; free some space on this disk";
      break;
    case ErrorKind::kDenied:
      advice = error_number == EROFS ? "; the file system has to be mounted for writing"
                                     : "; check owner and rights";
      break;
    default:
      break;
  }
  return Error{kind_of(error_number), fmt::format("cannot {} {}: {}{}", operation, name,
                                                  std::generic_category().message(error_number), advice)};
}

Error in_folder(std::string_view path, Error error) {
  error.message = fmt::format("{}: {}", path, error.message);
  return error;
}

Result<FileHandle> open_folder(int at, const std::string& name) {
  int fd = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return system_error(errno, "open folder", name);
  return FileHandle(fd);
}

Result<FileHandle> make_folder(int at, const std::string& name) {
  auto opened = open_folder(at, name);
  if (opened || opened.error().kind != ErrorKind::kNotFound) return opened;
  if (int failed = pass_disk_hook("mkdir")) return system_error(failed, "make folder", name);
  if (::mkdirat(at, name.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return system_error(errno, "make folder", name);
  }
  return open_folder(at, name);
}

Result<RegularFile> open_file(int at, const std::string& name) {
  // O_NONBLOCK: a FIFO that somebody put there must not hold us up.
  int fd = ::openat(at, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 && (errno == ELOOP || errno == ENXIO))  // a link, a socket
    return Error{ErrorKind::kInvalid, fmt::format("{} is not a regular file", name)};
  if (fd < 0) return system_error(errno, "open", name);
  RegularFile file{FileHandle(fd), {}};
  if (::fstat(fd, &file.facts) != 0) return system_error(errno, "look at", name);
  if (!S_ISREG(file.facts.st_mode))
    return Error{ErrorKind::kInvalid, fmt::format("{} is not a regular file", name)};
  return file;
}

Result<FileHandle> create_file(int at, const std::string& name) {
  if (int failed = pass_disk_hook("create")) return system_error(failed, "create", name);
  int fd = ::openat(at, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode);
  if (fd < 0) return system_error(errno, "create", name);
  return FileHandle(fd);
}

Result<FileHandle> create_unnamed_file(int at) {
  if (int failed = pass_disk_hook("create")) return system_error(failed, "create", "a spool file");
  int fd = ::openat(at, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, kFileMode);
  if (fd >= 0) return FileHandle(fd);
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL) {
    return system_error(errno, "create", "a spool file");
  }
  // No O_TMPFILE here: a name that lives for a moment. Recovery sweeps what a crash leaves of it.
  static std::atomic<unsigned> serial{0};
  std::string name = fmt::format(".spool-{}-{}", ::getpid(), serial.fetch_add(1));
  auto file = create_file(at, name);
  if (file) ::unlinkat(at, name.c_str(), 0);
  return file;
}

bool is_being_written(int fd) {
  // A read lease is given only while nobody has the file open for writing. Should somebody open it in the
  // moment that we hold it, we are told by SIGURG, which is ignored unless it is asked for; SIGIO would end
  // the process.
  if (::fcntl(fd, F_SETSIG, SIGURG) == 0 && ::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    static_cast<void>(::fcntl(fd, F_SETLEASE, F_UNLCK));
    return false;
  }
  if (errno == EAGAIN) return true;
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 && ::time(nullptr) - facts.st_mtim.tv_sec < kStillWarmSeconds;
}

Result<void> write_all(int fd, std::string_view bytes) {
  if (int failed = pass_disk_hook("write")) return system_error(failed, "write", "a file");
  while (!bytes.empty()) {
    ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return system_error(errno, "write", "a file");
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<void> write_at(int fd, std::uint64_t offset, std::string_view bytes) {
  if (int failed = pass_disk_hook("write")) return system_error(failed, "write", "a file");
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return system_error(errno, "write", "a file");
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

namespace {

// No more than the file has from there: room for a large piece is cleared octet by octet, which costs more
// than to read a small file.
std::size_t room_for(int fd, std::uint64_t offset, std::size_t length) {
  constexpr std::size_t kLittle = 8192;
  struct stat facts {};
  if (length <= kLittle || ::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) return length;
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size == 0) return length;  // as many files of the kernel's say that hold something
  return static_cast<std::size_t>(std::min<std::uint64_t>(length, size > offset ? size - offset : 0));
}

}  // namespace

Result<void> read_some(int fd, std::uint64_t offset, std::size_t length, std::string& into) {
  length = room_for(fd, offset, length);
  const std::size_t before = into.size();
  into.resize(before + length);
  std::size_t got = 0;
  while (got < length) {
    ssize_t count = ::pread(fd, into.data() + before + got, length - got, static_cast<off_t>(offset + got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      int error_number = errno;
      into.resize(before);
      return system_error(error_number, "read", "a file");
    }
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  into.resize(before + got);
  return {};
}

Result<std::string> read_small_file(int at, const std::string& name, std::size_t limit) {
  auto file = open_file(at, name);
  if (!file) return file.error();
  std::string bytes;
  if (auto done = read_some(file->fd(), 0, limit, bytes); !done) return done.error();
  return bytes;
}

Result<void> replace_small_file(int at, const std::string& name, std::string_view bytes) {
  const std::string draft = name + ".new";
  ::unlinkat(at, draft.c_str(), 0);
  auto file = create_file(at, draft);
  if (!file) return file.error();
  auto done = write_all(file->fd(), bytes);
  if (done) done = sync_handle(file->fd(), draft);
  if (done) {
    if (int failed = pass_disk_hook("move")) {
      done = system_error(failed, "rename", draft);
    } else if (::renameat(at, draft.c_str(), at, name.c_str()) != 0) {
      done = system_error(errno, "rename", draft);
    }
  }
  if (!done) ::unlinkat(at, draft.c_str(), 0);
  return done;
}

void start_write_back(int fd) {
  static_cast<void>(::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
}

Result<void> sync_handle(int fd, std::string_view name) {
  if (int failed = pass_disk_hook("sync")) return system_error(failed, "sync", name);
  if (::fsync(fd) != 0) return system_error(errno, "sync", name);
  return {};
}

Result<void> sync_data(int fd, std::string_view name) {
  if (int failed = pass_disk_hook("sync")) return system_error(failed, "sync", name);
  if (::fdatasync(fd) != 0) return system_error(errno, "sync", name);
  return {};
}

Result<void> sync_file_system(int fd, std::string_view name) {
  int failed = pass_disk_hook("sync");
  if (failed == 0 && ::syncfs(fd) != 0) failed = errno;
  if (failed != 0) return system_error(failed, "sync the file system of", name);
  return {};
}

bool sync_file_system_tells_errors() {
  static const bool tells = [] {
    struct utsname system {};
    int major = 0;
    int minor = 0;
    if (::uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
    return major > 5 || (major == 5 && minor >= 8);
  }();
  return tells;
}

Result<void> move_file(int from_at, const std::string& from, int to_at, const std::string& to) {
  if (int failed = pass_disk_hook("move")) return system_error(failed, "move", from);
  if (::renameat2(from_at, from.c_str(), to_at, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_error(errno, "move", from);
  // A file system without RENAME_NOREPLACE. Between the two steps a crash leaves both names of one file.
  if (::linkat(from_at, from.c_str(), to_at, to.c_str(), 0) != 0) return system_error(errno, "link", to);
  if (::unlinkat(from_at, from.c_str(), 0) != 0) return system_error(errno, "remove", from);
  return {};
}

Result<void> move_over(int from_at, const std::string& from, int to_at, const std::string& to) {
  if (int failed = pass_disk_hook("move")) return system_error(failed, "move", from);
  if (::renameat(from_at, from.c_str(), to_at, to.c_str()) != 0) return system_error(errno, "move", from);
  return {};
}

Result<void> put_in_place(int from_at, const std::string& from, int to_at, const std::string& to) {
  if (int failed = pass_disk_hook("move")) return system_error(failed, "replace", to);
  if (::renameat2(from_at, from.c_str(), to_at, to.c_str(), RENAME_EXCHANGE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_error(errno, "replace", to);
  if (auto facts = stat_name(to_at, to); !facts) return facts.error();  // it would be made anew
  if (::renameat(from_at, from.c_str(), to_at, to.c_str()) != 0) return system_error(errno, "replace", to);
  return {};
}

Result<void> remove_file(int at, const std::string& name) {
  if (int failed = pass_disk_hook("remove")) return system_error(failed, "remove", name);
  if (::unlinkat(at, name.c_str(), 0) != 0) return system_error(errno, "remove", name);
  return {};
}

Result<bool> remove_tree(int at, const std::string& name, const std::string& path, std::size_t& budget) {
  auto facts = stat_name(at, name);
  if (!facts) {
    if (facts.error().kind == ErrorKind::kNotFound) return true;
    return in_folder(path, facts.error());
  }
  const bool is_folder = S_ISDIR(facts->st_mode);
  if (is_folder) {
    auto folder = open_folder(at, name);
    if (!folder) return in_folder(path, folder.error());
    auto emptied = remove_folder_entries(folder->fd(), path, budget);
    if (!emptied || !*emptied) return emptied;
  }
  if (budget == 0) return false;
  if (int failed = pass_disk_hook(is_folder ? "rmdir" : "remove"))
    return system_error(failed, "remove", path);
  if (::unlinkat(at, name.c_str(), is_folder ? AT_REMOVEDIR : 0) != 0) {
    // A folder of more names than were listed is not empty yet.
    if (is_folder && errno == ENOTEMPTY) return false;
    return system_error(errno, "remove", path);
  }
  --budget;
  return true;
}

Result<FolderNames> FolderNames::of(int fd) {
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return system_error(errno, "list", "a folder");
  FolderNames names;
  names.stream_.reset(::fdopendir(own));
  if (names.stream_ == nullptr) {
    const int error_number = errno;
    ::close(own);
    return system_error(error_number, "list", "a folder");
  }
  return names;
}

Result<std::optional<std::string_view>> FolderNames::next() {
  while (stream_ != nullptr) {
    errno = 0;
    const dirent* entry = ::readdir(stream_.get());
    if (entry == nullptr) {
      if (errno != 0) return system_error(errno, "list", "a folder");
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return std::optional(name);
  }
  return std::optional<std::string_view>();
}

Result<std::vector<std::string>> list_folder(int fd, std::size_t at_most) {
  auto stream = FolderNames::of(fd);
  if (!stream) return stream.error();
  std::vector<std::string> names;
  while (names.size() < at_most) {
    auto name = stream->next();
    if (!name) return name.error();
    if (!*name) break;
    names.emplace_back(**name);
  }
  return names;
}

Result<struct stat> stat_name(int at, const std::string& name) {
  struct stat facts {};
  if (::fstatat(at, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
    return system_error(errno, "look at", name);
  return facts;
}

bool is_folder(int at, const std::string& name) {
  const auto facts = stat_name(at, name);
  return facts && S_ISDIR(facts->st_mode);
}

}  // namespace mailstead
