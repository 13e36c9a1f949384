#include "storage/backup/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "storage/database/schema.h"
#include "storage/folder.h"
#include "storage/mailbox/message_id.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queue_table.h"

namespace mailstead {

namespace {

// Tries to copy folders that change all the time.
constexpr int kQuietTries = 5;

// The first column of the first row; 0: none.
Result<std::int64_t> first_number(Result<Statement> statement) {
  std::int64_t number = 0;
  auto done = each_row(std::move(statement), [&](const Statement& row) { number = row.integer(0); });
  if (!done) return done.error();
  return number;
}

Error other_program(int schema) {
  return Error{
      ErrorKind::kUnavailable,
      fmt::format("the running server is another version of Mailstead (its database has schema {}, this "
                  "program's has {}); restart the server, then make the backup",
                  schema, schema_migrations().back().version)};
}

}  // namespace

bool lasts_in_data_folder(const std::string& name) {
  static constexpr std::array<std::string_view, 12> kNot = {
      "mail",         "queue",      "journal",      "lock",          kReserveFile, kReserveFolder,
      "control.sock", "lost+found", kRestoreFolder, kRestoredFolder, kAboutFile,   kConfigurationFile,
  };
  if (std::find(kNot.begin(), kNot.end(), name) != kNot.end()) return false;
  return !name.starts_with(kDatabaseFile) && !name.starts_with(kReplacedPrefix) && !name.ends_with(".log") &&
         !name.ends_with(".pid") && !name.ends_with(".new");
}

Result<std::unique_ptr<Backup>> Backup::begin(BackupFolder& folder, const BackupTerms& terms) {
  std::unique_ptr<Backup> backup(new Backup(folder, terms));
  if (auto done = backup->open_data(); !done) return done.error();
  if (auto done = backup->copy_database(); !done) return done.error();
  return backup;
}

Backup::~Backup() {
  if (generation_.empty()) return;
  copy_.reset();
  pool_.reset();
  // What stays is the next one's to remove.
  static_cast<void>(terms_.as_caller([&] { return folder_.sweep(); }));
}

std::string Backup::source_path() const {
  return real_data_ + "/" + kDatabaseFile;
}

std::string Backup::copy_path() const {
  return fmt::format("{}/{}{}/{}", folder_.real_path(), generation_, kUnfinished, kDatabaseFile);
}

Result<void> Backup::open_data() {
  data_ = FileHandle(::open(terms_.data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!data_.is_open()) return system_error(errno, "open the data folder", terms_.data);
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(terms_.data.c_str(), nullptr), &::free);
  if (!real) return system_error(errno, "open the data folder", terms_.data);
  real_data_ = real.get();
  auto mail = open_folder(data_.fd(), "mail");
  if (!mail) return in_folder(terms_.data, mail.error());
  mail_ = std::move(*mail);
  return {};
}

Result<void> Backup::copy_database() {
  auto source = Database::open(source_path(), DatabaseAccess::kRead);
  if (!source) return source.error();
  auto schema = schema_version(**source);
  if (!schema) return in_folder(terms_.data, schema.error());
  if (*schema != schema_migrations().back().version) return other_program(*schema);
  auto identity = read_identity(**source);
  if (!identity) return identity.error();
  return terms_.as_caller([&]() -> Result<void> {
    if (auto done = folder_.claim(*identity); !done) return done;
    if (auto done = folder_.sweep(); !done) return done;
    summary_.facts.at = unix_seconds();
    summary_.facts.schema = *schema;
    auto to = folder_.begin(summary_.facts.at, generation_);
    if (!to) return to.error();
    to_ = std::move(*to);
    auto file = create_file(to_.fd(), kDatabaseFile);  // its mode is ours
    if (!file) return in_folder(folder_.path(), file.error());
    file->reset();  // SQLite's locks go with any descriptor of the file that is closed
    if (auto done = (*source)->copy_to(copy_path()); !done) return in_folder(folder_.path(), done.error());
    auto copy = Database::open(copy_path(), DatabaseAccess::kAlone);
    if (!copy) return in_folder(folder_.path(), copy.error());
    copy_ = std::move(*copy);
    generations_ = std::make_unique<EarlierGenerations>(folder_);
    auto pool = BackupPool::open(folder_, *generations_);
    if (!pool) return in_folder(folder_.path(), pool.error());
    pool_ = std::make_unique<BackupPool>(std::move(*pool));
    return copy_->run_script(
        "CREATE TABLE backup_kept (domain TEXT NOT NULL, user TEXT NOT NULL, path TEXT NOT NULL,"
        " size INTEGER NOT NULL, hash BLOB NOT NULL);");
  });
}

Result<void> Backup::tell() {
  progress_.octets = summary_.new_octets;
  if (terms_.tell && !terms_.tell(progress_)) return stopped_error();
  return {};
}

Result<void> Backup::finish() {
  auto total = first_number(copy_->query("SELECT COUNT(*) FROM messages WHERE state IN (0, 2, 3, 4)"));
  if (!total) return total.error();
  progress_.total = static_cast<std::uint64_t>(*total);
  auto done = copy_unfiled();
  if (done) done = copy_mailboxes();
  if (done) done = copy_kept_mail();
  if (done) done = copy_queue();
  if (done) done = copy_rest();
  if (done) done = copy_configuration();
  if (done) done = terms_.as_caller([&] { return pool_->flush(); });
  if (done) done = terms_.as_caller([&] { return pool_->settle_damage(); });
  if (done) done = write_facts();
  if (done) done = terms_.as_caller([&] { return publish(); });
  if (!done)
    return done.error().kind == ErrorKind::kUnavailable ? done : in_folder(folder_.path(), done.error());
  return {};
}

// ---- the queue

struct Backup::Queued {
  std::int64_t row = 0;
  std::string id;
  std::uint64_t starts_at = 0;
  std::uint64_t octets = 0;  // of the message, which begins there
  ContentHash hash;
};

// Of the newest backup: files of the queue do not change, either.
Result<FileHandle> Backup::newest_queue() const {
  auto found = folder_.generations();
  if (!found) return found.error();
  if (found->empty()) return FileHandle();
  auto generation = open_folder(folder_.fd(), found->back());
  if (!generation) return generation.error();
  auto queue = open_folder(generation->fd(), "queue");
  if (!queue) return FileHandle();
  return queue;
}

Result<void> Backup::copy_queue() {
  auto queue = open_folder(data_.fd(), "queue");
  if (!queue) return queue.error();
  FileHandle to;
  FileHandle before;
  auto made = terms_.as_caller([&]() -> Result<void> {
    auto folder = make_folder(to_.fd(), "queue");
    if (!folder) return folder.error();
    to = std::move(*folder);
    auto newest = newest_queue();
    if (newest) before = std::move(*newest);
    return {};
  });
  if (!made) return made;
  std::vector<Queued> filed;
  auto listed = each_row(
      copy_->query(
          "SELECT q.id, queue_id, starts_at, size, hash FROM queue AS q WHERE finished_at = 0 AND NOT EXISTS"
          " (SELECT 1 FROM queue_contents WHERE message = q.id) ORDER BY q.id"),
      [&](const Statement& row) {
        filed.push_back({row.integer(0), row.text(1), static_cast<std::uint64_t>(row.integer(2)),
                         static_cast<std::uint64_t>(row.integer(3)), ContentHash::of_octets(row.text(4))});
      });
  if (!listed) return listed;
  for (const Queued& each : filed) {
    if (auto done = tell(); !done) return done;
    if (!is_message_id(each.id)) continue;
    auto linked = before.is_open() ? link_queued(before.fd(), to.fd(), each) : Result<bool>(false);
    if (!linked) return linked.error();
    if (*linked) continue;
    if (auto done = copy_queued(queue->fd(), to.fd(), each); !done) return done;
  }
  return terms_.as_caller([&] { return sync_handle(to.fd(), "queue"); });
}

// Another name of the newest backup's file, where that is still what it was.
Result<bool> Backup::link_queued(int before, int to, const Queued& queued) {
  Copied found;
  bool linked = false;
  auto done = terms_.as_caller([&]() -> Result<void> {
    auto file = open_file(before, queued.id);
    if (!file) return {};
    auto body = read_file_through(*file, queued.starts_at);
    if (!body || !body->is(queued.octets, queued.hash)) return {};
    found = *body;
    linked = ::linkat(before, queued.id.c_str(), to, queued.id.c_str(), 0) == 0;
    return {};
  });
  if (!done) return done.error();
  if (!linked) return false;
  if (done = note_queued(queued, found.hash); !done) return done.error();
  return true;
}

Result<void> Backup::copy_queued(int queue, int to, const Queued& queued) {
  auto file = open_file(queue, queued.id);
  if (!file && file.error().kind == ErrorKind::kNotFound) return settle_unqueued(queued.row, queued.id);
  if (!file) {
    summary_.troubles.push_back(in_folder("queue", file.error()).message);
    return {};
  }
  return terms_.as_caller([&]() -> Result<void> {
    auto made = create_file(to, queued.id);
    if (!made) return made.error();
    auto copied = copy_file(*file, *made);
    if (!copied) return copied.error();
    auto body = read_file_through(*file, queued.starts_at);
    if (!body) return body.error();
    if (body->is(queued.octets, queued.hash)) {
      if (auto done = note_queued(queued, body->hash); !done) return done;
    } else {
      summary_.troubles.push_back(
          fmt::format("queue/{}: {}", queued.id, difference_of(*body, queued.octets)));
    }
    return sync_handle(made->fd(), queued.id);
  });
}

Result<void> Backup::note_queued(const Queued& queued, const ContentHash& hash) {
  if (queued.hash.is_known()) return {};
  return terms_.as_caller([&] {
    return copy_->run("UPDATE queue SET hash = ?2 WHERE id = ?1", queued.row, Octets{hash.octets()});
  });
}

// It was sent meanwhile, or taken out; or its file is lost, which the store's row then knows nothing of.
Result<void> Backup::settle_unqueued(std::int64_t row, const std::string& id) {
  auto now = Database::open(source_path(), DatabaseAccess::kRead);
  if (!now) return now.error();
  auto waits =
      first_number((*now)->query("SELECT COUNT(*) FROM queue WHERE id = ?1 AND finished_at = 0", row));
  if (!waits) return waits.error();
  if (*waits > 0) {
    summary_.troubles.push_back(
        fmt::format("queue/{}: the file of a message on its way out is not there; 'mailstead verify' tells "
                    "what to do",
                    id));
    return {};
  }
  return terms_.as_caller([&]() -> Result<void> {
    auto transaction = Transaction::begin(*copy_);
    if (!transaction) return transaction.error();
    auto done =
        copy_->run("UPDATE queue_recipients SET state = 1, due = 0 WHERE message = ?1 AND state = 0", row);
    if (done) done = copy_->run("UPDATE queue_recipients SET due = 0 WHERE message = ?1", row);
    if (done) done = copy_->run("UPDATE queue SET finished_at = ?2 WHERE id = ?1", row, unix_seconds());
    return done ? transaction->commit() : done;
  });
}

// ---- the other files

Result<void> Backup::copy_rest_once(TreeCopy& copy) {
  auto names = list_folder(data_.fd());
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!lasts_in_data_folder(name)) continue;
    auto removed = terms_.as_caller([&]() -> Result<void> {
      std::size_t budget = SIZE_MAX;  // of the try before
      auto gone = remove_tree(to_.fd(), name, name, budget);
      return gone ? Result<void>() : gone.error();
    });
    if (!removed) return removed;
    if (auto done = copy_entry(data_.fd(), to_.fd(), name, name, copy); !done) return done;
  }
  return {};
}

// Keys that are made or go meanwhile belong together: all of them are copied while nothing changes.
Result<void> Backup::copy_rest() {
  const auto look = [&]() -> Result<std::string> {
    std::string all;
    auto names = list_folder(data_.fd());
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (!lasts_in_data_folder(name)) continue;
      const auto facts = stat_name(data_.fd(), name);
      if (!facts) continue;
      all += fmt::format("{} {} {}\n", name, facts->st_ino, facts->st_mtim.tv_nsec);
      auto folder =
          S_ISDIR(facts->st_mode) ? open_folder(data_.fd(), name) : Result<FileHandle>(FileHandle());
      if (!folder || !folder->is_open()) continue;
      auto below = look_of_tree(folder->fd());
      if (!below) return below.error();
      all += *below;
    }
    return all;
  };
  for (int tries = 1;; ++tries) {
    summary_.left_out.clear();
    TreeCopy copy{[](const auto& work) { return work(); }, terms_.as_caller, &summary_.left_out, 0};
    const auto before = look();
    if (!before) return before.error();
    if (auto done = copy_rest_once(copy); !done) return done;
    const auto after = look();
    if (!after) return after.error();
    if (*before == *after || tries == kQuietTries) return {};
  }
}

Result<void> Backup::copy_configuration() {
  if (terms_.configuration.empty()) return {};
  RegularFile file{
      FileHandle(::open(terms_.configuration.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)), {}};
  if (file.fd() < 0 || ::fstat(file.fd(), &file.facts) != 0 || !S_ISREG(file.facts.st_mode)) {
    summary_.left_out.push_back(terms_.configuration + ": cannot be read");
    return {};
  }
  return terms_.as_caller([&]() -> Result<void> {
    auto made = create_file(to_.fd(), kConfigurationFile);
    if (!made) return made.error();
    auto copied = copy_file(file, *made);
    if (!copied) return copied.error();
    return sync_handle(made->fd(), kConfigurationFile);
  });
}

// ---- the end

Result<void> Backup::write_facts() {
  BackupFacts& facts = summary_.facts;
  facts.generation = generation_;
  auto done = each_row(
      copy_->query(
          "SELECT (SELECT COUNT(*) FROM mailboxes WHERE enabled <> 2), TOTAL(messages), TOTAL(octets),"
          " (SELECT COUNT(*) FROM queue WHERE finished_at = 0), TOTAL(kept_messages), TOTAL(kept_octets),"
          " (SELECT COUNT(*) FROM backup_kept), (SELECT TOTAL(size) FROM backup_kept)"
          " FROM totals WHERE mailbox IN (SELECT id FROM mailboxes WHERE enabled <> 2)"),
      [&](const Statement& row) {
        facts.mailboxes = static_cast<std::uint64_t>(row.integer(0));
        facts.messages = static_cast<std::uint64_t>(row.integer(1));
        facts.octets = static_cast<std::uint64_t>(row.integer(2));
        facts.queued = static_cast<std::uint64_t>(row.integer(3));
        summary_.deleted = {static_cast<std::uint64_t>(row.integer(4)),
                            static_cast<std::uint64_t>(row.integer(5))};
        summary_.kept = {static_cast<std::uint64_t>(row.integer(6)),
                         static_cast<std::uint64_t>(row.integer(7))};
      });
  if (!done) return done;
  return terms_.as_caller([&]() -> Result<void> {
    auto noted = write_meta(*copy_, kBackupAtKey, std::to_string(facts.at));
    if (noted) noted = write_meta(*copy_, kBackupFailureKey, "");
    if (!noted) return noted;
    return replace_small_file(to_.fd(), kAboutFile, facts_text(facts));
  });
}

// Its name last: what has it is whole.
Result<void> Backup::publish() {
  copy_.reset();
  auto done = sync_handle(to_.fd(), generation_);
  if (done) done = sync_file_system(folder_.fd(), "the folder");
  if (done) done = folder_.publish(generation_);
  if (done) {
    generation_.clear();
    static_cast<void>(folder_.sweep());  // the next one does it, too
  }
  return done;
}

}  // namespace mailstead
