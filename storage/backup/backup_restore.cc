#include "storage/backup/backup_restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <utility>

#include "storage/accounts/accounts.h"
#include "storage/backup/backup.h"
#include "storage/backup/backup_generations.h"
#include "storage/backup/backup_pool.h"
#include "storage/database/index.h"
#include "storage/database/schema.h"
#include "storage/folder.h"
#include "storage/mailbox/message_id.h"
#include "storage/queue/queue_table.h"

namespace mailstead {

namespace {

constexpr std::size_t kRestoredTogether = 128;  // messages, and so many open files
constexpr std::size_t kMostTroubles = 1000;
constexpr MessageState kRestoredStates[] = {MessageState::kPresent, MessageState::kMissing,
                                            MessageState::kDeleted, MessageState::kAside};

struct StoredFile {
  std::int64_t row = 0;
  std::string path;  // in the maildir
  std::uint64_t octets = 0;
  bool is_missed = false;  // it was not there when the backup was made
  ContentHash hash = {};

  PoolClaim claim() const { return {octets, hash}; }
};

// What was found of it in the backup: the likeliest first.
using FoundFiles = std::vector<RegularFile>;

// new/, cur/ and deleted/ of one maildir, and what they are made in.
class NewMaildir {
 public:
  static Result<NewMaildir> make(int mail, const PoolFolder& name) {
    auto domain = make_folder(mail, name.domain);
    if (!domain) return domain.error();
    auto root = make_folder(domain->fd(), name.user);
    if (!root) return root.error();
    NewMaildir maildir;
    for (const auto& [place, handle] : {std::pair{"new", &maildir.new_}, {"cur", &maildir.cur_}}) {
      auto made = make_folder(root->fd(), place);
      if (!made) return made.error();
      *handle = std::move(*made);
    }
    if (auto tmp = make_folder(root->fd(), "tmp"); !tmp) return tmp.error();
    maildir.root_ = std::move(*root);
    return maildir;
  }

  int root() const { return root_.fd(); }

  // kCorrupt: it is no path of a message.
  Result<int> place(std::string_view path, std::string& name) {
    const std::size_t slash = path.find('/');
    name = slash == std::string_view::npos ? std::string() : std::string(path.substr(slash + 1));
    if (is_plain_name(name) && name.front() != '.') {
      if (path.starts_with("new/")) return new_.fd();
      if (path.starts_with("cur/")) return cur_.fd();
      if (path.starts_with("deleted/")) return deleted();
    }
    return Error{ErrorKind::kCorrupt, fmt::format("the backup names an impossible file {}", path)};
  }

 private:
  Result<int> deleted() {
    if (!deleted_.is_open()) {
      auto made = make_folder(root_.fd(), "deleted");
      if (!made) return made.error();
      deleted_ = std::move(*made);
    }
    return deleted_.fd();
  }

  FileHandle root_;
  FileHandle new_;
  FileHandle cur_;
  FileHandle deleted_;
};

class Filling {
 public:
  Filling(const BackupFolder& backup, const std::string& generation, int into, const std::string& path,
          const RestoreTerms& terms)
      : backup_(backup), generation_(generation), into_(into), path_(path), terms_(terms) {}

  Result<RestoreSummary> run();

 private:
  Result<void> open_backup();
  Result<void> copy_database();
  Result<void> copy_others();
  Result<void> fill_mailboxes();
  Result<void> fill_mailbox(const AccountRow& account);
  Result<void> fill_state(NewMaildir& maildir, const PoolFolder& folder, std::int64_t mailbox,
                          MessageState state);
  Result<void> fill_kept();
  Result<void> bring(NewMaildir& maildir, const PoolFolder& folder, const std::vector<StoredFile>& some);
  Result<bool> link_one(NewMaildir& maildir, const PoolFolder& folder, const StoredFile& stored);
  Result<FoundFiles> open_files(const PoolFolder& folder, const StoredFile& stored);
  Result<void> copy_one(NewMaildir& maildir, const PoolFolder& folder, const StoredFile& stored,
                        const FoundFiles& found);
  Result<void> settle_database();
  void trouble(const PoolFolder& folder, const StoredFile& stored, const std::string& what);
  Result<void> tell();

  const BackupFolder& backup_;
  const std::string& generation_;
  const int into_;
  const std::string& path_;
  const RestoreTerms& terms_;
  FileHandle from_;  // the generation
  FileHandle mail_;
  std::unique_ptr<BackupPool> pool_;
  std::unique_ptr<Database> database_;
  bool links_ = false;
  BackupProgress progress_;
  RestoreSummary summary_;
};

Result<RestoreSummary> Filling::run() {
  links_ = terms_.bring == Bring::kLinks;
  auto done = open_backup();
  if (done) done = copy_database();
  if (done) done = copy_others();
  if (done) done = fill_mailboxes();
  if (done) done = fill_kept();
  if (done) done = settle_database();
  if (done) {
    database_.reset();
    done = sync_handle(into_, "the folder");
  }
  if (done) done = sync_file_system(into_, "the folder");
  if (!done) return done.error();
  return std::move(summary_);
}

Result<void> Filling::tell() {
  progress_.octets = summary_.octets;
  if (terms_.tell && !terms_.tell(progress_)) return stopped_error();
  return {};
}

Result<void> Filling::open_backup() {
  return terms_.as_caller([&]() -> Result<void> {
    auto facts = backup_.facts_of(generation_);
    if (!facts) return facts.error();
    summary_.facts = std::move(*facts);
    auto from = open_folder(backup_.fd(), generation_);
    if (!from) return in_folder(backup_.path(), from.error());
    from_ = std::move(*from);
    auto pool = BackupPool::open_to_read(backup_.fd());
    if (!pool) return in_folder(backup_.path(), pool.error());
    pool_ = std::make_unique<BackupPool>(std::move(*pool));
    return {};
  });
}

Result<void> Filling::copy_database() {
  TreeCopy copy{terms_.as_caller, [](const auto& work) { return work(); }, nullptr, 0};
  if (auto done = copy_entry(from_.fd(), into_, kDatabaseFile, kDatabaseFile, copy); !done)
    return in_folder(backup_.path() + "/" + generation_, done.error());
  auto database = Database::open(path_ + "/" + kDatabaseFile, DatabaseAccess::kAlone);
  if (!database) return database.error();
  auto schema = schema_version(**database);
  if (!schema) return schema.error();
  if (*schema > schema_migrations().back().version) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("the backup {} was made by a newer Mailstead (schema {}, this program knows {}): "
                    "restore it with that one",
                    generation_, *schema, schema_migrations().back().version)};
  }
  if (auto done = (*database)->quick_check(); !done) {
    return Error{ErrorKind::kCorrupt,
                 fmt::format("the database of the backup {} is damaged: restore another one "
                             "('mailstead restore DIR --list', then --from)",
                             generation_)};
  }
  database_ = std::move(*database);
  return {};
}

Result<void> Filling::copy_others() {
  std::vector<std::string> names;
  auto listed = terms_.as_caller([&]() -> Result<void> {
    auto found = list_folder(from_.fd());
    if (!found) return found.error();
    names = std::move(*found);
    return {};
  });
  if (!listed) return listed;
  TreeCopy copy{terms_.as_caller, [](const auto& work) { return work(); }, &summary_.troubles, 0};
  for (const std::string& name : names) {
    const bool is_queue = name == "queue" && terms_.queue != RestoredQueue::kLeftOut;
    if (!is_queue && !lasts_in_data_folder(name)) continue;
    if (auto done = copy_entry(from_.fd(), into_, name, name, copy); !done) return done;
  }
  auto mail = make_folder(into_, "mail");
  if (!mail) return mail.error();
  mail_ = std::move(*mail);
  auto queue = make_folder(into_, "queue");
  return queue ? Result<void>() : queue.error();
}

Result<void> Filling::fill_mailboxes() {
  auto accounts = Accounts(*database_).mailboxes();
  if (!accounts) return accounts.error();
  auto total = database_->query("SELECT COUNT(*) FROM messages");
  if (!total) return total.error();
  if (auto row = total->step(); row && *row) progress_.total = static_cast<std::uint64_t>(total->integer(0));
  for (const AccountRow& account : *accounts) {
    if (auto done = fill_mailbox(account); !done) return done;
  }
  return {};
}

Result<void> Filling::fill_mailbox(const AccountRow& account) {
  const PoolFolder folder = folder_name(account.address);
  auto maildir = NewMaildir::make(mail_.fd(), folder);
  if (!maildir) return maildir.error();
  auto named = replace_small_file(maildir->root(), "address", account.address.text() + "\n");
  if (!named) return named;
  for (const MessageState state : kRestoredStates) {
    if (auto done = fill_state(*maildir, folder, account.id, state); !done) return done;
  }
  return {};
}

// Each state for itself: so the index tells the next page.
Result<void> Filling::fill_state(NewMaildir& maildir, const PoolFolder& folder, std::int64_t mailbox,
                                 MessageState state) {
  std::int64_t after = 0;
  while (true) {
    std::vector<StoredFile> some;
    auto listed = each_row(
        database_->query(
            "SELECT m.id, m.name, m.size, hash FROM messages AS m WHERE mailbox = ?1 AND state = ?2"
            " AND m.id > ?3 AND NOT EXISTS (SELECT 1 FROM contents WHERE message = m.id)"
            " ORDER BY m.id LIMIT ?4",
            mailbox, static_cast<std::int64_t>(state), after, static_cast<std::int64_t>(kRestoredTogether)),
        [&](const Statement& row) {
          some.push_back({row.integer(0), row.text(1), static_cast<std::uint64_t>(row.integer(2)),
                          state == MessageState::kMissing, ContentHash::of_octets(row.text(3))});
        });
    if (!listed) return listed;
    if (some.empty()) return {};
    after = some.back().row;
    if (auto done = bring(maildir, folder, some); !done) return done;
    progress_.done += some.size();
    if (auto done = tell(); !done) return done;
  }
}

void Filling::trouble(const PoolFolder& folder, const StoredFile& stored, const std::string& what) {
  ++summary_.lost;
  if (summary_.troubles.size() >= kMostTroubles) return;
  summary_.troubles.push_back(
      fmt::format("mail/{}/{}/{}: {}", folder.domain, folder.user, stored.path, what));
}

Result<void> Filling::bring(NewMaildir& maildir, const PoolFolder& folder,
                            const std::vector<StoredFile>& some) {
  std::vector<std::pair<const StoredFile*, FoundFiles>> files;
  auto opened = terms_.as_caller([&]() -> Result<void> {
    for (const StoredFile& stored : some) {
      auto linked = links_ ? link_one(maildir, folder, stored) : Result<bool>(false);
      if (!linked) return linked.error();
      if (*linked) continue;
      auto found = open_files(folder, stored);
      if (!found) return found.error();
      if (!found->empty()) {
        files.emplace_back(&stored, std::move(*found));
      } else if (!stored.is_missed) {
        trouble(folder, stored, "its file is not in the backup");
      }
    }
    return {};
  });
  if (!opened) return in_folder(backup_.path(), opened.error());
  for (const auto& [stored, found] : files) {
    if (auto done = copy_one(maildir, folder, *stored, found); !done) return done;
  }
  return {};
}

Result<FoundFiles> Filling::open_files(const PoolFolder& folder, const StoredFile& stored) {
  FoundFiles found;
  const std::string name(base_name(stored.path));
  if (!is_plain_name(name)) return found;
  auto names = pool_->names_of(folder, name, stored.claim());
  if (!names && names.error().kind == ErrorKind::kNotFound) return found;
  if (!names) return names.error();
  for (const std::string& each : *names) {
    auto file = pool_->open_file(folder, each);
    if (file) {
      found.push_back(std::move(*file));
    } else if (file.error().kind != ErrorKind::kNotFound && file.error().kind != ErrorKind::kInvalid) {
      return file.error();
    }
  }
  return found;
}

// False: it has to be copied.
Result<bool> Filling::link_one(NewMaildir& maildir, const PoolFolder& folder, const StoredFile& stored) {
  const std::string base(base_name(stored.path));
  if (!is_plain_name(base)) return false;
  auto names = pool_->names_of(folder, base, stored.claim());
  if (!names || names->size() != 1 || !pool_->holds(folder, base, stored.claim(), Sure::kByLength))
    return false;
  std::string name;
  auto to = maildir.place(stored.path, name);
  if (!to) return to.error();
  auto from = pool_->folder(folder);
  if (!from) return from.error();
  if (::linkat(*from, names->front().c_str(), *to, name.c_str(), 0) != 0) {
    links_ = false;  // there are none here: copies are as good
    return false;
  }
  ++summary_.files;
  summary_.octets += stored.octets;
  return true;
}

Result<void> Filling::copy_one(NewMaildir& maildir, const PoolFolder& folder, const StoredFile& stored,
                               const FoundFiles& found) {
  std::string name;
  auto to = maildir.place(stored.path, name);
  if (!to) {
    trouble(folder, stored, to.error().message);
    return {};
  }
  // The likeliest, unless another is what it should be.
  const RegularFile* from = &found.front();
  for (const RegularFile& each : found) {
    if (found.size() == 1) break;
    auto its = read_file_through(each);
    if (!its || !its->is(stored.octets, stored.hash)) continue;
    from = &each;
    break;
  }
  auto made = create_file(*to, name);
  if (!made) return made.error();
  auto copied = copy_file(*from, *made);
  if (!copied) return copied.error();
  // The end brings all of them to the disk.
  if (!sync_file_system_tells_errors()) {
    if (auto done = sync_handle(made->fd(), name); !done) return done;
  }
  ++summary_.files;
  summary_.octets += copied->octets;
  if (!copied->is(stored.octets, stored.hash)) trouble(folder, stored, difference_of(*copied, stored.octets));
  return {};
}

// Mail of removed mailboxes: a table that only the backup has tells of it.
Result<void> Filling::fill_kept() {
  struct Kept {
    PoolFolder folder;
    StoredFile file;
  };
  const bool has_hash = has_column(*database_, "backup_kept", "hash");
  std::int64_t after = 0;
  while (true) {
    std::vector<Kept> some;
    const auto at_most = static_cast<std::int64_t>(kRestoredTogether);
    auto listed =
        each_row(has_hash ? database_->query("SELECT rowid, domain, user, path, size, hash FROM backup_kept"
                                             " WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
                                             after, at_most)
                          : database_->query("SELECT rowid, domain, user, path, size, x'' FROM backup_kept"
                                             " WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
                                             after, at_most),
                 [&](const Statement& row) {
                   some.push_back({{row.text(1), row.text(2)},
                                   {row.integer(0), row.text(3), static_cast<std::uint64_t>(row.integer(4)),
                                    false, ContentHash::of_octets(row.text(5))}});
                 });
    if (!listed) return listed;
    if (some.empty()) break;
    after = some.back().file.row;
    for (const Kept& kept : some) {
      if (!is_plain_name(kept.folder.domain) || kept.folder.domain.front() == '.' ||
          !is_plain_name(kept.folder.user) || !kept.folder.user.starts_with(kKeptPrefix))
        continue;
      auto maildir = NewMaildir::make(mail_.fd(), kept.folder);
      if (!maildir) return maildir.error();
      if (auto done = bring(*maildir, kept.folder, {kept.file}); !done) return done;
    }
    if (auto done = tell(); !done) return done;
  }
  return database_->run("DROP TABLE backup_kept");
}

// As a crash leaves it: the start looks at everything.
Result<void> Filling::settle_database() {
  QueueTable queue(*database_);
  auto rows = queue.unfinished(0, SIZE_MAX / 2);
  if (!rows) return rows.error();
  auto transaction = Transaction::begin(*database_);
  if (!transaction) return transaction.error();
  auto done = write_meta(*database_, "clean", "0");
  if (done) done = database_->run("DELETE FROM folder_times");
  for (const QueueRow row : *rows) {
    if (done && terms_.queue == RestoredQueue::kHeld) {
      done = queue.set_held(row, true);
      if (done) done = queue.add_event(row, {unix_seconds(), QueueEventKind::kHeld});
    }
    if (done && terms_.queue == RestoredQueue::kLeftOut) done = queue.drop(row, unix_seconds());
  }
  if (done && terms_.queue != RestoredQueue::kLeftOut) summary_.queued = rows->size();
  return done ? transaction->commit() : done;
}

}  // namespace

Result<RestoreSummary> fill_from_backup(const BackupFolder& backup, const std::string& generation, int into,
                                        const std::string& path, const RestoreTerms& terms) {
  return Filling(backup, generation, into, path, terms).run();
}

}  // namespace mailstead
