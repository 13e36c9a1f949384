#include "storage/check/checker.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <unordered_set>
#include <utility>

#include "storage/accounts/accounts.h"
#include "storage/accounts/secret_key.h"
#include "storage/check/strangers.h"
#include "storage/database/index.h"
#include "storage/delivery/journal.h"
#include "storage/files.h"
#include "storage/mailbox/mailbox_tree.h"
#include "storage/mailbox/message_id.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queue_table.h"

namespace mailstead {

namespace {

constexpr std::size_t kPage = 512;  // rows
constexpr std::size_t kMostFindings = 100;
// Messages of these are looked for: of one that is being deleted anything may be there.
// Missing ones first: mending makes others missing, which are told then.
constexpr std::array kCheckedStates{MessageState::kMissing, MessageState::kPresent, MessageState::kDeleted,
                                    MessageState::kAside};

std::uint64_t name_hash(std::string_view base) {
  return std::hash<std::string_view>()(base);
}

bool is_hash_of_rest(int fd, std::uint64_t starts_at, const ContentHash& hash) {
  auto found = hash_of_rest(fd, starts_at);
  return found && *found == hash;
}

// The same for a row each time that the seed is.
bool is_chosen(std::int64_t row, std::uint64_t seed, std::uint64_t one_in) {
  std::uint64_t mixed = (static_cast<std::uint64_t>(row) + seed) * 0x9e3779b97f4a7c15;
  mixed ^= mixed >> 32;
  return mixed % one_in == 0;
}

}  // namespace

struct Checker::Row {
  std::int64_t id = 0;
  std::string uidl;
  std::string name;
  std::uint64_t size = 0;
  MessageState state = MessageState::kPresent;
  ContentHash hash;
  bool unfiled = false;
  bool is_changed = false;  // and taken as it is: each check tells
};

Result<std::unique_ptr<Checker>> Checker::open(const std::string& data) {
  auto folder = DataFolder::open_to_read(data);
  if (!folder) return folder.error();
  std::unique_ptr<Checker> checker(new Checker(std::move(*folder)));
  auto database = Database::open(checker->folder_->database_path(), DatabaseAccess::kRead);
  if (!database) return database.error();
  checker->database_ = std::move(*database);
  return checker;
}

Result<std::vector<std::string>> Checker::check_database() {
  std::vector<std::string> findings;
  auto done = each_row(database_->query("PRAGMA integrity_check(100)"), [&](const Statement& row) {
    if (row.text(0) != "ok") findings.push_back(row.text(0));
  });
  if (!done && done.error().kind == ErrorKind::kCorrupt) {
    findings.push_back(done.error().message);
    return findings;
  }
  if (done) {
    done = each_row(database_->query("PRAGMA foreign_key_check"), [&](const Statement& row) {
      if (findings.size() < kMostFindings) {
        findings.push_back(fmt::format("row {} of the table {} belongs to none of {}", row.integer(1),
                                       row.text(0), row.text(2)));
      }
    });
  }
  if (!done) return done.error();
  return findings;
}

Result<std::vector<Checker::Mailbox>> Checker::mailboxes() {
  auto accounts = Accounts(*database_).mailboxes();
  if (!accounts) return accounts.error();
  auto totals = Index(*database_).totals();
  if (!totals) return totals.error();
  std::vector<Mailbox> mailboxes;
  for (const AccountRow& account : *accounts) {
    const MailboxTotals& its = (*totals)[account.id];
    mailboxes.push_back({account.id, account.address, its.messages + its.kept_messages});
  }
  return mailboxes;
}

Result<std::vector<Checker::Row>> Checker::page(MailboxId mailbox, std::int64_t state) {
  std::vector<Row> rows;
  auto done = each_row(
      database_->query("SELECT m.id, m.uidl, m.name, m.size, m.state, m.hash, c.message IS NOT NULL,"
                       " m.came_hash <> x''"
                       " FROM messages AS m LEFT JOIN contents AS c ON c.message = m.id"
                       " WHERE m.mailbox = ?1 AND m.state = ?2 AND m.id > ?3 ORDER BY m.id LIMIT ?4",
                       mailbox, state, after_, static_cast<std::int64_t>(kPage)),
      [&](const Statement& row) {
        rows.push_back({row.integer(0), row.text(1), row.text(2), static_cast<std::uint64_t>(row.integer(3)),
                        static_cast<MessageState>(row.integer(4)), ContentHash::of_octets(row.text(5)),
                        row.integer(6) != 0, row.integer(7) != 0});
      });
  if (!done) return done.error();
  return rows;
}

Result<bool> Checker::check_messages(const Mailbox& mailbox, const Options& options, Found& found) {
  if (state_ == kCheckedStates.size()) {
    state_ = 0;
    after_ = 0;
    names_.clear();
  }
  auto rows = page(mailbox.id, static_cast<std::int64_t>(kCheckedStates.at(state_)));
  if (!rows) return rows.error();
  if (rows->empty()) {
    after_ = 0;
    return ++state_ < kCheckedStates.size();
  }
  auto maildir = Maildir::open(*folder_, mailbox.address);
  for (const Row& row : *rows) {
    after_ = row.id;
    names_.push_back(name_hash(base_name(row.name)));
    ++found.rows;
    auto done = maildir ? check_row(row, *maildir, options, found) : Result<void>(maildir.error());
    if (!done) found.suspicions.push_back({Suspicion::Of::kMessage, mailbox.id, row.id});
  }
  return true;
}

// An error: something is amiss, or has just become another thing.
Result<void> Checker::check_row(const Row& row, const Maildir& maildir, const Options& options,
                                Found& found) {
  const Error odd{ErrorKind::kCorrupt, "not what the index says"};
  const auto name = parse_message_name(base_name(row.name));
  if (!is_uidl(row.uidl) || !name || name->uidl() != row.uidl || row.state == MessageState::kMissing)
    return odd;
  if (row.unfiled) return check_bytes(row, found);
  if (row.is_changed) return odd;
  if (!is_chosen(row.id, options.seed, options.read_one_in)) {
    auto file = maildir.open_message(row.name);
    if (!file) return file.error();
    return static_cast<std::uint64_t>(file->facts.st_size) == row.size ? Result<void>() : odd;
  }
  auto facts = maildir.inspect(row.name);
  if (!facts) return facts.error();
  ++found.files;
  found.octets += facts->size;
  if (facts->size != row.size || !facts->canonical) return odd;
  if (!row.hash.is_known()) {
    found.learnt.push_back({row.id, row.size, facts->hash});
    return {};
  }
  return facts->hash == row.hash ? Result<void>() : odd;
}

Result<void> Checker::check_bytes(const Row& row, Found& found) {
  std::optional<std::string> bytes;
  JournalPlace place;
  auto done = each_row(database_->query("SELECT bytes, file, at FROM contents WHERE message = ?1", row.id),
                       [&](const Statement& statement) {
                         bytes = statement.text(0);
                         place = {static_cast<std::uint32_t>(statement.integer(1)),
                                  static_cast<std::uint64_t>(statement.integer(2))};
                       });
  if (!done || !bytes) return done;  // it has its file by now: the next check sees that
  if (place.file != 0) {
    auto read = read_journal(folder_->journal_fd(), place, static_cast<std::size_t>(row.size), row.hash);
    if (!read) return read.error();
    bytes = *std::move(read);
  }
  ContentHasher hasher;
  hasher.add(*bytes);
  ++found.files;
  found.octets += bytes->size();
  if (bytes->size() == row.size && (!row.hash.is_known() || hasher.value() == row.hash)) return {};
  return Error{ErrorKind::kCorrupt, "not what the index says"};
}

Result<void> Checker::check_files(const Mailbox& mailbox, Found& found) {
  std::sort(names_.begin(), names_.end());
  auto maildir = Maildir::open(*folder_, mailbox.address);
  if (!maildir) return maildir.error();
  for (const std::string_view place : {"new/", "cur/", "deleted/"}) {
    if (auto done = check_names(*maildir, place, mailbox.id, found); !done) return done;
  }
  return {};
}

Result<void> Checker::check_names(const Maildir& maildir, std::string_view place, MailboxId mailbox,
                                  Found& found) {
  auto names = maildir.names_in(place);
  if (!names) return names.error();
  while (true) {
    auto name = names->next();
    if (!name) return name.error();
    if (!*name) return {};
    if ((*name)->starts_with('.') ||
        std::binary_search(names_.begin(), names_.end(), name_hash(base_name(**name))))
      continue;
    found.suspicions.push_back({Suspicion::Of::kFile, mailbox, 0, fmt::format("{}{}", place, **name)});
  }
}

// One statement, so one moment.
Result<void> Checker::check_totals(Found& found) {
  return each_row(
      database_->query(
          "SELECT b.id FROM mailboxes AS b LEFT JOIN totals AS t ON t.mailbox = b.id LEFT JOIN"
          " (SELECT mailbox, SUM(state = 0) AS n, SUM(size * (state = 0)) AS o,"
          "    SUM(surrogate_growth * (state = 0)) AS g, SUM(state IN (3, 4)) AS kn,"
          "    SUM(size * (state IN (3, 4))) AS ko FROM messages GROUP BY mailbox) AS m ON m.mailbox = b.id"
          " WHERE COALESCE(t.messages, 0) <> COALESCE(m.n, 0) OR COALESCE(t.octets, 0) <> COALESCE(m.o, 0)"
          " OR COALESCE(t.surrogate_growth, 0) <> COALESCE(m.g, 0)"
          " OR COALESCE(t.kept_messages, 0) <> COALESCE(m.kn, 0)"
          " OR COALESCE(t.kept_octets, 0) <> COALESCE(m.ko, 0)"),
      [&](const Statement& row) {
        found.suspicions.push_back({Suspicion::Of::kTotals, row.integer(0)});
      });
}

Result<void> Checker::check_queue(Found& found) {
  const QueueFolder files(folder_->queue_fd());
  auto done = each_row(
      database_->query("SELECT q.id, q.queue_id, q.starts_at, q.size, q.hash, c.bytes FROM queue AS q"
                       " LEFT JOIN queue_contents AS c ON c.message = q.id WHERE q.finished_at = 0"),
      [&](const Statement& row) {
        ++found.rows;
        const auto starts_at = static_cast<std::uint64_t>(row.integer(2));
        const auto size = static_cast<std::uint64_t>(row.integer(3));
        const ContentHash hash = ContentHash::of_octets(row.text(4));
        bool is_sound = false;
        if (starts_at == kWithoutFile) {
          const std::string bytes = row.text(5);
          is_sound = bytes.size() == size && (!hash.is_known() || content_hash(bytes) == hash);
        } else {
          auto file = files.open(row.text(1));
          is_sound = file && static_cast<std::uint64_t>(file->facts.st_size) == starts_at + size &&
                     (!hash.is_known() || is_hash_of_rest(file->fd(), starts_at, hash));
        }
        if (!is_sound) found.suspicions.push_back({Suspicion::Of::kQueued, 0, row.integer(0)});
      });
  return done ? check_queue_files(found) : done;
}

Result<void> Checker::check_queue_files(Found& found) {
  auto filed = QueueTable(*database_).filed_by_id();
  if (!filed) return filed.error();
  auto names = list_folder(folder_->queue_fd());
  if (!names) return names.error();
  for (std::string& name : *names) {
    if (!name.starts_with('.') && !filed->contains(name))
      found.suspicions.push_back({Suspicion::Of::kQueueFile, 0, 0, std::move(name)});
  }
  return {};
}

Result<std::vector<std::string>> Checker::check_folders() {
  std::vector<std::string> findings;
  std::vector<std::string> strange;
  auto mailboxes_there = mailboxes_of_folders(*folder_, strange);
  if (!mailboxes_there) return mailboxes_there.error();
  for (const std::string& path : strange)
    findings.push_back(
        fmt::format("{} is no mailbox's: it has no address file, and its name tells none", path));
  auto accounts = Accounts(*database_).mailboxes();
  if (!accounts) return accounts.error();
  std::unordered_set<std::string> known;
  for (const AccountRow& account : *accounts) {
    known.insert(account.address.key());
    if (!Maildir::is_complete(*folder_, account.address)) {
      findings.push_back(fmt::format("the folder of {} is not complete; the next start makes what is missing",
                                     account.address.text()));
    }
  }
  for (const Address& address : *mailboxes_there) {
    if (!known.contains(address.key())) {
      findings.push_back(fmt::format(
          "there is a folder of {}, and no such mailbox; the next start makes it again", address.text()));
    }
  }
  auto strangers = strangers_in(*folder_, kMostFindings);
  if (!strangers) return strangers.error();
  for (const std::string& path : *strangers)
    findings.push_back(fmt::format("{} is none of our files; it is left alone", path));
  // Where the mark is, the key is not to be here.
  if (!stat_name(folder_->fd(), kSecretKeyFile) && !stat_name(folder_->fd(), kCredentialMark)) {
    findings.push_back(
        "secret.key is not there: app passwords for APOP cannot be read after the next start, which makes "
        "another one; restore it from a backup");
  }
  return findings;
}

}  // namespace mailstead
