#include "storage/queue/queue_table.h"

#include <utility>

#include "protocols/address.h"
#include "storage/delivery/contents.h"
#include "storage/queue/queue_file.h"

namespace mailstead {

namespace {

// Numbers in the database: never change one.
enum QueueFlag : std::int64_t {
  kEightBit = 1,
  kUtf8Header = 2,
  k8BitMimeSaid = 4,
  kSmtpUtf8 = 8,
  kRequireTls = 16,
  kTlsIsOptional = 32
};

constexpr std::int64_t kNotSaid = -1;
constexpr int kNoPriority = 99;

std::int64_t flags_of(const QueuedMessage& message) {
  std::int64_t flags = 0;
  if (message.eight_bit) flags |= kEightBit;
  if (message.utf8_header) flags |= kUtf8Header;
  if (message.envelope.body == BodyType::k8BitMime) flags |= k8BitMimeSaid;
  if (message.envelope.smtputf8) flags |= kSmtpUtf8;
  if (message.envelope.require_tls) flags |= kRequireTls;
  if (message.tls_is_optional) flags |= kTlsIsOptional;
  return flags;
}

void set_flags(std::int64_t flags, QueuedMessage& message) {
  message.eight_bit = (flags & kEightBit) != 0;
  message.utf8_header = (flags & kUtf8Header) != 0;
  message.envelope.body = (flags & k8BitMimeSaid) != 0 ? BodyType::k8BitMime : BodyType::k7Bit;
  message.envelope.smtputf8 = (flags & kSmtpUtf8) != 0;
  message.envelope.require_tls = (flags & kRequireTls) != 0;
  message.tls_is_optional = (flags & kTlsIsOptional) != 0;
}

std::int64_t number_of(const std::optional<Notify>& notify) {
  if (!notify) return kNotSaid;
  return (notify->failure ? 1 : 0) | (notify->delay ? 2 : 0) | (notify->success ? 4 : 0);
}

std::optional<Notify> notify_of(std::int64_t number) {
  if (number < 0) return std::nullopt;
  return Notify{(number & 4) != 0, (number & 1) != 0, (number & 2) != 0};
}

std::string text_of(const std::optional<Address>& address) {
  return address ? address->text() : std::string();
}

// Written by us from a valid address; of a damaged row nothing can be sent, and it fails at the first try.
Address address_of_row(const std::string& text) {
  return parse_queued_address(text).value_or(Address{});
}

std::int64_t number(QueueReports reports) {
  return static_cast<std::int64_t>(reports);
}

QueueEventKind event_kind(QueueReports report) {
  switch (report) {
    case QueueReports::kDelay:
      return QueueEventKind::kDelayReported;
    case QueueReports::kSuccess:
      return QueueEventKind::kSuccessReported;
    case QueueReports::kFailure:
    case QueueReports::kNone:
      break;
  }
  return QueueEventKind::kFailureReported;
}

// For LIKE with ESCAPE '\\'.
std::string in_pattern(const std::string& text) {
  std::string pattern;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// Who is no longer there is passed over.
Result<void> keep_row(const Result<QueueRow>& row, std::vector<QueueRow>& changed) {
  if (row) changed.push_back(*row);
  if (!row && row.error().kind != ErrorKind::kNotFound) return row.error();
  return {};
}

}  // namespace

Result<void> QueueTable::insert(QueuedMessage& message, std::uint64_t starts_at, const std::string& header,
                                const ContentHash& hash) {
  auto done = database_.run(
      "INSERT INTO queue (queue_id, reverse_path, user, message_id, starts_at, size, flags, envelope_id, "
      "returned,"
      " received_at, hold_until, deliver_by, priority, header, hash)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
      message.id, text_of(message.envelope.reverse_path), message.user, message.message_id,
      static_cast<std::int64_t>(starts_at), static_cast<std::int64_t>(message.size), flags_of(message),
      message.envelope.envelope_id, static_cast<std::int64_t>(message.envelope.returned), message.received_at,
      message.envelope.hold_until, deliver_by_words(message.envelope.deliver_by),
      std::int64_t{message.envelope.priority.value_or(kNoPriority)}, header, Octets{hash.octets()});
  if (!done) return done;
  message.row = database_.last_insert_id();
  for (QueuedRecipient& queued : message.recipients) {
    done = database_.run(
        "INSERT INTO queue_recipients (message, address, notify, original, state, due, next_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        message.row, queued.recipient.address.text(), number_of(queued.recipient.notify),
        queued.recipient.original, static_cast<std::int64_t>(queued.state), number(queued.due),
        queued.next_at);
    if (!done) return done;
    queued.row = database_.last_insert_id();
    if (queued.last.at == 0) continue;
    done = database_.run(
        "INSERT INTO queue_attempts (recipient, at, outcome, status, host, reply) VALUES (?1, ?2, ?3, ?4, "
        "?5, ?6)",
        queued.row, queued.last.at, static_cast<std::int64_t>(queued.last.outcome), queued.last.status,
        queued.last.host, queued.last.reply);
    if (!done) return done;
  }
  return {};
}

Result<std::string> QueueTable::header(QueueRow message) {
  std::string header;
  auto done = each_row(database_.query("SELECT header FROM queue WHERE id = ?1", message),
                       [&](const Statement& s) { header = s.text(0); });
  if (!done) return done.error();
  return header;
}

Result<std::uint64_t> QueueTable::starts_at(QueueRow message) {
  auto statement = database_.query("SELECT starts_at FROM queue WHERE id = ?1", message);
  if (!statement) return statement.error();
  auto there = statement->step();
  if (!there) return there.error();
  if (!*there) return Error{ErrorKind::kNotFound, "the message is not in the queue"};
  return static_cast<std::uint64_t>(statement->integer(0));
}

Result<ContentHash> QueueTable::hash(QueueRow message) {
  ContentHash hash;
  auto done = each_row(database_.query("SELECT hash FROM queue WHERE id = ?1", message),
                       [&](const Statement& row) { hash = ContentHash::of_octets(row.text(0)); });
  if (!done) return done.error();
  return hash;
}

Result<void> QueueTable::set_starts_at(QueueRow message, std::uint64_t starts_at) {
  return database_.run("UPDATE queue SET starts_at = ?2 WHERE id = ?1", message,
                       static_cast<std::int64_t>(starts_at));
}

Result<std::optional<QueuedMessage>> QueueTable::find(QueueRow row) {
  std::optional<QueuedMessage> found;
  auto done = each_row(
      database_.query(
          "SELECT queue_id, reverse_path, user, message_id, size, flags, envelope_id, returned,"
          " received_at, held, finished_at, hold_until, deliver_by, priority FROM queue WHERE id = ?1",
          row),
      [&](const Statement& s) {
        QueuedMessage message;
        message.row = row;
        message.id = s.text(0);
        if (const std::string path = s.text(1); !path.empty())
          message.envelope.reverse_path = address_of_row(path);
        message.user = s.text(2);
        message.message_id = s.text(3);
        message.size = static_cast<std::uint64_t>(s.integer(4));
        set_flags(s.integer(5), message);
        message.envelope.envelope_id = s.text(6);
        message.envelope.returned = static_cast<ReturnedContent>(s.integer(7));
        message.received_at = s.integer(8);
        message.held = s.integer(9) != 0;
        message.finished_at = s.integer(10);
        message.envelope.hold_until = s.integer(11);
        message.envelope.deliver_by = parse_deliver_by_words(s.text(12));
        if (s.integer(13) != kNoPriority) message.envelope.priority = static_cast<int>(s.integer(13));
        found = std::move(message);
      });
  if (!done) return done.error();
  if (!found) return found;
  done = each_row(
      database_.query(
          "SELECT r.id, address, notify, original, state, due, sent, passed_on, attempts, next_at,"
          " at, outcome, status, host, reply FROM queue_recipients AS r LEFT JOIN queue_attempts AS a"
          " ON a.id = (SELECT MAX(id) FROM queue_attempts WHERE recipient = r.id)"
          " WHERE message = ?1 ORDER BY r.id",
          row),
      [&](const Statement& s) {
        QueuedRecipient queued{s.integer(0), Recipient(address_of_row(s.text(1)))};
        queued.recipient.notify = notify_of(s.integer(2));
        queued.recipient.original = s.text(3);
        queued.state = static_cast<QueueState>(s.integer(4));
        queued.due = static_cast<QueueReports>(s.integer(5));
        queued.sent = static_cast<QueueReports>(s.integer(6));
        queued.passed_on = s.integer(7) != 0;
        queued.attempts = static_cast<std::uint32_t>(s.integer(8));
        queued.next_at = s.integer(9);
        queued.last = {s.integer(10), static_cast<QueueState>(s.integer(11)), s.text(12), s.text(13),
                       s.text(14)};
        found->recipients.push_back(std::move(queued));
      });
  if (!done) return done.error();
  for (const QueuedRecipient& queued : found->recipients)
    found->envelope.recipients.push_back(queued.recipient);
  return found;
}

Result<std::vector<QueueRow>> QueueTable::rows(Result<Statement> statement) {
  std::vector<QueueRow> rows;
  auto done = each_row(std::move(statement), [&](const Statement& s) { rows.push_back(s.integer(0)); });
  if (!done) return done.error();
  return rows;
}

Result<std::optional<QueueRow>> QueueTable::row_of(const std::string& id) {
  auto found = rows(database_.query("SELECT id FROM queue WHERE queue_id = ?1", id));
  if (!found) return found.error();
  if (found->empty()) return std::optional<QueueRow>();
  return std::optional(found->front());
}

Result<std::vector<QueueRow>> QueueTable::rows_of_message_id(const std::string& message_id) {
  return rows(database_.query("SELECT id FROM queue WHERE message_id = ?1 AND message_id <> '' ORDER BY id",
                              message_id));
}

Result<std::vector<QueueRow>> QueueTable::rows_about(const Address& address, std::size_t at_most) {
  const std::string text = address.text();
  // A sender whose mail was passed on stands in a reverse-path of ours: protocols/srs.h.
  const std::string rewritten = "SRS0=%=" + in_pattern(address.domain + '=' + address.local_part) + "@%";
  return rows(database_.query(
      "SELECT id FROM queue WHERE user = ?1 COLLATE NOCASE OR reverse_path = ?1 COLLATE NOCASE"
      " OR reverse_path LIKE ?2 ESCAPE '\\' OR id IN (SELECT message FROM queue_recipients"
      " WHERE address = ?1 COLLATE NOCASE OR original = ?3 COLLATE NOCASE) ORDER BY id DESC LIMIT ?4",
      text, rewritten, "rfc822;" + text, static_cast<std::int64_t>(at_most)));
}

Result<std::vector<QueueRow>> QueueTable::unfinished(QueueRow after, std::size_t at_most) {
  return rows(database_.query("SELECT id FROM queue WHERE finished_at = 0 AND id > ?1 ORDER BY id LIMIT ?2",
                              after, static_cast<std::int64_t>(at_most)));
}

Result<std::vector<QueueRow>> QueueTable::unheld(QueueRow after, std::size_t at_most) {
  return rows(database_.query(
      "SELECT id FROM queue WHERE finished_at = 0 AND held = 0 AND id > ?1 ORDER BY id LIMIT ?2", after,
      static_cast<std::int64_t>(at_most)));
}

Result<std::vector<QueueRow>> QueueTable::finished_before(std::int64_t at, std::size_t at_most) {
  return rows(database_.query(
      "SELECT id FROM queue WHERE finished_at > 0 AND finished_at < ?1 ORDER BY finished_at LIMIT ?2", at,
      static_cast<std::int64_t>(at_most)));
}

Result<std::unordered_map<std::string, QueueTable::Filed>> QueueTable::filed_by_id() {
  std::unordered_map<std::string, Filed> found;
  auto done = each_row(database_.query("SELECT queue_id, finished_at, c.message IS NOT NULL FROM queue AS q"
                                       " LEFT JOIN queue_contents AS c ON c.message = q.id"),
                       [&](const Statement& s) {
                         found.emplace(s.text(0), s.integer(1) != 0   ? Filed::kFinished
                                                  : s.integer(2) != 0 ? Filed::kInDatabase
                                                                      : Filed::kInFile);
                       });
  if (!done) return done.error();
  return found;
}

// In the order in which they came: nobody waits since before he came, so no more of a long queue is read than
// what is held in front of the one that is found, and what came before its wait began.
Result<std::int64_t> QueueTable::waits_since(std::int64_t now) {
  auto statement = database_.query(
      "SELECT received_at, MAX(received_at, hold_until, COALESCE((SELECT MAX(at) FROM queue_events AS e"
      " WHERE e.message = q.id AND e.kind = ?2), 0)) FROM queue AS q"
      " WHERE finished_at = 0 AND held = 0 AND hold_until <= ?1 ORDER BY id",
      now, static_cast<std::int64_t>(QueueEventKind::kReleased));
  if (!statement) return statement.error();
  std::int64_t since = 0;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row || (since != 0 && statement->integer(0) >= since)) return since;
    if (since == 0 || statement->integer(1) < since) since = statement->integer(1);
  }
}

Result<QueueTotals> QueueTable::totals() {
  QueueTotals totals;
  auto done =
      each_row(database_.query("SELECT COUNT(*), COALESCE(SUM(held), 0), COALESCE(MIN(received_at), 0)"
                               " FROM queue WHERE finished_at = 0"),
               [&](const Statement& s) {
                 totals.messages = static_cast<std::uint64_t>(s.integer(0));
                 totals.held = static_cast<std::uint64_t>(s.integer(1));
                 totals.oldest_at = s.integer(2);
               });
  if (done) {
    done =
        each_row(database_.query("SELECT COUNT(*) FROM queue AS q JOIN queue_recipients AS r"
                                 " ON r.message = q.id WHERE finished_at = 0 AND state = 0"),
                 [&](const Statement& s) { totals.recipients = static_cast<std::uint64_t>(s.integer(0)); });
  }
  if (!done) return done.error();
  return totals;
}

Result<std::vector<QueueAttempt>> QueueTable::attempts(RecipientRow recipient) {
  std::vector<QueueAttempt> attempts;
  auto done = each_row(
      database_.query(
          "SELECT at, outcome, status, host, reply FROM queue_attempts WHERE recipient = ?1 ORDER BY id",
          recipient),
      [&](const Statement& s) {
        attempts.push_back(
            {s.integer(0), static_cast<QueueState>(s.integer(1)), s.text(2), s.text(3), s.text(4)});
      });
  if (!done) return done.error();
  return attempts;
}

Result<QueueRow> QueueTable::note(const QueueOutcome& outcome) {
  auto message =
      rows(database_.query("SELECT message FROM queue_recipients WHERE id = ?1", outcome.recipient));
  if (!message) return message.error();
  if (message->empty()) return Error{ErrorKind::kNotFound, "the recipient is no longer in the queue"};
  const QueueAttempt& attempt = outcome.attempt;
  // Who was dropped meanwhile stays dropped, and nobody is told; that it was delivered all the same is worth
  // knowing.
  auto done = database_.run(
      "UPDATE queue_recipients SET attempts = attempts + 1, next_at = ?2,"
      " due = CASE WHEN state = 3 THEN due ELSE due | (?3 & ~sent) END, passed_on = ?4,"
      " state = CASE WHEN state = 0 OR ?5 = 1 THEN ?5 ELSE state END WHERE id = ?1",
      outcome.recipient, outcome.next_at, number(outcome.due), std::int64_t{outcome.passed_on},
      static_cast<std::int64_t>(attempt.outcome));
  if (done) {
    done = database_.run(
        "INSERT INTO queue_attempts (recipient, at, outcome, status, host, reply) VALUES (?1, ?2, ?3, ?4, "
        "?5, ?6)",
        outcome.recipient, attempt.at, static_cast<std::int64_t>(attempt.outcome), attempt.status,
        attempt.host, attempt.reply);
  }
  if (done) done = finish_if_done(message->front(), attempt.at);
  if (!done) return done.error();
  return message->front();
}

Result<QueueRow> QueueTable::settle(const SettledReport& settled, const std::string& report,
                                    std::int64_t now) {
  auto message =
      rows(database_.query("SELECT message FROM queue_recipients WHERE id = ?1", settled.recipient));
  if (!message) return message.error();
  if (message->empty()) return Error{ErrorKind::kNotFound, "the recipient is no longer in the queue"};
  auto done = database_.run("UPDATE queue_recipients SET due = due & ~?2, sent = sent | ?2 WHERE id = ?1",
                            settled.recipient, number(settled.report));
  if (done && !report.empty())
    done = add_event(message->front(), {now, event_kind(settled.report), settled.recipient, report});
  if (done) done = finish_if_done(message->front(), now);
  if (!done) return done.error();
  return message->front();
}

Result<void> QueueTable::note_all(std::span<const QueueOutcome> outcomes, std::vector<QueueRow>& changed) {
  for (const QueueOutcome& outcome : outcomes) {
    if (auto done = keep_row(note(outcome), changed); !done) return done;
  }
  return {};
}

Result<void> QueueTable::settle_all(std::span<const SettledReport> reports, const std::string& report,
                                    std::int64_t now, std::vector<QueueRow>& changed) {
  for (const SettledReport& each : reports) {
    if (auto done = keep_row(settle(each, report, now), changed); !done) return done;
  }
  return {};
}

Result<void> QueueTable::finish_if_done(QueueRow message, std::int64_t now) {
  auto done = database_.run(
      "UPDATE queue SET finished_at = ?2 WHERE id = ?1 AND finished_at = 0 AND NOT EXISTS"
      " (SELECT 1 FROM queue_recipients WHERE message = ?1 AND (state = 0 OR due <> 0))",
      message, now);
  if (done && database_.changes() > 0) done = QueueContents(database_).erase(message);
  return done;
}

Result<void> QueueTable::try_at(QueueRow message, std::int64_t at) {
  return database_.run(
      "UPDATE queue_recipients SET next_at = MAX(?2, (SELECT hold_until FROM queue WHERE id = ?1))"
      " WHERE message = ?1 AND state = 0",
      message, at);
}

Result<void> QueueTable::set_held(QueueRow message, bool held) {
  return database_.run("UPDATE queue SET held = ?2 WHERE id = ?1", message, std::int64_t{held});
}

Result<void> QueueTable::end_hold(QueueRow message, std::int64_t now) {
  auto done = database_.run(
      "UPDATE queue_recipients SET next_at = ?2 WHERE message = ?1 AND state = 0"
      " AND (SELECT hold_until FROM queue WHERE id = ?1) > ?2",
      message, now);
  if (done) done = database_.run("UPDATE queue SET hold_until = 0 WHERE id = ?1", message);
  return done;
}

Result<void> QueueTable::drop(QueueRow message, std::int64_t now) {
  auto done = database_.run(
      "INSERT INTO queue_events (message, recipient, at, kind, report)"
      " SELECT message, id, ?2, ?3, '' FROM queue_recipients WHERE message = ?1 AND state = 0",
      message, now, static_cast<std::int64_t>(QueueEventKind::kDropped));
  if (done)
    done = database_.run("UPDATE queue_recipients SET state = 3 WHERE message = ?1 AND state = 0", message);
  if (done) done = database_.run("UPDATE queue_recipients SET due = 0 WHERE message = ?1", message);
  if (done) done = finish_if_done(message, now);
  return done;
}

Result<void> QueueTable::erase(QueueRow message) {
  return database_.run("DELETE FROM queue WHERE id = ?1", message);
}

Result<void> QueueTable::add_event(QueueRow message, const QueueEvent& event) {
  return database_.run(
      "INSERT INTO queue_events (message, recipient, at, kind, report) VALUES (?1, ?2, ?3, ?4, ?5)", message,
      event.recipient, event.at, static_cast<std::int64_t>(event.kind), event.report);
}

Result<std::vector<QueueEvent>> QueueTable::events(QueueRow message) {
  std::vector<QueueEvent> events;
  auto done = each_row(
      database_.query("SELECT at, kind, recipient, report FROM queue_events WHERE message = ?1 ORDER BY id",
                      message),
      [&](const Statement& s) {
        events.push_back({s.integer(0), static_cast<QueueEventKind>(s.integer(1)), s.integer(2), s.text(3)});
      });
  if (!done) return done.error();
  return events;
}

std::vector<QueueEntry> entries_of(const QueuedMessage& message) {
  std::vector<QueueEntry> entries;
  for (const QueuedRecipient& queued : message.recipients) {
    QueueEntry entry;
    entry.recipient = queued.row;
    entry.message = message.row;
    entry.domain = queued.recipient.address.domain;
    entry.sender = message.user;
    entry.priority = message.envelope.priority.value_or(0);
    entry.waits = queued.state == QueueState::kWaiting && !message.held;
    entry.report_due = queued.due != QueueReports::kNone;
    entry.next_at = queued.next_at;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace mailstead
