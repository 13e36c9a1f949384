#include "storage/queue_contents.h"

namespace mailstead {

Result<void> QueueContents::load() {
  kept_.clear();
  octets_ = 0;
  return each_row(
      database_.query("SELECT q.id, q.size FROM queue_contents AS c JOIN queue AS q ON q.id = c.message"),
      [&](const Statement& s) {
        const auto octets = static_cast<std::uint64_t>(s.integer(1));
        kept_[s.integer(0)] = {octets, Clock::time_point::min()};
        octets_ += octets;
      });
}

bool QueueContents::has_room(std::size_t messages, std::uint64_t octets) const {
  return kept_.size() + messages <= kMostMessages && octets_ + octets <= kMostOctets;
}

Result<void> QueueContents::insert(QueueRow message, std::string_view head, std::string_view rest) {
  std::string bytes(head);
  bytes += rest;
  return database_.run("INSERT INTO queue_contents (message, bytes) VALUES (?1, ?2)", message, Octets{bytes});
}

Result<void> QueueContents::erase(QueueRow message) {
  return database_.run("DELETE FROM queue_contents WHERE message = ?1", message);
}

void QueueContents::keep(QueueRow message, std::uint64_t octets) {
  kept_[message] = {octets, Clock::now()};
  octets_ += octets;
}

bool QueueContents::forget(QueueRow message) {
  const auto found = kept_.find(message);
  if (found == kept_.end()) return false;
  octets_ -= found->second.octets;
  kept_.erase(found);
  return true;
}

void QueueContents::postpone(QueueRow message) {
  const auto found = kept_.find(message);
  if (found != kept_.end()) found->second.since = Clock::now();
}

Result<std::string> QueueContents::read(QueueRow message) {
  auto statement = database_.query("SELECT bytes FROM queue_contents WHERE message = ?1", message);
  if (!statement) return statement.error();
  auto there = statement->step();
  if (!there) return there.error();
  if (!*there) return Error{ErrorKind::kNotFound, "the message is not in the database"};
  return statement->text(0);
}

std::vector<QueueRow> QueueContents::before(Clock::time_point until, std::size_t at_most) const {
  std::vector<QueueRow> rows;
  for (const auto& [row, kept] : kept_) {
    if (rows.size() == at_most) break;
    if (kept.since < until) rows.push_back(row);
  }
  return rows;
}

}  // namespace mailstead
