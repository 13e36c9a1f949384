#include "storage/contents.h"

namespace mailstead {

const Contents::Table QueueContents::kTable = {
    "SELECT q.id, q.size, 0 FROM queue_contents AS c JOIN queue AS q ON q.id = c.message",
    "INSERT INTO queue_contents (message, bytes) VALUES (?1, ?2)",
    "DELETE FROM queue_contents WHERE message = ?1",
    "SELECT bytes FROM queue_contents WHERE message = ?1",
};

const Contents::Table MailContents::kTable = {
    "SELECT m.id, m.size, m.mailbox FROM contents AS c JOIN messages AS m ON m.id = c.message",
    "INSERT INTO contents (message, bytes) VALUES (?1, ?2)",
    "DELETE FROM contents WHERE message = ?1",
    "SELECT bytes FROM contents WHERE message = ?1",
};

QueueContents::QueueContents(Database& database) : Contents(database, kTable, {kMostMessages, kMostOctets}) {}

MailContents::MailContents(Database& database) : Contents(database, kTable, {kMostMessages, kMostOctets}) {}

Result<void> Contents::load() {
  kept_.clear();
  octets_ = 0;
  return each_row(database_.query(table_.load), [&](const Statement& s) {
    const auto octets = static_cast<std::uint64_t>(s.integer(1));
    kept_[s.integer(0)] = {octets, Clock::time_point::min(), s.integer(2)};
    octets_ += octets;
  });
}

bool Contents::has_room(std::size_t messages, std::uint64_t octets) const {
  return kept_.size() + messages <= limits_.messages && octets_ + octets <= limits_.octets;
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

void Contents::keep(Row message, std::uint64_t octets, MailboxId mailbox) {
  kept_[message] = {octets, Clock::now(), mailbox};
  octets_ += octets;
}

bool Contents::forget(Row message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return false;
  octets_ -= found->second.octets;
  kept_.erase(found);
  return true;
}

void Contents::postpone(Row message) {
  const auto found = kept_.find(message);
  if (found != kept_.end()) found->second.since = Clock::now();
}

MailboxId Contents::mailbox_of(Row message) const {
  const auto found = kept_.find(message);
  return found == kept_.end() ? 0 : found->second.mailbox;
}

Result<std::string> Contents::read(Row message) {
  auto statement = database_.query(table_.read, message);
  if (!statement) return statement.error();
  auto there = statement->step();
  if (!there) return there.error();
  if (!*there) return Error{ErrorKind::kNotFound, "the message is not in the database"};
  return statement->text(0);
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
