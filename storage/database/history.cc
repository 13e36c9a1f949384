#include "storage/database/history.h"

#include <algorithm>

namespace mailstead {

namespace {

constexpr std::int64_t kMostDevices = 200;  // of one mailbox: client addresses change

}  // namespace

Result<void> Deletions::add(std::int64_t message, std::int64_t now, std::int64_t age,
                            const std::string& device) {
  return database_.run(
      "INSERT INTO deletions (message, deleted_at, age_from, device) VALUES (?1, ?2, ?3, ?4)", message, now,
      age, device);
}

Result<void> Deletions::note_restored(std::int64_t message, std::int64_t now) {
  return database_.run("UPDATE deletions SET restored_at = ?2 WHERE message = ?1 AND restored_at = 0",
                       message, now);
}

Result<std::vector<DeletionRow>> Deletions::of(std::int64_t message) {
  std::vector<DeletionRow> rows;
  auto done = each_row(
      database_.query(
          "SELECT deleted_at, age_from, device, restored_at FROM deletions WHERE message = ?1 ORDER BY id",
          message),
      [&](const Statement& row) {
        rows.push_back({row.integer(0), row.integer(1), row.text(2), row.integer(3)});
      });
  if (!done) return done.error();
  return rows;
}

Result<std::unordered_map<std::int64_t, DeletionRow>> Deletions::current(MailboxId mailbox,
                                                                         std::int64_t first,
                                                                         std::int64_t last) {
  std::unordered_map<std::int64_t, DeletionRow> rows;
  auto done = each_row(
      database_.query(
          "SELECT d.message, d.deleted_at, d.age_from, d.device FROM messages AS m CROSS JOIN deletions AS d "
          "ON "
          "d.message = m.id"
          " WHERE m.mailbox = ?1 AND m.state IN (3, 4) AND m.id BETWEEN ?2 AND ?3 AND d.restored_at = 0",
          mailbox, first, last),
      [&](const Statement& row) {
        rows[row.integer(0)] = {row.integer(1), row.integer(2), row.text(3), 0};
      });
  if (!done) return done.error();
  return rows;
}

Result<std::vector<MessageRow>> Deletions::oldest(std::int64_t age, std::size_t at_most) {
  std::vector<MessageRow> rows;
  auto done = each_row(
      database_.query(
          "SELECT m.id, m.mailbox, m.name, m.size, m.state FROM deletions AS d JOIN messages AS m ON m.id = "
          "d.message"
          " WHERE d.restored_at = 0 AND d.age_from <= ?1 AND m.state IN (3, 4)"
          " AND m.mailbox NOT IN (SELECT id FROM mailboxes WHERE enabled = 2)"
          " ORDER BY d.age_from, d.id LIMIT ?2",
          age, static_cast<std::int64_t>(at_most)),
      [&](const Statement& row) {
        MessageRow& message = rows.emplace_back();
        message.id = row.integer(0);
        message.mailbox = row.integer(1);
        message.name = row.text(2);
        message.size = static_cast<std::uint64_t>(row.integer(3));
        message.state = static_cast<MessageState>(row.integer(4));
      });
  if (!done) return done.error();
  return rows;
}

Result<std::int64_t> Devices::seen(MailboxId mailbox, const std::string& name, std::int64_t first,
                                   std::int64_t last) {
  auto done = database_.run(
      "INSERT OR IGNORE INTO devices (mailbox, name, first_seen_at, last_seen_at)"
      " SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM mailboxes WHERE id = ?1)",
      mailbox, name, first, last);
  if (!done) return done.error();
  if (database_.changes() > 0) {
    const std::int64_t id = database_.last_insert_id();
    done = database_.run(
        "DELETE FROM devices WHERE id IN (SELECT id FROM devices WHERE mailbox = ?1 AND id <> ?2"
        " ORDER BY last_seen_at DESC LIMIT -1 OFFSET ?3)",
        mailbox, id, kMostDevices - 1);
    if (!done) return done.error();
    return id;
  }
  done = database_.run(
      "UPDATE devices SET first_seen_at = MIN(first_seen_at, ?3), last_seen_at = MAX(last_seen_at, ?4)"
      " WHERE mailbox = ?1 AND name = ?2",
      mailbox, name, first, last);
  if (!done) return done.error();
  auto statement = database_.query("SELECT id FROM devices WHERE mailbox = ?1 AND name = ?2", mailbox, name);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->integer(0) : std::int64_t{0};
}

Result<void> Devices::took(std::int64_t device, std::int64_t message, std::int64_t first, std::int64_t last) {
  auto done = database_.run(
      "INSERT OR IGNORE INTO fetches (message, device, first_at, last_at)"
      " SELECT id, ?2, ?3, ?4 FROM messages WHERE id = ?1",
      message, device, first, last);
  if (!done) return done;
  if (database_.changes() > 0) {
    return database_.run("UPDATE devices SET taken = taken + 1 WHERE id = ?1", device);
  }
  return database_.run("UPDATE fetches SET last_at = MAX(last_at, ?3) WHERE message = ?1 AND device = ?2",
                       message, device, last);
}

Result<std::vector<DeviceFacts>> Devices::of(MailboxId mailbox) {
  std::vector<DeviceFacts> devices;
  auto done = each_row(
      database_.query("SELECT name, first_seen_at, last_seen_at, taken FROM devices WHERE mailbox = ?1"
                      " ORDER BY last_seen_at DESC, id DESC",
                      mailbox),
      [&](const Statement& row) {
        devices.push_back(
            {row.text(0), row.integer(1), row.integer(2), static_cast<std::uint64_t>(row.integer(3))});
      });
  if (!done) return done.error();
  return devices;
}

Result<std::vector<MessageEvent>> Devices::fetches(std::int64_t message) {
  std::vector<MessageEvent> events;
  auto done = each_row(
      database_.query(
          "SELECT d.name, f.first_at, f.last_at FROM fetches AS f JOIN devices AS d ON d.id = f.device"
          " WHERE f.message = ?1 ORDER BY f.first_at, f.device",
          message),
      [&](const Statement& row) {
        events.push_back({MessageEventKind::kFetched, row.integer(1), row.integer(2), row.text(0)});
      });
  if (!done) return done.error();
  return events;
}

KnownMessage standing_of(const MessageRow& row, const Address& address) {
  KnownMessage known;
  known.key = row.id;
  known.mailbox = row.mailbox;
  known.address = address;
  known.uidl = row.uidl;
  known.message_id = row.message_id;
  known.size = row.size;
  known.received_at = row.received_at;
  known.standing = is_kept(row.state)                     ? Standing::kDeleted
                   : row.state == MessageState::kMissing  ? Standing::kMissing
                   : row.state == MessageState::kDeleting ? Standing::kGone
                                                          : Standing::kPresent;
  return known;
}

void tell_deletion(const DeletionRow& deletion, std::int64_t age, KnownMessage& message) {
  message.deleted_at = deletion.deleted_at;
  message.deleted_by = deletion.device;
  message.deleted_for = std::max<std::int64_t>(0, age - deletion.age_from);
  message.deleted_age = deletion.age_from;
}

Result<KnownMessage> known_message(Database& database, const MessageRow& row, const Address& address,
                                   std::int64_t age) {
  KnownMessage known = standing_of(row, address);
  auto events = Devices(database).fetches(row.id);
  if (!events) return events.error();
  known.events = std::move(*events);
  auto deletions = Deletions(database).of(row.id);
  if (!deletions) return deletions.error();
  for (const DeletionRow& deletion : *deletions) {
    known.events.push_back(
        {MessageEventKind::kDeleted, deletion.deleted_at, deletion.deleted_at, deletion.device});
    if (deletion.restored_at != 0) {
      known.events.push_back(
          {MessageEventKind::kRestored, deletion.restored_at, deletion.restored_at, std::string()});
    } else if (known.standing == Standing::kDeleted) {
      tell_deletion(deletion, age, known);
    }
  }
  std::stable_sort(known.events.begin(), known.events.end(),
                   [](const MessageEvent& one, const MessageEvent& other) { return one.at < other.at; });
  return known;
}

}  // namespace mailstead
