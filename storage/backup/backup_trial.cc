#include "storage/backup/backup_trial.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "storage/accounts/secret_key.h"
#include "storage/backup/backup_damage.h"
#include "storage/backup/backup_generations.h"
#include "storage/backup/backup_pool.h"
#include "storage/backup/backup_restore.h"
#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/mailbox/message_id.h"
#include "storage/store.h"

namespace mailstead {

namespace {

constexpr std::size_t kTriedTogether = 500;
constexpr std::size_t kPieceTried = 256u << 10;
constexpr std::size_t kMostFaults = 1000;

// What the backup says of a message.
struct Promised {
  ExportEntry entry;
  ContentHash hash;
  std::string name;  // of its file in the backup
};

// To the end.
Result<Copied> read_to_end(MessageReader& reader) {
  Copied found;
  ContentHasher hasher;
  std::string piece;
  do {
    piece.clear();
    if (auto done = reader.read(found.octets, kPieceTried, piece); !done) return done.error();
    hasher.add(piece);
    found.octets += piece.size();
  } while (!piece.empty());
  found.hash = hasher.value();
  return found;
}

class Trial {
 public:
  Trial(const BackupFolder& folder, const std::string& generation, const TellProgress& tell)
      : folder_(folder), generation_(generation), tell_(tell), name_(std::string(kTestPrefix) + generation) {}
  ~Trial() { clear(); }

  Result<BackupTrial> run();

 private:
  void clear();
  Result<void> restore();
  Result<void> open();
  Result<void> compare_mailbox(const MailboxSummary& mailbox);
  Result<std::vector<Promised>> promised(MailboxId mailbox, std::int64_t after);
  void compare_message(const MailboxSummary& mailbox, const Promised& promised);
  Result<void> compare_kept_states();
  Result<void> compare_kept_folders();
  void compare_file(const PoolFolder& folder, const std::string& path, const PoolClaim& claim, MailSum& sum);
  std::uint64_t octets_read() const { return trial_.octets + trial_.deleted.octets + trial_.kept.octets; }
  void note_damaged(const PoolFolder& folder, const std::string& name, const PoolClaim& claim);
  Result<void> compare_queue();
  Result<void> note_damage();
  void fault(std::string what);

  const BackupFolder& folder_;
  const std::string& generation_;
  const TellProgress& tell_;
  const std::string name_;
  std::unique_ptr<BackupPool> pool_;
  std::unique_ptr<Database> promised_;  // the backup's own
  std::unique_ptr<Store> store_;        // what was restored
  BackupProgress progress_;
  BackupTrial trial_;
  DamagedFiles damaged_;
};

void Trial::clear() {
  store_.reset();
  std::size_t budget = SIZE_MAX;
  static_cast<void>(remove_tree(folder_.fd(), name_, name_, budget));  // the next backup does it, too
}

void Trial::fault(std::string what) {
  if (trial_.troubles.size() < kMostFaults) trial_.troubles.push_back(std::move(what));
}

Result<BackupTrial> Trial::run() {
  auto done = restore();
  if (done) done = open();
  if (!done) return done.error();
  auto mailboxes = store_->list_mailboxes();
  if (!mailboxes) return mailboxes.error();
  for (const MailboxSummary& mailbox : *mailboxes) {
    progress_.total += mailbox.messages;
  }
  for (const MailboxSummary& mailbox : *mailboxes) {
    if (done = compare_mailbox(mailbox); !done) return done.error();
  }
  trial_.mailboxes = mailboxes->size();
  if (done = compare_kept_states(); !done) return done.error();
  if (done = compare_kept_folders(); !done) return done.error();
  if (done = compare_queue(); !done) return done.error();
  if (done = note_damage(); !done) return done.error();
  // As every server ends.
  if (done = store_->close(); !done) return done.error();
  return std::move(trial_);
}

Result<void> Trial::restore() {
  auto into = make_folder(folder_.fd(), name_);
  if (!into) return into.error();
  RestoreTerms terms;
  terms.as_caller = [](const auto& work) { return work(); };
  terms.tell = tell_;
  terms.bring = Bring::kLinks;
  auto filled = fill_from_backup(folder_, generation_, into->fd(), folder_.real_path() + "/" + name_, terms);
  if (!filled) return filled.error();
  trial_.troubles = std::move(filled->troubles);
  return {};
}

Result<void> Trial::open() {
  auto promised = Database::open(fmt::format("{}/{}/{}", folder_.real_path(), generation_, kDatabaseFile),
                                 DatabaseAccess::kRead);
  if (!promised) return promised.error();
  promised_ = std::move(*promised);
  auto pool = BackupPool::open_to_read(folder_.fd());
  if (!pool) return pool.error();
  pool_ = std::make_unique<BackupPool>(std::move(*pool));
  // A key that is a credential is not in the backup, and nothing of it is looked at here: the trial makes
  // one.
  auto at = open_folder(folder_.fd(), name_);
  auto unmarked = at ? remove_file(at->fd(), kCredentialMark) : Result<void>(at.error());
  if (!unmarked && unmarked.error().kind != ErrorKind::kNotFound) return unmarked;
  RecoveryReport report;
  auto store = Store::open({folder_.real_path() + "/" + name_, "backup-test"}, report);
  if (!store) return store.error();
  store_ = std::move(*store);
  return {};
}

Result<std::vector<Promised>> Trial::promised(MailboxId mailbox, std::int64_t after) {
  std::vector<Promised> messages;
  auto done = each_row(
      promised_->query("SELECT id, uidl, size, hash, name FROM messages WHERE mailbox = ?1 AND state = 0"
                       " AND id > ?2 ORDER BY id LIMIT ?3",
                       mailbox, after, static_cast<std::int64_t>(kTriedTogether)),
      [&](const Statement& row) {
        messages.push_back({{row.integer(0), row.text(1), static_cast<std::uint64_t>(row.integer(2)), 0},
                            ContentHash::of_octets(row.text(3)),
                            std::string(base_name(row.text(4)))});
      });
  if (!done) return done.error();
  return messages;
}

// What was missing when the backup was made may be there again: an earlier one had it.
Result<void> Trial::compare_mailbox(const MailboxSummary& mailbox) {
  std::int64_t after = 0;
  while (true) {
    auto expected = promised(mailbox.id, after);
    if (!expected) return expected.error();
    if (expected->empty()) return {};
    std::int64_t found_after = after;
    after = expected->back().entry.key;
    std::vector<ExportEntry> found;
    std::size_t next = 0;
    for (const Promised& message : *expected) {
      const ExportEntry& entry = message.entry;
      while (next == found.size() || found[next].key < entry.key) {
        if (next < found.size()) {
          ++next;
          continue;
        }
        auto page = store_->export_entries(mailbox.address, found_after, kTriedTogether);
        if (!page) return page.error();
        if (page->empty()) break;
        found = std::move(*page);
        found_after = found.back().key;
        next = 0;
      }
      const bool is_there = next < found.size() && found[next].key == entry.key &&
                            found[next].uidl == entry.uidl && found[next].size == entry.size;
      if (is_there) {
        compare_message(mailbox, message);
      } else {
        fault(fmt::format("{}: the message {} is not there", mailbox.address.text(), entry.uidl));
      }
    }
    progress_.done += expected->size();
    progress_.octets = octets_read();
    if (tell_ && !tell_(progress_)) return stopped_error();
  }
}

// What an earlier trial found and nobody has mended since is still so.
Result<void> Trial::note_damage() {
  if (damaged_.empty()) return {};
  damaged_.merge(read_damaged_files(folder_.fd()));
  return write_damaged_files(folder_.fd(), damaged_);
}

void Trial::compare_message(const MailboxSummary& mailbox, const Promised& promised) {
  const ExportEntry& entry = promised.entry;
  auto reader = store_->open_entry(mailbox.address, entry);
  auto found = reader ? read_to_end(**reader) : Result<Copied>(reader.error());
  if (!found) {
    fault(fmt::format("{}: {}", mailbox.address.text(), found.error().message));
  } else if (!found->is(entry.size, promised.hash)) {
    fault(fmt::format("{}: the message {}: {}: the next backup copies it again, if it is still there",
                      mailbox.address.text(), entry.uidl, difference_of(*found, entry.size)));
    note_damaged(folder_name(mailbox.address), promised.name, {entry.size, promised.hash});
  } else {
    ++trial_.messages;
    trial_.octets += found->octets;
  }
}

void Trial::note_damaged(const PoolFolder& folder, const std::string& name, const PoolClaim& claim) {
  auto names = pool_->names_of(folder, name, claim);
  if (!names) return;
  for (const std::string& each : *names) damaged_.insert(pool_entry(folder, each));
}

// What no client sees as long as nobody asks for it: read where the backup has it.
void Trial::compare_file(const PoolFolder& folder, const std::string& path, const PoolClaim& claim,
                         MailSum& sum) {
  const std::string name(base_name(path));
  const std::string place = fmt::format("mail/{}/{}/{}", folder.domain, folder.user, path);
  auto names = pool_->names_of(folder, name, claim);
  if (!names) {
    fault(fmt::format("{}: {}", place, names.error().message));
    return;
  }
  std::string what;
  for (const std::string& each : *names) {
    auto file = pool_->open_file(folder, each);
    auto found = file ? read_file_through(*file) : Result<Copied>(file.error());
    if (found && found->is(claim.octets, claim.hash)) {
      ++sum.messages;
      sum.octets += found->octets;
      return;
    }
    if (what.empty()) what = found ? difference_of(*found, claim.octets) : found.error().message;
  }
  fault(fmt::format("{}: {}: the next backup copies it again, if it is still there", place, what));
  note_damaged(folder, name, claim);
}

// Deleted mail that can be restored.
Result<void> Trial::compare_kept_states() {
  struct Kept {
    PoolFolder folder;
    std::string path;
    PoolClaim claim;
    bool is_unfiled = false;
    std::string bytes;
  };
  std::int64_t after = 0;
  while (true) {
    std::vector<Kept> some;
    auto listed = each_row(
        promised_->query("SELECT m.id, b.local, b.domain, m.name, m.size, m.hash, c.message IS NOT NULL,"
                         " c.bytes FROM messages AS m JOIN mailboxes AS b ON b.id = m.mailbox"
                         " LEFT JOIN contents AS c ON c.message = m.id"
                         " WHERE m.state IN (3, 4) AND b.enabled <> 2 AND m.id > ?1 ORDER BY m.id LIMIT ?2",
                         after, static_cast<std::int64_t>(kTriedTogether)),
        [&](const Statement& row) {
          after = row.integer(0);
          some.push_back({folder_name(Address{row.text(1), row.text(2)}),
                          row.text(3),
                          {static_cast<std::uint64_t>(row.integer(4)), ContentHash::of_octets(row.text(5))},
                          row.integer(6) != 0,
                          row.text(7)});
        });
    if (!listed || some.empty()) return listed;
    for (const Kept& kept : some) {
      if (!kept.is_unfiled) {
        compare_file(kept.folder, kept.path, kept.claim, trial_.deleted);
        continue;
      }
      const Copied found{kept.bytes.size(), content_hash(kept.bytes)};
      if (found.is(kept.claim.octets, kept.claim.hash)) {
        ++trial_.deleted.messages;
        trial_.deleted.octets += found.octets;
      } else {
        fault(fmt::format("mail/{}/{}/{}: {}", kept.folder.domain, kept.folder.user, kept.path,
                          difference_of(found, kept.claim.octets)));
      }
    }
    progress_.octets = octets_read();
    if (tell_ && !tell_(progress_)) return stopped_error();
  }
}

// Mail that was kept of removed mailboxes.
Result<void> Trial::compare_kept_folders() {
  std::vector<PoolFolder> folders;
  auto listed =
      each_row(promised_->query("SELECT DISTINCT domain, user FROM backup_kept"), [&](const Statement& row) {
        folders.push_back({row.text(0), row.text(1)});
      });
  if (!listed) return listed;
  for (const PoolFolder& folder : folders) {
    bool is_stopped = false;
    auto done = each_kept(*promised_, folder, [&](const std::string& path, const PoolClaim& claim) {
      is_stopped = is_stopped || (tell_ && !tell_(progress_));
      if (!is_stopped) compare_file(folder, path, claim, trial_.kept);
    });
    if (!done) return done;
    if (is_stopped) return stopped_error();
  }
  return {};
}

Result<void> Trial::compare_queue() {
  const bool has_hash = has_column(*promised_, "queue", "hash");
  std::vector<std::pair<std::string, ContentHash>> ids;
  auto listed = each_row(
      has_hash ? promised_->query("SELECT queue_id, hash FROM queue WHERE finished_at = 0 ORDER BY id")
               : promised_->query("SELECT queue_id, x'' FROM queue WHERE finished_at = 0 ORDER BY id"),
      [&](const Statement& row) { ids.emplace_back(row.text(0), ContentHash::of_octets(row.text(1))); });
  if (!listed) return listed;
  for (const auto& [id, hash] : ids) {
    auto queued = store_->find_queued(id);
    auto reader =
        queued ? store_->open_queued(*queued) : Result<std::unique_ptr<MessageReader>>(queued.error());
    auto found = reader ? read_to_end(**reader) : Result<Copied>(reader.error());
    if (!found) {
      fault(fmt::format("queue/{}: {}", id, found.error().message));
    } else if (!found->is(queued->size, hash)) {
      fault(fmt::format("queue/{}: {}", id, difference_of(*found, queued->size)));
    } else {
      ++trial_.queued;
    }
  }
  return {};
}

}  // namespace

Result<BackupTrial> try_backup(const BackupFolder& folder, const std::string& generation,
                               const TellProgress& tell) {
  return Trial(folder, generation, tell).run();
}

}  // namespace mailstead
