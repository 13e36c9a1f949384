#include "storage/backup/backup_prune.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/backup/backup_files.h"
#include "storage/backup/backup_generations.h"
#include "storage/backup/backup_pool.h"
#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/look/path_set.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::size_t kNamesAtOnce = 250'000;

class Pruning {
 public:
  Pruning(const BackupFolder& folder, const std::function<bool()>& goes_on)
      : folder_(folder), goes_on_(goes_on) {}

  Result<void> open();
  Result<std::uint64_t> run();
  const std::vector<std::string>& troubles() const { return troubles_; }

 private:
  Result<void> prune_domain(int mail, const std::string& domain);
  Result<void> prune_folder(int at, const PoolFolder& name);
  // Of the names whose hash leaves this rest.
  Result<void> prune_slice(int at, const PoolFolder& name, std::size_t slices, std::size_t rest);
  enum class Others { kNone, kSome };  // names of messages that were changed: backup_pool.h
  static Result<void> take_needed(Generation& generation, const PoolFolder& name, Others others,
                                  PathSet& names);

  const BackupFolder& folder_;
  const std::function<bool()>& goes_on_;
  void note_trouble(const std::string& generation, const Error& error);

  std::vector<Generation> generations_;
  std::set<std::string> damaged_;
  std::vector<std::string> troubles_;
  std::uint64_t removed_ = 0;
};

Result<void> Pruning::open() {
  auto names = folder_.generations();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto generation = open_generation(folder_, name);
    if (generation) {
      generations_.push_back(std::move(*generation));
    } else {
      note_trouble(name, generation.error());
    }
  }
  return {};
}

void Pruning::note_trouble(const std::string& generation, const Error& error) {
  if (!damaged_.insert(generation).second) return;
  troubles_.push_back(fmt::format(
      "the backup {0}/{1} cannot be read: {2}; so no message goes that it may need: remove the folder "
      "{0}/{1} when you can do without it",
      folder_.path(), generation, error.message));
}

Result<std::uint64_t> Pruning::run() {
  if (!damaged_.empty()) return removed_;
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
  Others others = Others::kNone;
  auto names = FolderNames::of(at);
  if (!names) return names.error();
  while (true) {
    auto next = names->next();
    if (!next) return next.error();
    if (!*next) break;
    // A file of another name is none of ours.
    const bool is_other = is_other_pool_name(**next);
    if (!is_other && !parse_message_name(**next)) continue;
    if (std::hash<std::string_view>{}(**next) % slices != rest) continue;
    if (is_other) others = Others::kSome;
    unneeded.add(**next);
  }
  for (Generation& generation : generations_) {
    if (!goes_on_()) return stopped_error();
    auto done = take_needed(generation, name, others, unneeded);
    if (done) continue;
    // Of this mailbox nobody knows what it needs; it may know of the others.
    note_trouble(generation.name, done.error());
    return {};
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

// The name of its own stays as long as the message is known: it may be the only one that is as it came.
Result<void> Pruning::take_needed(Generation& generation, const PoolFolder& name, Others others,
                                  PathSet& names) {
  const auto take = [&](const std::string& path, const PoolClaim& claim) {
    const std::string base(base_name(path));
    names.take(base);
    if (others == Others::kSome) names.take(other_pool_name(base, claim));
  };
  if (name.user.starts_with(kKeptPrefix)) return each_kept(*generation.database, name, take);
  const auto mailbox = generation.mailboxes.find({name.domain, name.user});
  if (mailbox == generation.mailboxes.end()) return {};
  return each_row(
      generation.database->query("SELECT name, size, hash FROM messages WHERE mailbox = ?1", mailbox->second),
      [&](const Statement& row) {
        take(row.text(0), {static_cast<std::uint64_t>(row.integer(1)), ContentHash::of_octets(row.text(2))});
      });
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
  pruned.troubles = pruning.troubles();
  if (!pruned.troubles.empty()) return pruned;  // the next time again
  if (auto done = remove_file(folder.fd(), kPruningFile); !done)
    return in_folder(folder.path(), done.error());
  return pruned;
}

}  // namespace mailstead
