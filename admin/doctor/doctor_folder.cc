#include "admin/doctor/doctor_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "admin/descriptor.h"
#include "admin/text.h"
#include "storage/folder.h"

namespace mailstead::admin {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTold = 5;
constexpr std::int64_t kBackupGrowsOld = 8 * 86400;  // seconds: one a week, and a day
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

bool is_secret(const fs::path& inner) {
  const std::string text = inner.string();
  return text == "secret.key" || text.ends_with(".key") || text.ends_with("key.pem") ||
         text.starts_with("acme/") || text.starts_with(kDatabaseFile);
}

// The folder's own files and those of tls/ and dkim/: mail is `verify`'s.
void look_at_entries(const fs::path& folder, const fs::path& inner, FolderFacts& facts) {
  std::error_code problem;
  for (fs::directory_iterator each(folder / inner, problem), end; !problem && each != end;
       each.increment(problem)) {
    const fs::path name = inner / each->path().filename();
    struct stat entry {};
    if (::lstat(each->path().c_str(), &entry) != 0) continue;
    if (entry.st_uid != facts.owner && facts.foreign.size() < kMostTold)
      facts.foreign.push_back(name.string());
    if (S_ISREG(entry.st_mode) && (entry.st_mode & kOthers) != 0 && is_secret(name) &&
        facts.open.size() < kMostTold)
      facts.open.push_back(name.string());
    const bool is_small = name == "tls" || name == "dkim" || name == "acme" || name.parent_path() == "dkim";
    if (S_ISDIR(entry.st_mode) && is_small) look_at_entries(folder, name, facts);
  }
}

// A shared lock is had for a moment where nobody has the store's; a server that starts in this moment tries
// again.
void look_at_lock(const std::string& data, FolderFacts& facts) {
  const Descriptor file(::open((data + "/lock").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return;
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0) return;
  facts.is_locked = errno == EWOULDBLOCK;
  char owner[200];
  const ssize_t length = ::pread(file.get(), owner, sizeof owner, 0);
  if (length > 0) facts.holder.assign(owner, static_cast<std::size_t>(length));
  facts.holder = printable(facts.holder.substr(0, facts.holder.find('\n')));
}

}  // namespace

FolderFacts look_at_folder(const std::string& data) {
  FolderFacts facts{.path = data};
  std::string bare = data;
  while (bare.size() > 1 && bare.ends_with('/')) bare.pop_back();
  facts.parent = fs::path(bare).parent_path().string();
  if (facts.parent.empty()) facts.parent = ".";
  struct stat entry {};
  if (::lstat(bare.c_str(), &entry) != 0) {
    struct stat above {};
    const bool has_parent = ::stat(facts.parent.c_str(), &above) == 0 && S_ISDIR(above.st_mode);
    facts.kind = errno == EACCES ? FolderFacts::Kind::kDenied
                 : has_parent    ? FolderFacts::Kind::kMissing
                                 : FolderFacts::Kind::kNoParent;
    return facts;
  }
  facts.is_link = S_ISLNK(entry.st_mode);
  if (::stat(bare.c_str(), &entry) != 0 || !S_ISDIR(entry.st_mode)) {
    facts.kind = FolderFacts::Kind::kNoFolder;
    return facts;
  }
  facts.mode = entry.st_mode & 07777;
  facts.owner = entry.st_uid;
  if (::faccessat(AT_FDCWD, bare.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0 && errno != EROFS) {
    facts.kind = FolderFacts::Kind::kDenied;
    return facts;
  }
  facts.kind = FolderFacts::Kind::kFolder;
  facts.is_laid_out = ::access((bare + "/" + kDatabaseFile).c_str(), F_OK) == 0;
  facts.is_restore_open = ::access((bare + "/" + kRestoreFolder).c_str(), F_OK) == 0;
  look_at_entries(bare, "", facts);
  look_at_lock(bare, facts);
  return facts;
}

void judge_folder(const FolderFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"data-folder", health, std::move(found), std::move(advice)});
  };
  const std::string& path = facts.path;
  switch (facts.kind) {
    case FolderFacts::Kind::kMissing:
      return add(Health::kNote,
                 fmt::format("there is no {} yet: the server makes it at its first start", path),
                 "If your mail is elsewhere, name that folder: --data or MAILSTEAD_DATA.");
    case FolderFacts::Kind::kNoParent:
      return add(
          Health::kProblem, fmt::format("there is no folder {} to make the data folder in", facts.parent),
          "Make it, mount the disk that it is on, or name another data folder: --data or MAILSTEAD_DATA.");
    case FolderFacts::Kind::kNoFolder:
      return add(Health::kProblem, fmt::format("{} is not a folder", path),
                 "Name another data folder: --data or MAILSTEAD_DATA.");
    case FolderFacts::Kind::kDenied:
      return add(
          Health::kProblem, fmt::format("this user has no rights to {}, or its disk is read-only", path),
          "Run this as root or as the user that the server runs as. If it is that user: 'chown -R' gives the "
          "folder to it (in the container 10025:10025).");
    case FolderFacts::Kind::kFolder:
      break;
  }
  const std::size_t before = into.size();
  if ((facts.mode & kOthers) != 0) {
    add((facts.mode & S_IRWXO) != 0 ? Health::kProblem : Health::kWarning,
        fmt::format("others on this machine can enter {} (mode {:04o})", path, facts.mode),
        fmt::format("It holds all mail and keys: chmod 0700 {}", path));
  }
  if ((facts.mode & S_IRWXU) != S_IRWXU) {
    add(Health::kProblem,
        fmt::format("its owner may not do everything in {} (mode {:04o})", path, facts.mode),
        fmt::format("chmod 0700 {}", path));
  }
  if (!facts.open.empty()) {
    add(Health::kProblem, fmt::format("others may read {}", fmt::join(facts.open, ", ")),
        fmt::format("These are secrets: 'chmod go=' for each in {}. Who may have read them: change passwords "
                    "and keys.",
                    path));
  }
  if (!facts.foreign.empty()) {
    add(Health::kProblem,
        fmt::format("{} in {} belongs to somebody else than the folder", fmt::join(facts.foreign, ", "),
                    path),
        fmt::format("The server may not be able to change it: chown -R --reference={0} {0}", path));
  }
  if (facts.is_restore_open) {
    add(Health::kProblem, fmt::format("a restore into {} was broken off: the server does not start", path),
        "Give the same 'mailstead restore' again: it ends it.");
  }
  if (facts.is_locked && !facts.is_answering) {
    add(Health::kWarning,
        fmt::format("{} is in use (process {}), and no server answers there", path, facts.holder),
        "A server that starts or stops does so for a moment, and so does another command. If it stays: look "
        "at "
        "that process. On a disk that two machines share, another machine's server may have it.");
  }
  if (into.size() > before) return;
  const std::string link = facts.is_link ? ", by a symbolic link" : "";
  add(Health::kOk, fmt::format("{}{}, for its owner alone (user {})", path, link, facts.owner), "");
}

void judge_backup(const BackupFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"backup", health, std::move(found), std::move(advice)});
  };
  constexpr const char* kHow =
      "'mailstead backup DIR --test' works while the server runs; let a timer do it each night, onto another "
      "disk "
      "or machine.";
  if (!facts.last_at) return add(Health::kSkipped, "not known without a data folder or a server", "");
  if (facts.failed_at != 0) {
    add(Health::kProblem,
        fmt::format("the one of {} failed: {}", time_text(facts.failed_at), printable(facts.failure)),
        "Run 'mailstead backup' by hand to see it. Older backups are as they were.");
  }
  if (*facts.last_at == 0) {
    if (facts.failed_at == 0) return add(Health::kWarning, "there was never a backup", kHow);
    return add(Health::kWarning, "there was never a good backup", kHow);
  }
  const std::int64_t age = facts.now - *facts.last_at;
  if (age > kBackupGrowsOld)
    return add(Health::kWarning, fmt::format("the last one is {} old", span_text(age)), kHow);
  const char* const good = facts.failed_at == 0 ? "" : "good ";
  add(Health::kOk, fmt::format("the last {}one is {} old", good, span_text(age)), "");
}

}  // namespace mailstead::admin
