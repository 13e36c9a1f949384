#include "storage/database/index.h"

#include <algorithm>
#include <iterator>
#include <utility>

// A literal for each query: prepared statements are kept by it.
#define MAILSTEAD_SELECT_MESSAGES                                                               \
  "SELECT id, mailbox, uidl, name, size, dot_lines, received_at, queue_id, state, message_id, " \
  "header, surrogate_growth, hash, came_hash FROM messages"

namespace mailstead {

namespace {

// The first column.
Result<std::vector<std::int64_t>> integers(Result<Statement> statement) {
  std::vector<std::int64_t> found;
  auto done = each_row(std::move(statement), [&](const Statement& row) { found.push_back(row.integer(0)); });
  if (!done) return done.error();
  return found;
}

std::int64_t limit_of(std::size_t at_most) {
  return static_cast<std::int64_t>(std::min<std::size_t>(at_most, INT64_MAX));
}

std::int64_t before(const MessageSlice& slice) {
  return slice.beyond == 0 ? INT64_MAX : slice.beyond;
}

// The first five columns.
MailboxTotals totals_in(const Statement& row) {
  return {static_cast<std::uint64_t>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1)),
          row.integer(2), static_cast<std::uint64_t>(row.integer(3)),
          static_cast<std::uint64_t>(row.integer(4))};
}

}  // namespace

void MessageRow::take_content(const ContentHash& found) {
  const ContentHash came = came_hash.is_known() ? came_hash : hash;
  hash = found;
  came_hash = came == found ? ContentHash{} : came;
}

Result<std::int64_t> Index::insert(const MessageRow& row) {
  auto done = database_.run(
      "INSERT INTO messages (mailbox, uidl, name, size, dot_lines, received_at, queue_id, state, message_id,"
      " header, surrogate_growth, hash, kept_since)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
      " COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'retention'), 0))",
      row.mailbox, row.uidl, row.name, static_cast<std::int64_t>(row.size), std::int64_t{row.has_dot_lines},
      row.received_at, row.queue_id, static_cast<std::int64_t>(row.state), row.message_id,
      static_cast<std::int64_t>(row.header.text), std::int64_t{row.header.surrogate_growth},
      Octets{row.hash.octets()});
  if (!done) return done.error();
  return database_.last_insert_id();
}

Result<std::vector<MessageRow>> Index::of_id(std::int64_t id) {
  return rows(database_.query(MAILSTEAD_SELECT_MESSAGES " WHERE id = ?1", id));
}

Result<std::vector<MessageRow>> Index::of_state_after(MailboxId mailbox, MessageState state,
                                                      std::int64_t after, std::size_t at_most) {
  return rows(database_.query(
      MAILSTEAD_SELECT_MESSAGES " WHERE mailbox = ?1 AND state = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
      mailbox, static_cast<std::int64_t>(state), after, static_cast<std::int64_t>(at_most)));
}

Result<std::size_t> Index::count_after(MailboxId mailbox, MessageState state, std::int64_t after) {
  auto statement =
      database_.query("SELECT COUNT(*) FROM messages WHERE mailbox = ?1 AND state = ?2 AND id > ?3", mailbox,
                      static_cast<std::int64_t>(state), after);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return static_cast<std::size_t>(statement->integer(0));
}

Result<std::vector<MessageRow>> Index::of_state(MailboxId mailbox, MessageState state,
                                                const MessageSlice& slice) {
  const std::int64_t at_most = limit_of(slice.at_most);
  if (slice.from == MessageSlice::From::kOldest) {
    return rows(database_.query(MAILSTEAD_SELECT_MESSAGES
                                " WHERE mailbox = ?1 AND state = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
                                mailbox, static_cast<std::int64_t>(state), slice.beyond, at_most));
  }
  return rows(database_.query(MAILSTEAD_SELECT_MESSAGES
                              " WHERE mailbox = ?1 AND state = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
                              mailbox, static_cast<std::int64_t>(state), before(slice), at_most));
}

// Each state by itself: asked for both at once, SQLite sorts all there are for each slice.
Result<std::vector<MessageRow>> Index::kept(MailboxId mailbox, const MessageSlice& slice) {
  auto deleted = of_state(mailbox, MessageState::kDeleted, slice);
  if (!deleted) return deleted;
  auto aside = of_state(mailbox, MessageState::kAside, slice);
  if (!aside) return aside;
  std::vector<MessageRow> both;
  both.reserve(deleted->size() + aside->size());
  std::merge(std::move_iterator(deleted->begin()), std::move_iterator(deleted->end()),
             std::move_iterator(aside->begin()), std::move_iterator(aside->end()), std::back_inserter(both),
             [&](const MessageRow& one, const MessageRow& other) {
               return slice.from == MessageSlice::From::kOldest ? one.id < other.id : one.id > other.id;
             });
  if (both.size() > slice.at_most)
    both.erase(both.begin() + static_cast<std::ptrdiff_t>(slice.at_most), both.end());
  return both;
}

Result<std::vector<MessageRow>> Index::of_uidl(MailboxId mailbox, const std::string& uidl) {
  return rows(database_.query(MAILSTEAD_SELECT_MESSAGES " WHERE mailbox = ?1 AND uidl = ?2", mailbox, uidl));
}

Result<std::vector<MessageRow>> Index::of_message_id(const std::string& message_id) {
  return rows(database_.query(MAILSTEAD_SELECT_MESSAGES
                              " WHERE message_id = ?1 AND message_id <> '' ORDER BY received_at, id",
                              message_id));
}

Result<std::vector<MailboxId>> Index::mailboxes_to_tidy() {
  return integers(
      database_.query("SELECT id FROM mailboxes AS b WHERE enabled <> 2 AND EXISTS"
                      " (SELECT 1 FROM messages WHERE mailbox = b.id AND state = 3)"));
}

Result<std::vector<MessageRow>> Index::rows(Result<Statement> statement) {
  std::vector<MessageRow> rows;
  auto done = each_row(std::move(statement), [&](const Statement& row) {
    MessageRow& message = rows.emplace_back();
    message.id = row.integer(0);
    message.mailbox = row.integer(1);
    message.uidl = row.text(2);
    message.name = row.text(3);
    message.size = static_cast<std::uint64_t>(row.integer(4));
    message.has_dot_lines = row.integer(5) != 0;
    message.received_at = row.integer(6);
    message.queue_id = row.text(7);
    message.state = static_cast<MessageState>(row.integer(8));
    message.message_id = row.text(9);
    message.header.text = static_cast<HeaderText>(row.integer(10));
    message.header.surrogate_growth = static_cast<std::int32_t>(row.integer(11));
    message.hash = ContentHash::of_octets(row.text(12));
    message.came_hash = ContentHash::of_octets(row.text(13));
  });
  if (!done) return done.error();
  return rows;
}

Result<std::string> Index::path(std::int64_t id) {
  auto statement = database_.query("SELECT name FROM messages WHERE id = ?1 AND state IN (0, 2)", id);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  if (!*row) return Error{ErrorKind::kNotFound, "the message is gone from the index"};
  return statement->text(0);
}

Result<std::vector<std::pair<std::int64_t, std::string>>> Index::paths(MailboxId mailbox, MessageState state,
                                                                       std::int64_t after,
                                                                       std::size_t at_most) {
  std::vector<std::pair<std::int64_t, std::string>> paths;
  auto done = each_row(
      database_.query("SELECT id, name FROM messages WHERE mailbox = ?1 AND state = ?2 AND id > ?3"
                      " ORDER BY id LIMIT ?4",
                      mailbox, static_cast<std::int64_t>(state), after, static_cast<std::int64_t>(at_most)),
      [&](const Statement& row) { paths.emplace_back(row.integer(0), row.text(1)); });
  if (!done) return done.error();
  return paths;
}

Result<void> Index::update(const MessageRow& row) {
  return database_.run(
      "UPDATE messages SET name = ?2, size = ?3, dot_lines = ?4, state = ?5, header = ?6,"
      " surrogate_growth = ?7, hash = ?8, came_hash = ?9 WHERE id = ?1",
      row.id, row.name, static_cast<std::int64_t>(row.size), std::int64_t{row.has_dot_lines},
      static_cast<std::int64_t>(row.state), static_cast<std::int64_t>(row.header.text),
      std::int64_t{row.header.surrogate_growth}, Octets{row.hash.octets()}, Octets{row.came_hash.octets()});
}

// What is in the file by now need not be what came: that is for a check to find.
Result<void> Index::set_header(std::int64_t id, const HeaderFacts& header, const ContentHash& hash) {
  return database_.run(
      "UPDATE messages SET header = ?2, surrogate_growth = ?3,"
      " hash = CASE WHEN hash = x'' THEN ?4 ELSE hash END WHERE id = ?1",
      id, static_cast<std::int64_t>(header.text), std::int64_t{header.surrogate_growth},
      Octets{hash.octets()});
}

Result<void> Index::learn_hash(std::int64_t id, std::uint64_t size, const ContentHash& hash) {
  return database_.run("UPDATE messages SET hash = ?3 WHERE id = ?1 AND size = ?2 AND hash = x''", id,
                       static_cast<std::int64_t>(size), Octets{hash.octets()});
}

Result<std::vector<MailboxId>> Index::unexamined_mailboxes() {
  return integers(database_.query("SELECT DISTINCT mailbox FROM messages WHERE header = 2"));
}

Result<std::vector<MessageRow>> Index::unexamined(MailboxId mailbox, std::int64_t after,
                                                  std::size_t at_most) {
  return rows(
      database_.query(MAILSTEAD_SELECT_MESSAGES
                      " WHERE header = 2 AND mailbox = ?1 AND state = 0 AND id > ?2 ORDER BY id LIMIT ?3",
                      mailbox, after, static_cast<std::int64_t>(at_most)));
}

Result<std::vector<std::int64_t>> Index::kept_since(MailboxId mailbox, std::int64_t retention,
                                                    std::size_t at_most) {
  return integers(database_.query(
      "SELECT id FROM messages WHERE mailbox = ?1 AND state = 0 AND kept_since <= ?2 ORDER BY id LIMIT ?3",
      mailbox, retention, static_cast<std::int64_t>(at_most)));
}

Result<void> Index::set_state(std::int64_t id, MessageState state) {
  return database_.run("UPDATE messages SET state = ?2 WHERE id = ?1", id, static_cast<std::int64_t>(state));
}

Result<void> Index::keep_anew(std::int64_t id) {
  return database_.run(
      "UPDATE messages SET kept_since ="
      " COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'retention'), 0) WHERE id = ?1",
      id);
}

Result<void> Index::erase(std::int64_t id) {
  return database_.run("DELETE FROM messages WHERE id = ?1", id);
}

Result<std::unordered_map<MailboxId, MailboxTotals>> Index::totals() {
  std::unordered_map<MailboxId, MailboxTotals> totals;
  auto done = each_row(
      database_.query(
          "SELECT messages, octets, surrogate_growth, kept_messages, kept_octets, mailbox FROM totals"),
      [&](const Statement& row) { totals[row.integer(5)] = totals_in(row); });
  if (!done) return done.error();
  return totals;
}

Result<MailboxTotals> Index::totals_of(MailboxId mailbox) {
  MailboxTotals totals;
  auto done = each_row(
      database_.query("SELECT messages, octets, surrogate_growth, kept_messages, kept_octets FROM totals"
                      " WHERE mailbox = ?1",
                      mailbox),
      [&](const Statement& row) { totals = totals_in(row); });
  if (!done) return done.error();
  return totals;
}

Result<MailboxTotals> Index::count(MailboxId mailbox) {
  MailboxTotals counted;
  auto done = each_row(
      database_.query("SELECT SUM(state = 0), SUM(size * (state = 0)), SUM(surrogate_growth * (state = 0)),"
                      " SUM(state IN (3, 4)), SUM(size * (state IN (3, 4))) FROM messages WHERE mailbox = ?1",
                      mailbox),
      [&](const Statement& row) { counted = totals_in(row); });
  if (!done) return done.error();
  return counted;
}

Result<void> Index::set_totals(MailboxId mailbox, const MailboxTotals& totals) {
  return database_.run("INSERT OR REPLACE INTO totals VALUES (?1, ?2, ?3, ?4, ?5, ?6)", mailbox,
                       static_cast<std::int64_t>(totals.messages), static_cast<std::int64_t>(totals.octets),
                       totals.surrogate_growth, static_cast<std::int64_t>(totals.kept_messages),
                       static_cast<std::int64_t>(totals.kept_octets));
}

Result<MaildropPage> Index::page(MailboxId mailbox, std::int64_t after, std::int64_t newest,
                                 std::size_t at_most) {
  MaildropPage page;
  page.reserve(at_most);
  auto done = each_row(
      database_.query("SELECT size, uidl, dot_lines, header, surrogate_growth, id FROM messages"
                      " WHERE mailbox = ?1 AND state = 0 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4",
                      mailbox, after, newest, static_cast<std::int64_t>(at_most)),
      [&](const Statement& row) {
        page.push_back({static_cast<std::uint64_t>(row.integer(0)), row.text(1), row.integer(2) != 0,
                        static_cast<HeaderText>(row.integer(3)), static_cast<std::int32_t>(row.integer(4)),
                        row.integer(5)});
      });
  if (!done) return done.error();
  return page;
}

Result<std::int64_t> Index::id_at(MailboxId mailbox, std::int64_t after, std::int64_t newest,
                                  std::size_t offset) {
  auto found =
      integers(database_.query("SELECT id FROM messages WHERE mailbox = ?1 AND state = 0 AND id > ?2"
                               " AND id <= ?3 ORDER BY id LIMIT 1 OFFSET ?4",
                               mailbox, after, newest, static_cast<std::int64_t>(offset)));
  if (!found) return found.error();
  if (found->empty()) return Error{ErrorKind::kCorrupt, "the index holds fewer messages than at the login"};
  return found->front();
}

Result<std::int64_t> Index::newest() {
  auto found = integers(database_.query("SELECT COALESCE(MAX(id), 0) FROM messages"));
  if (!found) return found.error();
  return found->front();
}

}  // namespace mailstead
