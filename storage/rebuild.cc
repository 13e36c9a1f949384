#include "storage/rebuild.h"

#include <fmt/format.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "storage/accounts.h"
#include "storage/app_passwords.h"
#include "storage/files.h"
#include "storage/message_id.h"
#include "storage/queue_contents.h"
#include "storage/queue_table.h"
#include "storage/queue_writer.h"
#include "storage/schema.h"

namespace mailstead {

namespace {

constexpr const char* kRebuildFile = "mailstead.db.rebuild";
constexpr std::size_t kRebuildFileLimit = 200;

// 0 when it is absent.
std::uint64_t size_of(const DataFolder& folder, const std::string& name) {
  auto facts = stat_name(folder.fd(), name);
  return facts ? static_cast<std::uint64_t>(facts->st_size) : 0;
}

bool exists(const DataFolder& folder, const std::string& name) {
  return stat_name(folder.fd(), name).has_value();
}

// The damaged database's new name while a rebuild is under way, else empty.
std::string pending_rebuild(const DataFolder& folder) {
  auto text = read_small_file(folder.fd(), kRebuildFile, kRebuildFileLimit);
  if (!text) return {};
  std::string name = text->substr(0, text->find('\n'));
  const bool plausible = name.starts_with("mailstead.db.damaged-") && name.find('/') == std::string::npos;
  return plausible ? name : std::string();
}

Result<void> move_if_there(const DataFolder& folder, const std::string& from, const std::string& to) {
  if (!exists(folder, from)) return {};
  auto done = move_file(folder.fd(), from, folder.fd(), to);
  if (!done) return in_folder(folder.path(), done.error());
  return {};
}

// The database itself goes last: while it stands in its place, the others are still to be moved.
Result<void> move_aside(const DataFolder& folder, const std::string& aside) {
  for (const char* suffix : {"-shm", "-wal", ""}) {
    auto done = move_if_there(folder, std::string(kDatabaseFile) + suffix, aside + suffix);
    if (!done) return done;
  }
  return sync_handle(folder.fd(), "the data folder");
}

struct Salvaged {
  std::size_t mailboxes = 0;
  std::size_t aliases = 0;
  std::size_t app_passwords = 0;
  std::size_t queued = 0;
};

// Messages of the queue that are in the damaged database only get files, which the start then takes in.
Result<std::size_t> salvage_queue(const DataFolder& folder, Database& damaged) {
  QueueContents contents(damaged);
  static_cast<void>(contents.load());  // an older schema has none
  QueueTable table(damaged);
  const QueueFolder files(folder.queue_fd());
  // A crash, or a full disk, in the middle of this: it is done once more.
  if (auto swept = files.sweep_drafts(); !swept) return swept.error();
  auto ids = files.ids();
  if (!ids) return ids.error();
  const std::unordered_set<std::string> there(ids->begin(), ids->end());
  std::size_t salvaged = 0;
  for (const QueueRow row : contents.before(QueueContents::Clock::now(), SIZE_MAX)) {
    auto message = table.find(row);
    auto bytes = contents.read(row);
    if (!message || !*message || !bytes) continue;
    const QueuedMessage& queued = **message;
    const bool is_whole =
        is_message_id(queued.id) && bytes->size() == queued.size && !queued.recipients.empty();
    if (!is_whole || queued.finished_at != 0) continue;
    ++salvaged;
    if (there.contains(queued.id)) continue;
    QueueFile file{&queued, {*bytes, nullptr, {}}};
    write_queue_files(files, {&file, 1});
    if (!file.error) continue;
    withdraw_queue_file(files, file);
    return *file.error;
  }
  return salvaged;
}

// Copies what can be read. Reading stops at the first damage, and what came before it is kept.
Result<Salvaged> salvage(const DataFolder& folder, const std::string& aside, Database& into) {
  Salvaged salvaged;
  if (size_of(folder, aside) == 0) return salvaged;  // SQLite would remove the WAL that stands beside it
  std::string path = folder.database_path();
  path.replace(path.rfind('/') + 1, std::string::npos, aside);
  auto damaged = Database::open(path, DatabaseAccess::kSalvage);
  if (!damaged) return salvaged;
  Accounts from(**damaged);
  Accounts to(into);
  std::vector<AccountRow> accounts;
  std::unordered_set<MailboxId> kept;
  static_cast<void>(from.read_mailboxes(accounts));
  for (const AccountRow& account : accounts) {
    auto again = parse_address(account.address.text());
    if (account.id <= 0 || !again || !(*again == account.address)) continue;
    auto added = to.add_mailbox(account);
    if (!added && added.error().kind == ErrorKind::kExists) continue;
    if (!added) return added.error();
    ++salvaged.mailboxes;
    kept.insert(account.id);
  }
  std::unordered_map<MailboxId, std::uint64_t> quotas;
  static_cast<void>(from.read_quotas(quotas));  // an older schema has none
  for (const auto& [mailbox, octets] : quotas) {
    if (!kept.contains(mailbox) || octets > kMostQuota) continue;
    if (auto done = to.set_quota(mailbox, octets); !done) return done.error();
  }
  std::vector<AliasEntry> aliases;
  static_cast<void>(from.read_aliases(aliases));
  for (const AliasEntry& alias : aliases) {
    auto added = to.add_alias(alias);
    if (!added && added.error().kind != ErrorKind::kExists && added.error().kind != ErrorKind::kInvalid) {
      return added.error();
    }
    if (added) ++salvaged.aliases;
  }
  std::vector<AppPasswordRow> passwords;
  static_cast<void>(AppPasswords(**damaged).read_all(passwords));
  for (const AppPasswordRow& password : passwords) {
    if (!kept.contains(password.mailbox) || !check_device_name(password.name)) continue;
    auto added = AppPasswords(into).add(password);
    if (!added && added.error().kind != ErrorKind::kExists) return added.error();
    if (added) ++salvaged.app_passwords;
  }
  auto queued = salvage_queue(folder, **damaged);
  if (!queued) return queued.error();
  salvaged.queued = *queued;
  return salvaged;
}

// With the salvaged rows in one transaction, and "filled" set by it: a crash repeats it whole or not at all.
Result<void> fill_from(const DataFolder& folder, const std::string& aside, Database& database,
                       RecoveryReport& report) {
  auto filled = read_meta(database, "rebuilt_from");
  if (!filled) return filled.error();
  if (*filled != aside) {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    auto salvaged = salvage(folder, aside, database);
    if (!salvaged) return salvaged.error();
    if (auto done = write_meta(database, "rebuilt_from", aside); !done) return done;
    if (auto done = transaction->commit(); !done) return done;
    report.actions.push_back(
        fmt::format("read {} mailboxes, {} aliases and {} app passwords from the damaged database",
                    salvaged->mailboxes, salvaged->aliases, salvaged->app_passwords));
    if (salvaged->queued > 0) {
      report.actions.push_back(fmt::format("read {} message{} on the way out from the damaged database",
                                           salvaged->queued, salvaged->queued == 1 ? "" : "s"));
    }
  }
  if (auto done = remove_file(folder.fd(), kRebuildFile); !done)
    return in_folder(folder.path(), done.error());
  return sync_handle(folder.fd(), "the data folder");
}

// SQLite drops a WAL that stands beside an absent or empty database; it may hold all there is.
bool has_orphaned_wal(const DataFolder& folder) {
  const std::string name = kDatabaseFile;
  return size_of(folder, name) == 0 && size_of(folder, name + "-wal") != 0;
}

Result<void> create_empty(const DataFolder& folder) {
  auto file =
      create_file(folder.fd(), kDatabaseFile);  // mode 0600; WAL and shared memory take theirs from it
  if (!file) return in_folder(folder.path(), file.error());
  if (auto done = sync_handle(folder.fd(), "the data folder"); !done)
    return in_folder(folder.path(), done.error());
  return {};
}

}  // namespace

Result<void> set_aside_database(const DataFolder& folder, RecoveryReport& report) {
  std::string aside = pending_rebuild(folder);
  if (aside.empty() || exists(folder, aside)) {
    aside = fmt::format("mailstead.db.damaged-{}", unix_seconds());
    for (int i = 2; exists(folder, aside); ++i)
      aside = fmt::format("mailstead.db.damaged-{}-{}", unix_seconds(), i);
    auto noted = replace_small_file(folder.fd(), kRebuildFile, aside + "\n");
    if (noted) noted = sync_handle(folder.fd(), "the data folder");
    if (!noted) return in_folder(folder.path(), noted.error());
  }
  if (auto done = move_aside(folder, aside); !done) return done;
  report.actions.push_back(
      fmt::format("the database was damaged: it is kept as {}, a new one was made", aside));
  return {};
}

Result<std::unique_ptr<Database>> open_database(const DataFolder& folder, RecoveryReport& report) {
  std::string aside = pending_rebuild(folder);
  if (!aside.empty() && !exists(folder, aside)) {
    if (auto done = move_aside(folder, aside); !done) return done.error();
  }
  if (has_orphaned_wal(folder)) {
    if (auto done = set_aside_database(folder, report); !done) return done.error();
    aside = pending_rebuild(folder);
  }
  if (!exists(folder, kDatabaseFile)) {
    if (auto done = create_empty(folder); !done) return done.error();
  }
  auto facts = stat_name(folder.fd(), kDatabaseFile);
  if (!facts) return in_folder(folder.path(), facts.error());
  if (!S_ISREG(facts->st_mode)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{}/{} is not a regular file; move it away", folder.path(), kDatabaseFile)};
  }
  auto database = Database::open(folder.database_path(), DatabaseAccess::kWrite);
  if (!database) return database.error();
  if (auto done = (*database)->quick_check(); !done) return in_folder(folder.path(), done.error());
  auto migrated = migrate(**database, schema_migrations());
  if (migrated) migrated = check_schema(**database, schema_migrations());
  if (!migrated) return in_folder(folder.path(), migrated.error());
  if (!aside.empty()) {
    if (auto done = fill_from(folder, aside, **database, report); !done) return done.error();
  }
  return database;
}

}  // namespace mailstead
