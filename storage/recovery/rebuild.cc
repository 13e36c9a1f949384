#include "storage/recovery/rebuild.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/accounts/accounts.h"
#include "storage/accounts/app_passwords.h"
#include "storage/database/index.h"
#include "storage/database/schema.h"
#include "storage/database/snapshot.h"
#include "storage/delivery/arrivals.h"
#include "storage/delivery/contents.h"
#include "storage/delivery/filing.h"
#include "storage/files.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/maildir.h"
#include "storage/mailbox/message_id.h"
#include "storage/queue/queue_table.h"
#include "storage/queue/queue_writer.h"
#include "storage/transfer/imported_table.h"

namespace mailstead {

namespace {

constexpr const char* kRebuildFile = "mailstead.db.rebuild";
constexpr std::size_t kRebuildFileLimit = 200;
constexpr std::uint64_t kCheckedAlways = 8u << 20;  // octets: some 10 ms

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

struct SalvagedMail {
  std::size_t messages = 0;
  std::size_t unreadable = 0;
  bool is_whole = true;  // all of them have been seen
};

struct SalvagedQueue {
  std::size_t messages = 0;
  std::size_t unreadable = 0;
  std::size_t reports = 0;  // messages that nobody waits for, and whose sender is owed a report
  bool is_whole = true;     // all of them have been seen
};

struct Salvaged {
  std::size_t mailboxes = 0;
  std::size_t aliases = 0;
  std::size_t app_passwords = 0;
  std::size_t nonsense = 0;  // rows of these that can be none
  // Kinds of what is not mail, by whether they could be read to the end.
  std::vector<std::string_view> whole;
  std::vector<std::string_view> cut_off;
  SalvagedMail mail;
  SalvagedQueue queue;
};

// Reads the rows of a table by their key, and goes on behind each damage. `read` reads from a key on,
// upwards, and sets `last` to the last row's; `probe` tells whether there is a row from a key on, or that it
// cannot be read. The error is the first one's: not all has been seen.
template <typename Read, typename Probe>
Result<void> read_past_damage(Read read, Probe probe) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Result<void> first;
  std::int64_t from = 0;
  while (true) {
    std::int64_t last = from - 1;
    auto done = read(from, last);
    if (done) return first;
    if (first) first = done;
    // The rows of a damaged page are some dozens, those below a damaged inner page many: look farther and
    // farther, then go back to the first that can be read.
    std::int64_t bad = last + 1;
    std::int64_t good = bad;
    for (std::int64_t step = 1; good == bad; step *= 2) {
      if (step > kMost / 4 || bad > kMost / 2) return first;
      auto there = probe(last + 1 + step);
      if (there && !*there) return first;  // it was the last page
      if (there) {
        good = last + 1 + step;
      } else {
        bad = good = last + 1 + step;
      }
    }
    while (good - bad > 1) {
      const std::int64_t middle = bad + (good - bad) / 2;
      (probe(middle) ? good : bad) = middle;
    }
    from = good;
  }
}

Result<bool> is_row(Result<Statement> statement) {
  if (!statement) return statement.error();
  return statement->step();
}

// An older schema has none.
bool lacks_table(Database& database, std::string_view name) {
  auto statement = database.query("SELECT 1 FROM sqlite_master WHERE name = ?1", name);
  if (!statement) return false;
  auto there = statement->step();
  return there && !*there;
}

// Messages of the queue that are in the damaged database only get files, which the start then takes in.
Result<SalvagedQueue> salvage_queue(const DataFolder& folder, Database& damaged) {
  SalvagedQueue salvaged;
  QueueContents contents(damaged);
  salvaged.is_whole = contents.load().has_value() || lacks_table(damaged, "queue_contents");
  QueueTable table(damaged);
  const QueueFolder files(folder.queue_fd());
  // A crash, or a full disk, in the middle of this: it is done once more.
  if (auto swept = files.sweep_drafts(); !swept) return swept.error();
  auto ids = files.ids();
  if (!ids) return ids.error();
  const std::unordered_set<std::string> there(ids->begin(), ids->end());
  for (const QueueRow row : contents.before(QueueContents::Clock::now(), SIZE_MAX)) {
    auto message = table.find(row);
    auto bytes = contents.read(row);
    if (message && *message && (*message)->finished_at != 0) continue;
    const bool is_whole = message && *message && bytes && is_message_id((*message)->id) &&
                          bytes->size() == (*message)->size && !(*message)->recipients.empty();
    if (!is_whole) {
      ++salvaged.unreadable;
      continue;
    }
    const QueuedMessage& queued = **message;
    // A file names those who wait (queue_file.h), and the report would be all there is of it.
    if (std::ranges::none_of(queued.recipients,
                             [](const auto& each) { return each.state == QueueState::kWaiting; })) {
      ++salvaged.reports;
      continue;
    }
    ++salvaged.messages;
    if (there.contains(queued.id)) continue;
    QueueFile file{&queued, {*bytes, nullptr, {}}};
    write_queue_files(files, {&file, 1});
    if (!file.error) continue;
    withdraw_queue_file(files, file);
    return *file.error;
  }
  return salvaged;
}

struct UnfiledRow {
  MailboxId mailbox;
  std::string name;
  std::uint64_t size;
  MessageState state;
};

// What every schema that has `contents` has of a message.
std::optional<UnfiledRow> unfiled_row(Database& damaged, Contents::Row message) {
  auto statement = damaged.query("SELECT mailbox, name, size, state FROM messages WHERE id = ?1", message);
  if (!statement) return std::nullopt;
  auto there = statement->step();
  if (!there || !*there) return std::nullopt;
  return UnfiledRow{statement->integer(0), statement->text(1),
                    static_cast<std::uint64_t>(statement->integer(2)),
                    static_cast<MessageState>(statement->integer(3))};
}

// An older schema has no journal.
Result<std::string> unfiled_bytes(const DataFolder& folder, Database& damaged, Contents::Row message,
                                  std::uint64_t octets) {
  std::string bytes;
  JournalPlace place;
  ContentHash hash;
  bool there = false;
  auto done = each_row(
      damaged.query(
          "SELECT c.bytes, c.file, c.at, m.hash FROM contents AS c JOIN messages AS m ON m.id = c.message"
          " WHERE c.message = ?1",
          message),
      [&](const Statement& row) {
        there = true;
        bytes = row.text(0);
        place = {static_cast<std::uint32_t>(row.integer(1)), static_cast<std::uint64_t>(row.integer(2))};
        hash = ContentHash::of_octets(row.text(3));
      });
  if (!done) {
    done = each_row(damaged.query("SELECT bytes FROM contents WHERE message = ?1", message),
                    [&](const Statement& row) {
                      there = true;
                      bytes = row.text(0);
                    });
  }
  if (!done) return done.error();
  if (!there) return Error{ErrorKind::kNotFound, "the message is not in the database"};
  if (place.file == 0) return bytes;
  return read_journal(folder.journal_fd(), place, static_cast<std::size_t>(octets), hash);
}

// Mail that has no file yet gets one, which the start then takes in under the same UIDL.
Result<SalvagedMail> salvage_mail(const DataFolder& folder, Database& damaged,
                                  const std::unordered_map<MailboxId, Address>& addresses) {
  SalvagedMail salvaged;
  std::vector<Contents::Row> messages;
  const auto listed = read_past_damage(
      [&](std::int64_t from, std::int64_t& last) {
        return each_row(
            damaged.query("SELECT message FROM contents WHERE message >= ?1 ORDER BY message", from),
            [&](const Statement& row) { messages.push_back(last = row.integer(0)); });
      },
      [&](std::int64_t from) {
        return is_row(
            damaged.query("SELECT message FROM contents WHERE message >= ?1 ORDER BY message LIMIT 1", from));
      });
  salvaged.is_whole = listed.has_value() || lacks_table(damaged, "contents");
  for (const Contents::Row message : messages) {
    auto row = unfiled_row(damaged, message);
    if (row && row->state == MessageState::kDeleting) continue;
    auto bytes = row ? unfiled_bytes(folder, damaged, message, row->size)
                     : Result<std::string>(Error{ErrorKind::kNotFound, "no row"});
    const bool is_whole = row && bytes && bytes->size() == row->size &&
                          parse_message_name(base_name(row->name)) && addresses.contains(row->mailbox);
    if (!is_whole) {
      ++salvaged.unreadable;
      continue;
    }
    auto maildir = Maildir::make(folder, addresses.at(row->mailbox));
    if (!maildir) return maildir.error();
    if (is_kept(row->state)) {
      if (auto made = maildir->make_deleted(); !made) return made.error();
      row->name = path_aside(row->name);
    }
    auto file = write_mail_file(*maildir, row->name, *bytes);
    if (!file) return file.error();
    auto synced = sync_handle(file->fd(), row->name);
    if (synced) synced = maildir->sync_all();
    if (!synced) return in_folder(maildir->path(), synced.error());
    ++salvaged.messages;
  }
  return salvaged;
}

// What is not mail, by the schema that has had it from the beginning.
struct SalvagedKind {
  std::string_view name;
  int since;
};
constexpr SalvagedKind kMailboxes{"mailboxes", 1};
constexpr SalvagedKind kQuotas{"quotas", 6};
constexpr SalvagedKind kAliases{"aliases", 1};
constexpr SalvagedKind kAppPasswords{"app passwords", 2};
constexpr SalvagedKind kNotesOfImports{"notes of imports", 13};

void note_end(Database& damaged, const SalvagedKind& kind, const Result<void>& read, Salvaged& salvaged) {
  const auto version = schema_version(damaged);
  const bool is_older = version && *version > 0 && *version < kind.since;
  (read || is_older ? salvaged.whole : salvaged.cut_off).push_back(kind.name);
}

// What was imported once is not imported again, as far as it can be read.
Result<void> salvage_imported(Database& damaged, Database& into, const std::unordered_set<MailboxId>& kept,
                              Salvaged& salvaged) {
  ImportedTable to(into);
  Result<void> done;
  note_end(damaged, kNotesOfImports,
           ImportedTable(damaged).each([&](MailboxId mailbox, const std::string& source,
                                           const std::string& item, const std::string& uidl) {
             if (done && kept.contains(mailbox)) done = to.add(mailbox, source, item, uidl);
           }),
           salvaged);
  return done;
}

Result<void> salvage_aliases(Database& damaged, Accounts& to, Salvaged& salvaged) {
  std::map<std::pair<std::string, std::int64_t>, std::pair<std::string, std::string>> rows;
  const auto take = [&](const Statement& row) {
    rows[{row.text(0), row.integer(1)}] = {row.text(2), row.text(3)};
  };
  const auto read =
      each_row(damaged.query("SELECT key, position, name, target FROM aliases ORDER BY key, position"), take);
  if (!read) {
    // What lies behind the damage is found from the other end.
    static_cast<void>(each_row(
        damaged.query("SELECT key, position, name, target FROM aliases ORDER BY key DESC, position DESC"),
        take));
  }
  note_end(damaged, kAliases, read, salvaged);
  std::vector<AliasEntry> aliases;
  for (auto& [place, row] : rows) {
    auto& [name, target] = row;
    if (aliases.empty() || aliases.back().name != name) aliases.push_back({name, {}});
    // Written by us from a valid address; a damaged one is left out rather than taking the others with it.
    if (auto address = parse_address(target)) aliases.back().targets.push_back(*address);
  }
  for (const AliasEntry& alias : aliases) {
    auto added = alias.targets.empty() ? Error{ErrorKind::kInvalid, "it leads nowhere"} : to.add_alias(alias);
    if (!added && added.error().kind != ErrorKind::kExists && added.error().kind != ErrorKind::kInvalid)
      return added.error();
    ++(added ? salvaged.aliases : salvaged.nonsense);
  }
  return {};
}

Result<void> salvage_app_passwords(Database& damaged, Database& into,
                                   const std::unordered_set<MailboxId>& kept, Salvaged& salvaged) {
  std::vector<AppPasswordRow> passwords;
  const auto read = read_past_damage(
      [&](std::int64_t from, std::int64_t& last) {
        auto done = AppPasswords(damaged).read_all(passwords, from);
        if (!passwords.empty()) last = std::max(last, passwords.back().id);
        return done;
      },
      [&](std::int64_t from) {
        return is_row(damaged.query("SELECT id FROM app_passwords WHERE id >= ?1 ORDER BY id LIMIT 1", from));
      });
  note_end(damaged, kAppPasswords, read, salvaged);
  for (const AppPasswordRow& password : passwords) {
    const bool is_one = kept.contains(password.mailbox) && check_device_name(password.name);
    if (!is_one) {
      ++salvaged.nonsense;
      continue;
    }
    auto added = AppPasswords(into).add(password);
    if (!added && added.error().kind != ErrorKind::kExists) return added.error();
    ++(added ? salvaged.app_passwords : salvaged.nonsense);
  }
  return {};
}

// Copies what can be read, before and behind each damage.
Result<Salvaged> salvage(const DataFolder& folder, const std::string& aside, Database& into) {
  Salvaged salvaged;
  const auto nothing = [] {
    Salvaged none;
    none.cut_off = {kMailboxes.name, kQuotas.name, kAliases.name, kAppPasswords.name, kNotesOfImports.name};
    return none;
  };
  if (size_of(folder, aside) == 0) return nothing();  // SQLite would remove the WAL that stands beside it
  std::string path = folder.database_path();
  path.replace(path.rfind('/') + 1, std::string::npos, aside);
  auto damaged = Database::open(path, DatabaseAccess::kSalvage);
  if (!damaged) return nothing();
  Accounts from(**damaged);
  Accounts to(into);
  // Its backups are still backups of this store.
  if (auto identity = read_identity(**damaged); identity && is_identity(*identity)) {
    if (auto done = write_meta(into, "identity", *identity); !done) return done.error();
  }
  std::vector<AccountRow> accounts;
  std::unordered_set<MailboxId> kept;
  std::unordered_map<MailboxId, Address> addresses;
  const auto read_accounts = read_past_damage(
      [&](std::int64_t first, std::int64_t& last) {
        auto done = from.read_mailboxes(accounts, first);
        if (!accounts.empty()) last = std::max(last, accounts.back().id);
        return done;
      },
      [&](std::int64_t first) {
        return is_row(
            (*damaged)->query("SELECT id FROM mailboxes WHERE id >= ?1 ORDER BY id LIMIT 1", first));
      });
  note_end(**damaged, kMailboxes, read_accounts, salvaged);
  for (const AccountRow& account : accounts) {
    auto again = parse_address(account.address.text());
    const bool is_one = account.id > 0 && again && *again == account.address;
    auto added =
        is_one ? to.add_mailbox(account) : Result<MailboxId>(Error{ErrorKind::kExists, "it is no mailbox"});
    if (!added && added.error().kind == ErrorKind::kExists) {
      ++salvaged.nonsense;
      continue;
    }
    if (!added) return added.error();
    ++salvaged.mailboxes;
    kept.insert(account.id);
    addresses.emplace(account.id, account.address);
  }
  std::unordered_map<MailboxId, std::uint64_t> quotas;
  const auto read_quotas = read_past_damage(
      [&](std::int64_t first, std::int64_t& last) {
        return each_row((*damaged)->query(
                            "SELECT mailbox, octets FROM quotas WHERE mailbox >= ?1 ORDER BY mailbox", first),
                        [&](const Statement& row) {
                          quotas[last = row.integer(0)] = static_cast<std::uint64_t>(row.integer(1));
                        });
      },
      [&](std::int64_t first) {
        return is_row((*damaged)->query(
            "SELECT mailbox FROM quotas WHERE mailbox >= ?1 ORDER BY mailbox LIMIT 1", first));
      });
  note_end(**damaged, kQuotas, read_quotas, salvaged);
  for (const auto& [mailbox, octets] : quotas) {
    if (!kept.contains(mailbox) || octets > kMostQuota) continue;
    if (auto done = to.set_quota(mailbox, octets); !done) return done.error();
  }
  if (auto done = salvage_aliases(**damaged, to, salvaged); !done) return done.error();
  if (auto done = salvage_app_passwords(**damaged, into, kept, salvaged); !done) return done.error();
  if (auto done = salvage_imported(**damaged, into, kept, salvaged); !done) return done.error();
  auto mail = salvage_mail(folder, **damaged, addresses);
  if (!mail) return mail.error();
  salvaged.mail = *mail;
  // What the journal holds behind that has no row yet. Without it all that is in the journal and in no folder
  // counts as such.
  const auto position = read_meta(**damaged, kJournalKey);
  if (position && mail->is_whole && mail->unreadable == 0) {
    if (auto done = write_meta(into, kJournalKey, *position); !done) return done.error();
  }
  auto queue = salvage_queue(folder, **damaged);
  if (!queue) return queue.error();
  salvaged.queue = *queue;
  return salvaged;
}

void tell_of_accounts(const Salvaged& salvaged, RecoveryReport& report) {
  report.actions.push_back(
      fmt::format("read {} mailboxes, {} aliases and {} app passwords from the damaged database",
                  salvaged.mailboxes, salvaged.aliases, salvaged.app_passwords));
  if (!salvaged.whole.empty()) {
    report.actions.push_back(fmt::format("the damaged database could be read to the end of its {}",
                                         fmt::join(salvaged.whole, ", ")));
  }
  if (!salvaged.cut_off.empty()) {
    report.actions.push_back(
        fmt::format("the damaged database could not be read to the end of its {}: there may have been more, "
                    "which have to be made again or taken from a backup",
                    fmt::join(salvaged.cut_off, ", ")));
  }
  if (salvaged.nonsense > 0) {
    report.actions.push_back(
        fmt::format("left out {} of the damaged database that can be no mailbox, alias or app password",
                    salvaged.nonsense == 1 ? "1 row" : fmt::format("{} rows", salvaged.nonsense)));
  }
}

void tell_of_mail(const SalvagedMail& mail, RecoveryReport& report) {
  const auto messages = [](std::size_t count) {
    return fmt::format("{} message{} that had no file yet", count, count == 1 ? "" : "s");
  };
  if (mail.messages > 0)
    report.actions.push_back(fmt::format("read {} from the damaged database", messages(mail.messages)));
  if (mail.unreadable > 0) {
    report.actions.push_back(
        fmt::format("could not read {} in the damaged database", messages(mail.unreadable)));
  }
  if (!mail.is_whole) {
    report.actions.push_back(
        "the damaged database could not be read to the end of the mail that had no file yet: there may have "
        "been more messages");
  }
}

void tell_of_queue(const SalvagedQueue& queue, RecoveryReport& report) {
  const auto messages = [](std::size_t count) {
    return fmt::format("{} message{} on the way out", count, count == 1 ? "" : "s");
  };
  if (queue.messages > 0)
    report.actions.push_back(fmt::format("read {} from the damaged database", messages(queue.messages)));
  if (queue.unreadable > 0) {
    report.actions.push_back(
        fmt::format("could not read {} in the damaged database", messages(queue.unreadable)));
  }
  if (queue.reports > 0) {
    report.actions.push_back(
        fmt::format("dropped {} in the damaged database of which only reports to the senders were left to do",
                    messages(queue.reports)));
  }
  if (!queue.is_whole) {
    report.actions.push_back(
        "the damaged database could not be read to the end of its queue: there may have been more messages");
  }
}

// With the salvaged rows in one transaction, and "filled" set by it: a crash repeats it whole or not at all.
Result<void> fill_from(const DataFolder& folder, const std::string& aside, Database& database,
                       RecoveryReport& report) {
  auto filled = read_meta(database, kRebuiltFromKey);
  if (!filled) return filled.error();
  if (*filled != aside) {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    auto salvaged = salvage(folder, aside, database);
    if (!salvaged) return salvaged.error();
    if (auto done = write_meta(database, kRebuiltFromKey, aside); !done) return done;
    if (auto done = transaction->commit(); !done) return done;
    report.rebuilt = true;
    tell_of_accounts(*salvaged, report);
    tell_of_mail(salvaged->mail, report);
    tell_of_queue(salvaged->queue, report);
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

// A large one that was closed properly is believed: a check reads all of it. What a statement finds damaged
// is never closed so.
bool must_be_checked(Database& database, std::uint64_t octets) {
  if (octets <= kCheckedAlways) return true;
  const auto clean = read_meta(database, "clean");
  return !clean || *clean != "1";
}

}  // namespace

bool is_rebuild_under_way(const DataFolder& folder) {
  return !pending_rebuild(folder).empty();
}

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
  if (must_be_checked(**database, static_cast<std::uint64_t>(facts->st_size))) {
    if (auto done = (*database)->quick_check(); !done) return in_folder(folder.path(), done.error());
  }
  auto migrated = snapshot_before_migration(folder, **database, schema_migrations().back().version, report);
  if (!migrated) return migrated.error();
  migrated = migrate(**database, schema_migrations());
  if (migrated) migrated = check_schema(**database, schema_migrations());
  if (!migrated) return in_folder(folder.path(), migrated.error());
  if (!aside.empty()) {
    if (auto done = fill_from(folder, aside, **database, report); !done) return done.error();
  }
  return database;
}

}  // namespace mailstead
