#include "storage/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace mailstead {

namespace {

constexpr const char* kLockFile = "lock";
constexpr off_t kReserveBytes = 4 << 20;
// Below this we do not start, and do not refill the reserve.
constexpr std::uint64_t kLeastFreeSpace = 4u << 20;
constexpr std::size_t kReserveFiles = kLeastFreeSpace / kOctetsOfFile;

std::uint64_t allocated_octets(const struct stat& facts) {
  return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

std::string reserve_file(std::size_t number) {
  return fmt::format("{}/{}", kReserveFolder, number);
}

std::string parent_of(const std::string& path) {
  std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  const std::size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Error plain_error(const std::string& path, int error_number) {
  switch (error_number) {
    case ENOENT:
      return Error{ErrorKind::kNotFound,
                   fmt::format("{} cannot be made: its parent folder {} does not exist; make that "
                               "first or choose another --data",
                               path, parent_of(path))};
    case ENOTDIR:
    case EEXIST:
      return Error{ErrorKind::kInvalid, fmt::format("{} is not a folder; choose another --data", path)};
    case EACCES:
    case EPERM:
      return Error{ErrorKind::kDenied,
                   fmt::format("no right to use {} as data folder; run as its owner or choose another "
                               "--data",
                               path)};
    case EROFS:
      return Error{ErrorKind::kDenied,
                   fmt::format("{} is on a read-only file system; mount it for writing or choose "
                               "another --data",
                               path)};
    case ENOSPC:
    case EDQUOT:
      return Error{ErrorKind::kNoSpace,
                   fmt::format("the disk of {} is full; free some space or choose another --data", path)};
    default:
      return Error{ErrorKind::kIo,
                   fmt::format("{} cannot be used as data folder: {}", path, std::strerror(error_number))};
  }
}

// What may lie in a folder before its first start: settings and keys for it, and what a fresh volume holds.
bool may_be_in_new(const std::string& name) {
  return name == "lost+found" || name == "tls" || name == "dkim" || name == "acme" ||
         name.starts_with("secret.key") || name == "control.sock" || name.starts_with("mailstead");
}

// Does it read "PROCESS HOST" as we write it? An owner that died before that left it empty, and one that lost
// its power perhaps as long as it was to be, and no octet of it.
bool is_our_lock(int at) {
  auto text = read_small_file(at, kLockFile, 100);
  if (!text) return false;
  if (text->find_first_not_of('\0') == std::string::npos) return true;
  const std::size_t digits = std::min(text->find_first_not_of("0123456789"), text->size());
  return digits > 0 && digits < text->size() && (*text)[digits] == ' ';
}

// A database's name, whatever became of it, or our lock.
bool is_marked(int at, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name.starts_with(kDatabaseFile) || (name == kLockFile && is_our_lock(at))) return true;
  }
  return false;
}

// Is there a mail/DOMAIN/USER/address?
bool holds_mailboxes(int at) {
  auto mail = open_folder(at, "mail");
  auto domains = mail ? list_folder(mail->fd()) : Result<std::vector<std::string>>(mail.error());
  if (!domains) return false;
  for (const std::string& domain_name : *domains) {
    auto domain = open_folder(mail->fd(), domain_name);
    auto users = domain ? list_folder(domain->fd()) : Result<std::vector<std::string>>(domain.error());
    if (!users) continue;
    for (const std::string& user_name : *users) {
      auto user = open_folder(domain->fd(), user_name);
      if (user && open_file(user->fd(), "address")) return true;
    }
  }
  return false;
}

}  // namespace

bool may_be_in_data_folder(const std::string& name) {
  static constexpr std::string_view kOurs[] = {"mail",       "queue",        "journal",   "tls",
                                               "dkim",       "acme",         "lock",      "control.sock",
                                               kReserveFile, kReserveFolder, "lost+found"};
  return std::find(std::begin(kOurs), std::end(kOurs), name) != std::end(kOurs) ||
         name.starts_with("mailstead") || name.starts_with("secret.key") || name.starts_with('.') ||
         name.starts_with(kReplacedPrefix) || name == kRestoreFolder || name.ends_with(".log") ||
         name.ends_with(".pid");
}

Result<FileHandle> lock_data_folder(int root, const std::string& path, const std::string& host) {
  FileHandle lock(::openat(root, kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.is_open()) return plain_error(path, errno);
  if (::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return plain_error(path, errno);
    std::string owner;
    static_cast<void>(read_some(lock.fd(), 0, 200, owner));
    owner = owner.substr(0, owner.find('\n'));
    const std::size_t space = owner.find(' ');
    std::string who = owner.empty() ? "another process" : "process " + owner.substr(0, space);
    if (space != std::string::npos && owner.substr(space + 1) != host)
      who += " on " + owner.substr(space + 1);
    return Error{ErrorKind::kInUse,
                 fmt::format("{} is in use by {}; stop it or choose another --data", path, who)};
  }
  const std::string owner = fmt::format("{} {}\n", ::getpid(), host);
  if (::ftruncate(lock.fd(), 0) != 0) return plain_error(path, errno);
  if (::pwrite(lock.fd(), owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    return plain_error(path, errno);
  }
  return lock;
}

Result<std::unique_ptr<DataFolder>> DataFolder::open(const std::string& path, const std::string& host) {
  std::unique_ptr<DataFolder> folder(new DataFolder(path));
  auto done = folder->open_root();
  if (done) done = folder->check_root();
  if (done) done = folder->lock(host);
  if (done) done = folder->check_restore();
  if (done) done = folder->lay_out();
  if (!done) {
    if (folder->made_) {
      // Only what is empty goes: the lock and then the folder itself.
      ::unlinkat(folder->fd(), kLockFile, 0);
      ::rmdir(path.c_str());
    }
    return done.error();
  }
  return folder;
}

Result<std::unique_ptr<DataFolder>> DataFolder::open_to_read(const std::string& path) {
  std::unique_ptr<DataFolder> folder(new DataFolder(path));
  folder->root_ = FileHandle(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder->root_.is_open()) return plain_error(path, errno);
  if (auto done = folder->find_real_path(); !done) return done.error();
  for (auto [name, handle] : {std::pair{"mail", &folder->mail_}, {"queue", &folder->queue_}}) {
    auto opened = open_folder(folder->fd(), name);
    if (!opened) return in_folder(path, opened.error());
    *handle = std::move(*opened);
  }
  if (auto journal = open_folder(folder->fd(), "journal")) folder->journal_ = std::move(*journal);
  return folder;
}

Result<void> DataFolder::open_root() {
  int fd = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    if (::mkdir(path_.c_str(), 0700) != 0) return plain_error(path_, errno);
    made_ = true;
    fd = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FileHandle parent(::open(parent_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (parent.is_open())
      ::fsync(parent.fd());  // some parents may be entered but not read: then it is theirs to sync
  }
  if (fd < 0) return plain_error(path_, errno);
  root_ = FileHandle(fd);
  return find_real_path();
}

Result<void> DataFolder::find_real_path() {
  std::unique_ptr<char, decltype(&::free)> real(::realpath(path_.c_str(), nullptr), &::free);
  if (!real) return plain_error(path_, errno);
  real_path_ = real.get();
  return {};
}

Result<void> DataFolder::check_root() {
  struct stat facts {};
  if (::fstat(fd(), &facts) != 0) return plain_error(path_, errno);
  if (facts.st_uid != ::geteuid()) {
    return Error{ErrorKind::kDenied,
                 fmt::format("{} belongs to user id {}, this process runs as {}; run it as that user "
                             "or choose another --data",
                             path_, facts.st_uid, ::geteuid())};
  }
  if (::faccessat(fd(), ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) return plain_error(path_, errno);
  auto names = list_folder(fd());
  if (!names) return in_folder(path_, names.error());
  const bool ours =
      is_marked(fd(), *names) ||
      (std::all_of(names->begin(), names->end(), may_be_in_data_folder) && holds_mailboxes(fd()));
  if (!ours) {
    auto stranger = std::find_if_not(names->begin(), names->end(), may_be_in_new);
    if (stranger != names->end()) {
      return Error{ErrorKind::kInvalid,
                   fmt::format("{} holds other files ({}) and is no data folder; choose another --data",
                               path_, *stranger)};
    }
  }
  is_new_ = !ours;
  closes_to_others_ = ours || names->empty();
  auto space = free_space();
  if (!space) return space.error();
  if (*space >= kLeastFreeSpace) return {};
  // What an earlier process has held back for this is still there after a crash.
  const auto reserve = stat_name(fd(), kReserveFile);
  const std::uint64_t held = reserve && S_ISREG(reserve->st_mode) ? allocated_octets(*reserve) : 0;
  if (ours && *space + held >= kLeastFreeSpace) return {};
  if (!ours) return plain_error(path_, ENOSPC);
  return Error{ErrorKind::kNoSpace, fmt::format("the disk of {} is full: free some space on it", path_)};
}

Result<void> DataFolder::lock(const std::string& host) {
  auto locked = lock_data_folder(root_.fd(), path_, host);
  if (!locked) return locked.error();
  lock_ = std::move(*locked);
  if (!is_new_) return {};
  // By the lock, whatever is in it, the next start knows a folder in which this one came no further: power
  // may fail, and of what is made from here on any part may be there.
  if (auto done = sync_handle(root_.fd(), "the folder"); !done) return in_folder(path_, done.error());
  return {};
}

// Without its mail a server would refuse what comes for mailboxes that are about to be there.
Result<void> DataFolder::check_restore() const {
  if (!stat_name(fd(), kRestoreFolder)) return {};
  // Once it has begun to move things, removing it would leave a folder that is neither the old nor the new.
  const auto half_done = [this](const char* mark) {
    return stat_name(fd(), fmt::format("{}/{}", kRestoreFolder, mark)).has_value();
  };
  if (half_done(kRestoreAsideMark) || half_done(kRestorePlacingMark)) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{0} holds {1}: a restore that was broken off in its last step; give the same "
                    "'mailstead restore' again, which ends it, and leave {0}/{1} as it is until then",
                    path_, kRestoreFolder)};
  }
  return Error{
      ErrorKind::kInvalid,
      fmt::format("{0} holds {1}: a restore that was broken off; give the same 'mailstead restore' again, or "
                  "remove {0}/{1} to go on without it",
                  path_, kRestoreFolder)};
}

Result<void> DataFolder::lay_out() {
  if (closes_to_others_ && ::fchmod(root_.fd(), 0700) != 0) return plain_error(path_, errno);
  for (const char* name : {"mail", "queue", "journal", "tls", "dkim"}) {
    auto made = make_folder(root_.fd(), name);
    if (!made) return in_folder(path_, made.error());
    if (std::string_view(name) == "mail") mail_ = std::move(*made);
    if (std::string_view(name) == "queue") queue_ = std::move(*made);
    if (std::string_view(name) == "journal") journal_ = std::move(*made);
  }
  if (const auto space = free_space(); space && *space < kLeastFreeSpace) release_reserve();
  refill_reserve();
  auto done = sync_handle(root_.fd(), "the folder");
  if (!done) return in_folder(path_, done.error());
  return {};
}

std::uint64_t room_of(const struct statvfs& facts) {
  const std::uint64_t octets = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  if (facts.f_files == 0) return octets;  // it makes them as they are needed
  const std::uint64_t files = facts.f_favail;
  return files < octets / kOctetsOfFile ? files * kOctetsOfFile : octets;
}

Result<std::uint64_t> DataFolder::free_space() const {
  struct statvfs facts {};
  if (::fstatvfs(root_.fd(), &facts) != 0) return plain_error(path_, errno);
  return room_of(facts);
}

Result<void> DataFolder::check_room() const {
  const auto space = free_space();
  if (!space) return space.error();
  if (*space >= kLeastFreeSpace) return {};
  return Error{ErrorKind::kNoSpace,
               fmt::format("{}: fewer than {} MiB, or {} files (inodes), are free: new mail waits for its "
                           "files; free some space on this disk",
                           path_, kLeastFreeSpace >> 20, kLeastFreeSpace / kOctetsOfFile)};
}

void DataFolder::release_reserve() {
  ::unlinkat(root_.fd(), kReserveFile, 0);
  for (std::size_t i = 0; i < kReserveFiles; ++i) ::unlinkat(root_.fd(), reserve_file(i).c_str(), 0);
  reserve_held_ = false;
}

void DataFolder::refill_reserve() {
  if (reserve_held_) return;
  auto space = free_space();
  if (!space || *space < kLeastFreeSpace + kReserveBytes) return;
  if (make_folder(root_.fd(), kReserveFolder)) {
    for (std::size_t i = 0; i < kReserveFiles; ++i) {
      FileHandle(
          ::openat(root_.fd(), reserve_file(i).c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    }
  }
  FileHandle file(::openat(root_.fd(), kReserveFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return;
  if (::posix_fallocate(file.fd(), 0, kReserveBytes) == 0) {
    reserve_held_ = true;
  } else {
    ::unlinkat(root_.fd(), kReserveFile, 0);
  }
}

}  // namespace mailstead
