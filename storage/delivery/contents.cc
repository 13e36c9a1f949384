#include "storage/delivery/contents.h"

#include "storage/mailbox/content_hash.h"

namespace mailstead {

const Contents::Table QueueContents::kTable = {
    "SELECT q.id, q.size, 0, 0 FROM queue_contents AS c JOIN queue AS q ON q.id = c.message",
    "INSERT INTO queue_contents (message, bytes) VALUES (?1, ?2)",
    "DELETE FROM queue_contents WHERE message = ?1",
    "SELECT bytes, 0, 0, 0, x'' FROM queue_contents WHERE message = ?1",
};

const Contents::Table MailContents::kTable = {
    "SELECT m.id, m.size, m.mailbox, c.file FROM contents AS c JOIN messages AS m ON m.id = c.message",
    "INSERT INTO contents (message, bytes) VALUES (?1, ?2)",
    "DELETE FROM contents WHERE message = ?1",
    "SELECT c.bytes, c.file, c.at, m.size, m.hash FROM contents AS c JOIN messages AS m ON m.id = c.message"
    " WHERE c.message = ?1",
};

QueueContents::QueueContents(Database& database)
    : Contents(database, nullptr, kTable, {kMostMessages, kMostOctets}) {}

MailContents::MailContents(Database& database, Journal& journal)
    : Contents(database, &journal, kTable, {kMostMessages, kMostOctets}) {}

bool MailContents::has_room_in_journal(std::size_t messages, std::uint64_t octets) const {
  return size() + messages <= kMostInJournal && this->octets() + octets <= kMostOctetsInJournal &&
         journal_->is_usable();
}

Result<void> MailContents::insert_place(Row message, JournalPlace place) {
  return database_.run("INSERT OR REPLACE INTO contents (message, bytes, file, at) VALUES (?1, x'', ?2, ?3)",
                       message, std::int64_t{place.file}, static_cast<std::int64_t>(place.at));
}

Contents::~Contents() {
  while (!kept_.empty()) forget(kept_.begin()->first);
}

Result<void> Contents::load() {
  while (!kept_.empty()) forget(kept_.begin()->first);
  auto done = each_row(database_.query(table_.load), [&](const Statement& s) {
    keep(s.integer(0), static_cast<std::uint64_t>(s.integer(1)), s.integer(2),
         static_cast<std::uint32_t>(s.integer(3)));
    if (journal_ != nullptr && s.integer(3) != 0) journal_->hold(static_cast<std::uint32_t>(s.integer(3)));
  });
  for (auto& [row, kept] : kept_) kept.since = Clock::time_point::min();
  return done;
}

bool Contents::has_room(std::size_t messages, std::uint64_t octets) const {
  return in_database_.messages + messages <= limits_.messages &&
         in_database_.octets + octets <= limits_.octets;
}

Result<void> Contents::insert(Row message, std::string_view head, std::string_view rest) {
  std::string bytes;
  bytes.reserve(head.size() + rest.size());
  bytes += head;
  bytes += rest;
  return database_.run(table_.insert, message, Octets{bytes});
}

Result<void> Contents::erase(Row message) {
  return database_.run(table_.erase, message);
}

// Its file of the journal is held for it already.
void Contents::keep(Row message, std::uint64_t octets, MailboxId mailbox, std::uint32_t file) {
  kept_.insert_or_assign(kept_.end(), message, Kept{octets, Clock::now(), mailbox, file});
  octets_ += octets;
  if (file != 0) return;
  ++in_database_.messages;
  in_database_.octets += octets;
}

bool Contents::forget(Row message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return false;
  const Kept& kept = found->second;
  octets_ -= kept.octets;
  if (kept.file != 0) {
    if (journal_ != nullptr) journal_->release(kept.file);
  } else {
    --in_database_.messages;
    in_database_.octets -= kept.octets;
  }
  kept_.erase(found);
  return true;
}

void Contents::postpone(Row message) {
  const auto found = kept_.find(message);
  if (found != kept_.end()) found->second.since = Clock::now();
}

bool Contents::is_in_journal(Row message) const {
  const auto found = kept_.find(message);
  return found != kept_.end() && found->second.file != 0;
}

bool Contents::is_lasting(Row message) const {
  const auto found = kept_.find(message);
  if (found == kept_.end() || found->second.file == 0 || journal_ == nullptr) return true;
  return journal_->will_be_found(found->second.file);
}

MailboxId Contents::mailbox_of(Row message) const {
  const auto found = kept_.find(message);
  return found == kept_.end() ? 0 : found->second.mailbox;
}

Result<Contents::Found> Contents::find(Row message) {
  auto statement = database_.query(table_.read, message);
  if (!statement) return statement.error();
  auto there = statement->step();
  if (!there) return there.error();
  if (!*there) return Error{ErrorKind::kNotFound, "the message has no place in the database or the journal"};
  const JournalPlace place{static_cast<std::uint32_t>(statement->integer(1)),
                           static_cast<std::uint64_t>(statement->integer(2))};
  if (place.file == 0 || journal_ == nullptr) return Found{.bytes = statement->text(0)};
  return Found{
      {}, place, static_cast<std::size_t>(statement->integer(3)), ContentHash::of_octets(statement->text(4))};
}

Result<std::string> Contents::read(Row message) {
  auto found = find(message);
  if (!found) return found.error();
  if (found->place.file == 0) return std::move(found->bytes);
  return journal_->read(found->place, found->octets, found->hash);
}

Result<std::string> Contents::read_whatever(Row message) {
  const auto found = find(message);
  if (!found) return found.error();
  if (found->place.file == 0) return Error{ErrorKind::kNotFound, "the message is not in the journal"};
  return journal_->read_whatever(found->place, found->octets);
}

std::vector<Contents::Row> Contents::before(Clock::time_point until, std::size_t at_most,
                                            const std::unordered_set<Row>& except) const {
  std::vector<Row> rows;
  for (const auto& [row, kept] : kept_) {
    if (rows.size() == at_most) break;
    if (kept.since < until && !except.contains(row)) rows.push_back(row);
  }
  return rows;
}

std::vector<Contents::Row> Contents::of(MailboxId mailbox) const {
  std::vector<Row> rows;
  for (const auto& [row, kept] : kept_) {
    if (kept.mailbox == mailbox) rows.push_back(row);
  }
  return rows;
}

}  // namespace mailstead
