#include "storage/backup/restore_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/accounts/secret_key.h"
#include "storage/backup/backup_files.h"
#include "storage/backup/backup_folder.h"
#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr const char* kOwnConfiguration = "mailstead.toml";
constexpr std::string_view kKeepsConfiguration = "keep";
constexpr std::size_t kMostOfPlaceMark = 200;

// The folder's own, or an earlier restore's: neither in the way nor moved.
bool stays_in_place(const std::string& name) {
  static constexpr std::array<std::string_view, 5> kStay = {"lost+found", "lock", "control.sock",
                                                            kRestoreFolder, kRestoredFolder};
  return std::find(kStay.begin(), kStay.end(), name) != kStay.end() || name.starts_with(kReplacedPrefix);
}

// What there may be before the first start, or after one that got no mailbox.
bool is_of_new_folder(const std::string& name) {
  static constexpr std::array<std::string_view, 11> kOf = {
      kReserveFile, kReserveFolder, "mail",         "queue",         "acme",           "journal",
      "tls",        "dkim",         kSecretKeyFile, kCredentialMark, kOwnConfiguration};
  return std::find(kOf.begin(), kOf.end(), name) != kOf.end() || name.ends_with(".log") ||
         name.ends_with(".pid");
}

Result<void> sync_root(const FileHandle& root) {
  return sync_handle(root.fd(), "the data folder");
}

}  // namespace

Result<std::unique_ptr<RestorePlace>> RestorePlace::open(const std::string& data, const std::string& host,
                                                         OldData old_data) {
  std::unique_ptr<RestorePlace> place(new RestorePlace(data));
  place->keeps_configuration_ = old_data == OldData::kRefuse;
  auto done = place->open_root(host);
  if (done) done = place->take_up();
  if (done && !place->whole_) {
    if (old_data == OldData::kRefuse) done = place->check_empty();
    if (done) done = place->begin();
  }
  // Who has the folder in use is told with its path already.
  if (!done) return done.error().kind == ErrorKind::kInUse ? done.error() : in_folder(data, done.error());
  return place;
}

RestorePlace::~RestorePlace() {
  if (done_ || whole_ || !to_.is_open()) return;
  std::size_t budget = SIZE_MAX;
  static_cast<void>(remove_tree(root_.fd(), kRestoreFolder, path_, budget));  // the next one does it, too
}

Result<void> RestorePlace::open_root(const std::string& host) {
  if (::mkdir(data_.c_str(), 0700) != 0 && errno != EEXIST) return system_error(errno, "make", "the folder");
  root_ = FileHandle(::open(data_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_.is_open()) return system_error(errno, "open", "the folder");
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(data_.c_str(), nullptr), &::free);
  if (!real) return system_error(errno, "open", "the folder");
  real_data_ = real.get();
  path_ = real_data_ + "/" + kRestoreFolder;
  struct stat facts {};
  if (::fstat(root_.fd(), &facts) != 0) return system_error(errno, "look at", "the folder");
  if (facts.st_uid != ::geteuid()) {
    return Error{ErrorKind::kDenied,
                 fmt::format("it belongs to user id {}: run this as that user or as root", facts.st_uid)};
  }
  auto lock = lock_data_folder(root_.fd(), data_, host);
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  return {};
}

// What a restore left that was broken off.
Result<void> RestorePlace::take_up() {
  std::size_t budget = SIZE_MAX;
  auto gone = remove_tree(root_.fd(), kRestoredFolder, kRestoredFolder, budget);
  if (!gone) return gone.error();
  auto to = open_folder(root_.fd(), kRestoreFolder);
  if (!to) return to.error().kind == ErrorKind::kNotFound ? Result<void>() : to.error();
  const bool places = stat_name(to->fd(), kRestorePlacingMark).has_value();
  if (!places && !stat_name(to->fd(), kRestoreAsideMark)) {
    auto emptied = remove_tree(root_.fd(), kRestoreFolder, kRestoreFolder, budget);
    return emptied ? Result<void>() : emptied.error();
  }
  auto mark = read_small_file(to->fd(), places ? kRestorePlacingMark : kRestoreAsideMark, kMostOfPlaceMark);
  if (!mark) return mark.error();
  const std::size_t blank = mark->find(' ');
  replaced_ = mark->substr(0, blank);
  if (!is_plain_name(replaced_))
    return Error{ErrorKind::kCorrupt, "the mark of an earlier restore is damaged"};
  keeps_configuration_ = blank != std::string::npos && mark->substr(blank + 1) == kKeepsConfiguration;
  to_ = std::move(*to);
  moves_aside_ = !places;
  whole_ = true;
  return {};
}

Result<bool> RestorePlace::is_without_mail() const {
  if (!stat_name(root_.fd(), kDatabaseFile)) return true;
  auto database = Database::open(real_data_ + "/" + kDatabaseFile, DatabaseAccess::kRead);
  if (!database) return false;
  std::int64_t rows = 1;
  auto counted =
      each_row((*database)->query("SELECT (SELECT COUNT(*) FROM mailboxes) + (SELECT COUNT(*) FROM aliases)"
                                  " + (SELECT COUNT(*) FROM queue)"),
               [&](const Statement& row) { rows = row.integer(0); });
  return counted && rows == 0;
}

Result<void> RestorePlace::check_empty() const {
  auto names = list_folder(root_.fd());
  if (!names) return names.error();
  const auto refusal = [](const std::string& what) {
    return Error{
        ErrorKind::kExists,
        fmt::format("it is not empty ({}); with --replace what is there is moved aside first, and nothing "
                    "is deleted",
                    what)};
  };
  for (const std::string& name : *names) {
    if (stays_in_place(name) || name.starts_with(kDatabaseFile)) continue;
    if (!is_of_new_folder(name)) return refusal(name);
    if (name != "mail" && name != "queue" && name != "dkim") continue;
    auto folder = open_folder(root_.fd(), name);
    auto within = folder ? list_folder(folder->fd(), 1) : Result<std::vector<std::string>>(folder.error());
    if (!within || !within->empty()) return refusal(name);
  }
  auto without_mail = is_without_mail();
  if (!without_mail) return without_mail.error();
  return *without_mail ? Result<void>() : refusal(kDatabaseFile);
}

Result<void> RestorePlace::begin() {
  auto made = make_folder(root_.fd(), kRestoreFolder);
  if (!made) return made.error();
  to_ = std::move(*made);
  return {};  // its name is synced with what is written into it
}

Result<std::uint64_t> RestorePlace::free_space() const {
  struct statvfs facts {};
  if (::fstatvfs(root_.fd(), &facts) != 0) return system_error(errno, "look at", data_);
  return room_of(facts);
}

Result<void> RestorePlace::write_mark() {
  std::int64_t at = unix_seconds();
  do {
    replaced_ = std::string(kReplacedPrefix) + generation_name(at++);
  } while (stat_name(root_.fd(), replaced_));
  const std::string mark =
      replaced_ + (keeps_configuration_ ? " " + std::string(kKeepsConfiguration) : std::string());
  auto done = replace_small_file(to_.fd(), kRestoreAsideMark, mark);
  if (done) done = sync_handle(to_.fd(), kRestoreFolder);
  if (done) whole_ = true;
  return done;
}

Result<void> RestorePlace::put_in_place() {
  auto done = whole_ ? Result<void>() : write_mark();
  if (done && moves_aside_) done = move_old_aside();
  if (done) done = move_new_in();
  if (done) done = end();
  if (!done) return in_folder(data_, done.error());
  done_ = true;
  return {};
}

// Empty folders, and what takes room only, are worth no place.
Result<void> RestorePlace::move_one_aside(const std::string& name) {
  if (name == kReserveFile) return remove_file(root_.fd(), name);
  if (name == kReserveFolder) {
    std::size_t budget = 1000;  // empty files of ours
    const auto gone = remove_tree(root_.fd(), name, name, budget);
    return gone ? Result<void>() : gone.error();
  }
  if (::unlinkat(root_.fd(), name.c_str(), AT_REMOVEDIR) == 0) return {};
  const bool is_new = !stat_name(root_.fd(), replaced_);
  auto folder = make_folder(root_.fd(), replaced_);
  if (!folder) return folder.error();
  // Its name first: what is moved into a folder whose name a power cut takes has none.
  if (is_new) {
    if (auto done = sync_root(root_); !done) return done;
  }
  if (auto done = move_file(root_.fd(), name, folder->fd(), name); !done) return done;
  return sync_handle(folder->fd(), replaced_);
}

Result<void> RestorePlace::move_old_aside() {
  auto names = list_folder(root_.fd());
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (stays_in_place(name) || (keeps_configuration_ && name == kOwnConfiguration)) continue;
    if (auto done = move_one_aside(name); !done) return done;
  }
  if (auto done = sync_root(root_); !done) return done;
  auto done = move_over(to_.fd(), kRestoreAsideMark, to_.fd(), kRestorePlacingMark);
  if (done) done = sync_handle(to_.fd(), kRestoreFolder);
  return done;
}

Result<void> RestorePlace::move_new_in() {
  auto names = list_folder(to_.fd());
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name == kRestorePlacingMark) continue;
    if (name == kOwnConfiguration && keeps_configuration_ && stat_name(root_.fd(), name)) continue;
    if (auto done = move_file(to_.fd(), name, root_.fd(), name); !done) return done;
  }
  if (auto done = sync_root(root_); !done) return done;
  return sync_handle(to_.fd(), kRestoreFolder);
}

// In one step it is no longer unfinished.
Result<void> RestorePlace::end() {
  if (!stat_name(root_.fd(), replaced_)) replaced_.clear();
  auto done = move_over(root_.fd(), kRestoreFolder, root_.fd(), kRestoredFolder);
  if (done) done = sync_root(root_);
  if (!done) return done;
  ::fchmod(root_.fd(), 0700);
  std::size_t budget = SIZE_MAX;
  static_cast<void>(remove_tree(root_.fd(), kRestoredFolder, kRestoredFolder, budget));
  return {};
}

}  // namespace mailstead
