#include "storage/index.h"

#include <utility>

namespace mailstead {

Result<void> Index::insert(const MessageRow& row) {
  return database_.run(
      "INSERT INTO messages (mailbox, uidl, name, size, dot_lines, received_at, queue_id, state)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      row.mailbox, row.uidl, row.name, static_cast<std::int64_t>(row.size), std::int64_t{row.has_dot_lines},
      row.received_at, row.queue_id, static_cast<std::int64_t>(row.state));
}

Result<std::vector<MessageRow>> Index::all(MailboxId mailbox) {
  return rows(database_.query(
      "SELECT id, mailbox, uidl, name, size, dot_lines, received_at, queue_id, state FROM messages"
      " WHERE mailbox = ?1 ORDER BY id",
      mailbox));
}

Result<std::vector<MessageRow>> Index::of_state(MailboxId mailbox, MessageState state) {
  return rows(database_.query(
      "SELECT id, mailbox, uidl, name, size, dot_lines, received_at, queue_id, state FROM messages"
      " WHERE mailbox = ?1 AND state = ?2 ORDER BY id",
      mailbox, static_cast<std::int64_t>(state)));
}

Result<std::vector<MessageRow>> Index::rows(Result<Statement> statement) {
  if (!statement) return statement.error();
  std::vector<MessageRow> rows;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return rows;
    MessageRow& message = rows.emplace_back();
    message.id = statement->integer(0);
    message.mailbox = statement->integer(1);
    message.uidl = statement->text(2);
    message.name = statement->text(3);
    message.size = static_cast<std::uint64_t>(statement->integer(4));
    message.has_dot_lines = statement->integer(5) != 0;
    message.received_at = statement->integer(6);
    message.queue_id = statement->text(7);
    message.state = static_cast<MessageState>(statement->integer(8));
  }
}

Result<std::string> Index::path(std::int64_t id) {
  auto statement = database_.query("SELECT name FROM messages WHERE id = ?1 AND state = 0", id);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  if (!*row) return Error{ErrorKind::kNotFound, "the message is gone from the index"};
  return statement->text(0);
}

Result<void> Index::update(const MessageRow& row) {
  return database_.run("UPDATE messages SET name = ?2, size = ?3, dot_lines = ?4, state = ?5 WHERE id = ?1",
                       row.id, row.name, static_cast<std::int64_t>(row.size), std::int64_t{row.has_dot_lines},
                       static_cast<std::int64_t>(row.state));
}

Result<void> Index::set_state(std::int64_t id, MessageState state) {
  return database_.run("UPDATE messages SET state = ?2 WHERE id = ?1", id, static_cast<std::int64_t>(state));
}

Result<void> Index::erase(std::int64_t id) {
  return database_.run("DELETE FROM messages WHERE id = ?1", id);
}

Result<std::unordered_map<MailboxId, MailboxTotals>> Index::totals() {
  auto statement =
      database_.query("SELECT mailbox, COUNT(*), SUM(size) FROM messages WHERE state = 0 GROUP BY mailbox");
  if (!statement) return statement.error();
  std::unordered_map<MailboxId, MailboxTotals> totals;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return totals;
    totals[statement->integer(0)] = {static_cast<std::uint64_t>(statement->integer(1)),
                                     static_cast<std::uint64_t>(statement->integer(2))};
  }
}

}  // namespace mailstead
