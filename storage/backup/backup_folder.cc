#include "storage/backup/backup_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <utility>

#include "storage/database/schema.h"

namespace mailstead {

namespace {

constexpr const char* kMarkFile = "mailstead-backup";
constexpr const char* kMarkDraft = "mailstead-backup.new";
constexpr const char* kBackupLock = "lock";
constexpr std::size_t kMostOfMark = 4096;
constexpr int kForm = 1;  // of the folder; a later one is for a later program

std::string mark_text(const std::string& identity) {
  return fmt::format(
      "Backups of a Mailstead mail server. 'mailstead restore' brings them back; move, copy or delete this "
      "folder only\nas a whole, since all backups in it share the message files in mail/.\n\nformat "
      "{}\nstore "
      "{}\n",
      kForm, identity);
}

// The word behind "key " at a line's start.
std::string_view value_in(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return line.substr(key.size() + 1);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

template <typename Number>
void read_number(std::string_view text, std::string_view key, Number& number) {
  const std::string_view digits = value_in(text, key);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
}

Error backup_folder_error(const std::string& path, int error_number) {
  if (error_number == ENOENT) {
    return Error{ErrorKind::kNotFound,
                 fmt::format("there is no folder {}: is the disk for backups mounted?", path)};
  }
  if (error_number == ENOTDIR)
    return Error{ErrorKind::kInvalid, fmt::format("{} is not a folder; give another one", path)};
  return system_error(error_number, "use the backup folder", path);
}

std::int64_t time_of_generation(const std::string& name) {
  std::tm utc{};
  if (std::sscanf(name.c_str(), "%d-%d-%dT%d-%d-%dZ", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour,
                  &utc.tm_min, &utc.tm_sec) != 6)
    return 0;
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return ::timegm(&utc);
}

bool is_generation_left(const std::string& name) {
  return name.ends_with(kUnfinished) && is_generation_name(name.substr(0, name.size() - kUnfinished.size()));
}

}  // namespace

std::string generation_name(std::int64_t at) {
  const std::time_t seconds = at;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}-{:02}-{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

bool is_generation_name(std::string_view name) {
  constexpr std::string_view kPattern = "0000-00-00T00-00-00Z";
  return name.size() == kPattern.size() &&
         std::equal(name.begin(), name.end(), kPattern.begin(),
                    [](char c, char form) { return form == '0' ? c >= '0' && c <= '9' : c == form; });
}

std::string facts_text(const BackupFacts& facts) {
  return fmt::format("at {}\nmailboxes {}\nmessages {}\noctets {}\nqueued {}\nschema {}\n", facts.at,
                     facts.mailboxes, facts.messages, facts.octets, facts.queued, facts.schema);
}

BackupFacts parse_facts(std::string_view text) {
  BackupFacts facts;
  read_number(text, "at", facts.at);
  read_number(text, "mailboxes", facts.mailboxes);
  read_number(text, "messages", facts.messages);
  read_number(text, "octets", facts.octets);
  read_number(text, "queued", facts.queued);
  read_number(text, "schema", facts.schema);
  return facts;
}

Result<std::unique_ptr<BackupFolder>> BackupFolder::open(const std::string& path, Use use) {
  std::unique_ptr<BackupFolder> folder(new BackupFolder(path));
  auto done = folder->open_root(use);
  if (done) done = folder->look_whose(use);
  if (done && use == Use::kRead && folder->identity_.empty()) {
    done =
        Error{ErrorKind::kNotFound,
              fmt::format("{} holds no backup: give the folder that was given to 'mailstead backup'", path)};
  }
  if (done) done = folder->lock(use);
  // Somebody may have been the first in between.
  if (done) done = folder->look_whose(use);
  if (!done) return done.error();
  return folder;
}

Result<void> BackupFolder::open_root(Use use) {
  if (use == Use::kWrite && ::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST)
    return backup_folder_error(path_, errno);
  root_ = FileHandle(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_.is_open()) return backup_folder_error(path_, errno);
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path_.c_str(), nullptr), &::free);
  if (!real) return backup_folder_error(path_, errno);
  real_path_ = real.get();
  return {};
}

Result<void> BackupFolder::look_whose(Use use) {
  auto text = read_small_file(fd(), kMarkFile, kMostOfMark);
  if (!text && text.error().kind != ErrorKind::kNotFound) return in_folder(path_, text.error());
  if (!text && use == Use::kRead) return {};
  if (!text) {
    auto names = list_folder(fd());
    if (!names) return in_folder(path_, names.error());
    for (const std::string& name : *names) {
      if (name == "lost+found" || name == kBackupLock || name == kMarkDraft) continue;
      return Error{ErrorKind::kExists,
                   fmt::format("{} holds other files ({}) and no backups; give a folder that is empty or new",
                               path_, name)};
    }
    return {};
  }
  int form = 0;
  read_number(*text, "format", form);
  identity_ = value_in(*text, "store");
  if (form > kForm) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("the backups in {} were made by a newer Mailstead; use that one, or a new folder",
                    path_)};
  }
  if (form == kForm && is_identity(identity_)) return {};
  return Error{
      ErrorKind::kCorrupt,
      fmt::format("{}/{} cannot be read: it does not say whose backups these are", path_, kMarkFile)};
}

Result<void> BackupFolder::lock(Use use) {
  const bool writes = use == Use::kWrite;
  const int flags = (writes ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC;
  lock_ = FileHandle(::openat(fd(), kBackupLock, flags, 0600));
  // Read from a copy of the folder, say, that has none.
  if (!lock_.is_open() && !writes) return {};
  if (!lock_.is_open()) return in_folder(path_, system_error(errno, "open", kBackupLock));
  if (::flock(lock_.fd(), (writes ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return in_folder(path_, system_error(errno, "lock", kBackupLock));
  return Error{ErrorKind::kInUse,
               fmt::format("another backup or restore is at work in {}; wait until it is done", path_)};
}

Result<void> BackupFolder::claim(const std::string& identity) {
  if (identity_ == identity) return {};
  if (!identity_.empty()) {
    return Error{ErrorKind::kExists,
                 fmt::format("{} holds the backups of another mail server; give a folder of its own", path_)};
  }
  auto done = replace_small_file(fd(), kMarkFile, mark_text(identity));
  if (done) done = sync_handle(fd(), "the folder");
  if (!done) return in_folder(path_, done.error());
  identity_ = identity;
  return {};
}

Result<std::vector<std::string>> BackupFolder::generations() const {
  auto names = list_folder(fd());
  if (!names) return in_folder(path_, names.error());
  std::erase_if(*names, [](const std::string& name) { return !is_generation_name(name); });
  std::sort(names->begin(), names->end());
  return names;
}

Result<BackupFacts> BackupFolder::facts_of(const std::string& generation) const {
  auto folder = open_folder(fd(), generation);
  if (!folder) return in_folder(path_, folder.error());
  auto text = read_small_file(folder->fd(), kAboutFile, kMostOfMark);
  if (!text) return in_folder(path_ + "/" + generation, text.error());
  BackupFacts facts = parse_facts(*text);
  facts.generation = generation;
  return facts;
}

Result<std::string> BackupFolder::choose(const std::string& generation) const {
  auto found = generations();
  if (!found) return found.error();
  if (found->empty()) {
    return Error{ErrorKind::kNotFound, fmt::format("there is no whole backup in {}", path_)};
  }
  if (generation.empty()) return found->back();
  if (std::find(found->begin(), found->end(), generation) != found->end()) return generation;
  return Error{ErrorKind::kNotFound, fmt::format("there is no backup {} in {}; there are: {}", generation,
                                                 path_, fmt::join(*found, ", "))};
}

Result<FileHandle> BackupFolder::begin(std::int64_t at, std::string& generation) const {
  auto there = generations();
  if (!there) return there.error();
  if (!there->empty()) at = std::max(at, time_of_generation(there->back()) + 1);
  generation = generation_name(at);
  auto made = make_folder(fd(), generation + std::string(kUnfinished));
  if (!made) return in_folder(path_, made.error());
  return made;
}

Result<void> BackupFolder::publish(const std::string& generation) const {
  auto done = move_over(fd(), generation + std::string(kUnfinished), fd(), generation);
  if (done) done = sync_handle(fd(), "the folder");
  if (!done) return in_folder(path_, done.error());
  return {};
}

// Half of one is never seen.
Result<void> BackupFolder::remove(const std::string& generation) const {
  const std::string going = generation + std::string(kUnfinished);
  auto done = move_over(fd(), generation, fd(), going);
  if (done) done = sync_handle(fd(), "the folder");
  if (!done) return in_folder(path_, done.error());
  std::size_t budget = SIZE_MAX;
  auto gone = remove_tree(fd(), going, path_ + "/" + going, budget);
  if (!gone) return gone.error();
  return {};
}

Result<void> BackupFolder::sweep() const {
  auto names = list_folder(fd());
  if (!names) return in_folder(path_, names.error());
  for (const std::string& name : *names) {
    const bool is_test = name.starts_with(kTestPrefix) && is_generation_name(name.substr(kTestPrefix.size()));
    if (!is_test && !is_generation_left(name) && name != kDraftsFolder) continue;
    std::size_t budget = SIZE_MAX;
    auto gone = remove_tree(fd(), name, path_ + "/" + name, budget);
    if (!gone) return gone.error();
  }
  return {};
}

}  // namespace mailstead
