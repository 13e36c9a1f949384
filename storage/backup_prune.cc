#include "storage/backup_prune.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/accounts.h"
#include "storage/backup_files.h"
#include "storage/backup_pool.h"
#include "storage/database.h"
#include "storage/folder.h"
#include "storage/message_id.h"
#include "storage/path_set.h"

namespace mailstead {

namespace {

constexpr std::size_t kNamesAtOnce = 250'000;

using FolderKey = std::pair<std::string, std::string>;  // domain, user

struct Generation {
  std::unique_ptr<Database> database;
  std::map<FolderKey, std::int64_t> mailboxes;
};

Result<Generation> open_generation(const BackupFolder& folder, const std::string& name) {
  auto database =
      Database::open(fmt::format("{}/{}/{}", folder.real_path(), name, kDatabaseFile), DatabaseAccess::kRead);
  if (!database) return database.error();
  auto accounts = Accounts(**database).mailboxes();
  if (!accounts) return accounts.error();
  Generation generation{std::move(*database), {}};
  for (const AccountRow& account : *accounts) {
    const PoolFolder key = folder_name(account.address);
    generation.mailboxes.emplace(FolderKey(key.domain, key.user), account.id);
  }
  return generation;
}

class Pruning {
 public:
  Pruning(const BackupFolder& folder, const std::function<bool()>& goes_on)
      : folder_(folder), goes_on_(goes_on) {}

  Result<void> open();
  Result<std::uint64_t> run();

 private:
  Result<void> prune_domain(int mail, const std::string& domain);
  Result<void> prune_folder(int at, const PoolFolder& name);
  // Of the names whose hash leaves this rest.
  Result<void> prune_slice(int at, const PoolFolder& name, std::size_t slices, std::size_t rest);
  Result<void> take_needed(Generation& generation, const PoolFolder& name, PathSet& names) const;

  const BackupFolder& folder_;
  const std::function<bool()>& goes_on_;
  std::vector<Generation> generations_;
  std::uint64_t removed_ = 0;
};

Result<void> Pruning::open() {
  auto names = folder_.generations();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto generation = open_generation(folder_, name);
    if (!generation) return in_folder(folder_.path() + "/" + name, generation.error());
    generations_.push_back(std::move(*generation));
  }
  return {};
}

Result<std::uint64_t> Pruning::run() {
  auto mail = open_folder(folder_.fd(), kPoolFolder);
  if (!mail) return mail.error();
  auto domains = list_folder(mail->fd());
  if (!domains) return domains.error();
  for (const std::string& domain : *domains) {
    if (auto done = prune_domain(mail->fd(), domain); !done) return done.error();
  }
  return removed_;
}

Result<void> Pruning::prune_domain(int mail, const std::string& domain) {
  auto folder = open_folder(mail, domain);
  if (!folder) return {};  // none of ours
  auto users = list_folder(folder->fd());
  if (!users) return users.error();
  for (const std::string& user : *users) {
    auto own = open_folder(folder->fd(), user);
    if (!own) continue;
    if (auto done = prune_folder(own->fd(), {domain, user}); !done) return done;
    ::unlinkat(folder->fd(), user.c_str(), AT_REMOVEDIR);  // when it is empty
  }
  ::unlinkat(mail, domain.c_str(), AT_REMOVEDIR);
  return {};
}

Result<void> Pruning::prune_folder(int at, const PoolFolder& name) {
  std::size_t count = 0;
  auto names = FolderNames::of(at);
  if (!names) return names.error();
  while (true) {
    auto next = names->next();
    if (!next) return next.error();
    if (!*next) break;
    ++count;
  }
  const std::size_t slices = count / kNamesAtOnce + 1;
  for (std::size_t rest = 0; rest < slices; ++rest) {
    if (auto done = prune_slice(at, name, slices, rest); !done) return done;
  }
  return {};
}

Result<void> Pruning::prune_slice(int at, const PoolFolder& name, std::size_t slices, std::size_t rest) {
  PathSet unneeded;
  auto names = FolderNames::of(at);
  if (!names) return names.error();
  while (true) {
    auto next = names->next();
    if (!next) return next.error();
    if (!*next) break;
    // A file of another name is none of ours.
    if (!parse_message_name(**next) || std::hash<std::string_view>{}(**next) % slices != rest) continue;
    unneeded.add(**next);
  }
  for (Generation& generation : generations_) {
    if (!goes_on_()) return stopped_error();
    if (auto done = take_needed(generation, name, unneeded); !done) return done;
  }
  for (const std::string& each : unneeded.left()) {
    const auto facts = stat_name(at, each);
    if (!facts || !S_ISREG(facts->st_mode)) continue;
    if (auto done = remove_file(at, each); !done) return done;
    ++removed_;
    if (!goes_on_()) return stopped_error();
  }
  return {};
}

Result<void> Pruning::take_needed(Generation& generation, const PoolFolder& name, PathSet& names) const {
  const auto take = [&](const Statement& row) { names.take(base_name(row.text(0))); };
  if (name.user.starts_with(kKeptPrefix)) {
    return each_row(generation.database->query("SELECT path FROM backup_kept WHERE domain = ?1 AND user = ?2",
                                               name.domain, name.user),
                    take);
  }
  const auto mailbox = generation.mailboxes.find(FolderKey(name.domain, name.user));
  if (mailbox == generation.mailboxes.end()) return {};
  return each_row(generation.database->query("SELECT name FROM messages WHERE mailbox = ?1", mailbox->second),
                  take);
}

}  // namespace

Result<Pruned> prune_backups(const BackupFolder& folder, std::size_t keep,
                             const std::function<bool()>& goes_on) {
  Pruned pruned;
  auto names = folder.generations();
  if (!names) return names.error();
  const bool unfinished = stat_name(folder.fd(), kPruningFile).has_value();
  if (names->size() <= keep && !unfinished) return pruned;
  // Until all is looked through: what a crash leaves of it is done the next time.
  if (!unfinished) {
    auto note = create_file(folder.fd(), kPruningFile);
    if (!note) return in_folder(folder.path(), note.error());
    if (auto done = sync_handle(folder.fd(), "the folder"); !done)
      return in_folder(folder.path(), done.error());
  }
  for (std::size_t i = 0; i + keep < names->size(); ++i) {
    if (auto done = folder.remove((*names)[i]); !done) return done.error();
    ++pruned.generations;
  }
  Pruning pruning(folder, goes_on);
  if (auto done = pruning.open(); !done) return done.error();
  auto removed = pruning.run();
  if (!removed) return removed.error();
  pruned.files = *removed;
  if (auto done = remove_file(folder.fd(), kPruningFile); !done)
    return in_folder(folder.path(), done.error());
  return pruned;
}

}  // namespace mailstead
