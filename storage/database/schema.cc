#include "storage/database/schema.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

namespace mailstead {

namespace {

constexpr Migration kMigrations[] = {
    {1, R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE mailboxes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  local TEXT NOT NULL,                          -- as the address is written
  domain TEXT NOT NULL,
  key TEXT NOT NULL UNIQUE,                     -- Address::key()
  password TEXT NOT NULL DEFAULT '',            -- empty: none, nobody can log in
  enabled INTEGER NOT NULL DEFAULT 1,
  credentials_serial INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  last_login_at INTEGER NOT NULL DEFAULT 0,
  last_delivery_at INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE aliases (
  key TEXT NOT NULL,                            -- "info@example.org" or "@example.org", lower case
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (key, position)
) WITHOUT ROWID;

CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,         -- the order in the maildrop
  mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
  uidl TEXT NOT NULL,
  name TEXT NOT NULL,                           -- in the maildir: "new/…" or "cur/…"
  size INTEGER NOT NULL,
  dot_lines INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  queue_id TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,             -- 0 present, 1 deleting, 2 missing
  UNIQUE (mailbox, uidl)
);
CREATE INDEX messages_in_order ON messages (mailbox, state);

CREATE TABLE removals (                         -- mailboxes whose folder is still to be put away
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  local TEXT NOT NULL,
  domain TEXT NOT NULL,
  keep INTEGER NOT NULL
);
)sql"},
    {2, R"sql(
CREATE TABLE app_passwords (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
  name TEXT NOT NULL,                           -- the device's, as it was given
  key TEXT NOT NULL,                            -- the name in lower case
  scope INTEGER NOT NULL,                       -- 0 read and send, 1 read, 2 send
  keys TEXT NOT NULL,                           -- "SCRAM-SHA-256$4096:salt$stored:server"
  apop TEXT NOT NULL DEFAULT '',                -- base64 of the sealed secret; empty: not for APOP
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0,
  UNIQUE (mailbox, key)
);
)sql"},
    {3, R"sql(
-- Without the angle brackets; empty: it has none, or came before this schema.
ALTER TABLE messages ADD COLUMN message_id TEXT NOT NULL DEFAULT '';
CREATE INDEX messages_by_message_id ON messages (message_id) WHERE message_id <> '';

-- What was deleted and is, or was, kept: one row for each time. messages.state has two more values: 3 deleted,
-- 4 deleted and its file put aside.
CREATE TABLE deletions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  deleted_at INTEGER NOT NULL,                  -- Unix seconds
  age_from INTEGER NOT NULL,                    -- seconds of the store's own clock, storage/database/aging.h
  device TEXT NOT NULL,                         -- empty: not known
  restored_at INTEGER NOT NULL DEFAULT 0        -- 0: not restored
);
CREATE INDEX deletions_of_message ON deletions (message);
CREATE INDEX deletions_by_age ON deletions (age_from, id) WHERE restored_at = 0;

CREATE TABLE devices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  mailbox INTEGER NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  taken INTEGER NOT NULL DEFAULT 0,             -- messages, each once
  UNIQUE (mailbox, name)
);

CREATE TABLE fetches (                          -- whole, by RETR
  message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  device INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (message, device)
) WITHOUT ROWID;
CREATE INDEX fetches_by_device ON fetches (device);
)sql"},
    {4, R"sql(
ALTER TABLE messages ADD COLUMN header INTEGER NOT NULL DEFAULT 2;            -- HeaderText: 0 ASCII, 1 UTF-8, 2 unknown
ALTER TABLE messages ADD COLUMN surrogate_growth INTEGER NOT NULL DEFAULT 0;  -- octets, when header is 1
ALTER TABLE messages ADD COLUMN kept_since INTEGER NOT NULL DEFAULT 0;        -- meta's retention when it came
CREATE INDEX messages_unexamined ON messages (mailbox, id) WHERE header = 2;
)sql"},
    {5, R"sql(
-- Sums over messages, so that nobody counts a large mailbox. The triggers keep them, whatever changes a row.
CREATE TABLE totals (
  mailbox INTEGER PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
  messages INTEGER NOT NULL,                    -- present
  octets INTEGER NOT NULL,
  surrogate_growth INTEGER NOT NULL,
  kept_messages INTEGER NOT NULL,               -- deleted, and kept
  kept_octets INTEGER NOT NULL
);
INSERT INTO totals
  SELECT mailbox, SUM(state = 0), SUM(size * (state = 0)), SUM(surrogate_growth * (state = 0)),
    SUM(state IN (3, 4)), SUM(size * (state IN (3, 4))) FROM messages GROUP BY mailbox;

CREATE TRIGGER totals_insert AFTER INSERT ON messages BEGIN
  INSERT INTO totals VALUES (NEW.mailbox, NEW.state = 0, NEW.size * (NEW.state = 0),
      NEW.surrogate_growth * (NEW.state = 0), NEW.state IN (3, 4), NEW.size * (NEW.state IN (3, 4)))
    ON CONFLICT (mailbox) DO UPDATE SET
      messages = messages + excluded.messages,
      octets = octets + excluded.octets,
      surrogate_growth = surrogate_growth + excluded.surrogate_growth,
      kept_messages = kept_messages + excluded.kept_messages,
      kept_octets = kept_octets + excluded.kept_octets;
END;
CREATE TRIGGER totals_delete AFTER DELETE ON messages BEGIN
  UPDATE totals SET
    messages = messages - (OLD.state = 0),
    octets = octets - OLD.size * (OLD.state = 0),
    surrogate_growth = surrogate_growth - OLD.surrogate_growth * (OLD.state = 0),
    kept_messages = kept_messages - (OLD.state IN (3, 4)),
    kept_octets = kept_octets - OLD.size * (OLD.state IN (3, 4))
  WHERE mailbox = OLD.mailbox;
END;
CREATE TRIGGER totals_update AFTER UPDATE OF state, size, surrogate_growth ON messages BEGIN
  UPDATE totals SET
    messages = messages + (NEW.state = 0) - (OLD.state = 0),
    octets = octets + NEW.size * (NEW.state = 0) - OLD.size * (OLD.state = 0),
    surrogate_growth = surrogate_growth + NEW.surrogate_growth * (NEW.state = 0)
      - OLD.surrogate_growth * (OLD.state = 0),
    kept_messages = kept_messages + (NEW.state IN (3, 4)) - (OLD.state IN (3, 4)),
    kept_octets = kept_octets + NEW.size * (NEW.state IN (3, 4)) - OLD.size * (OLD.state IN (3, 4))
  WHERE mailbox = NEW.mailbox;
END;
)sql"},
    {6, R"sql(
-- Of mailboxes that have a quota of their own; the others have the configuration's.
CREATE TABLE quotas (
  mailbox INTEGER PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
  octets INTEGER NOT NULL                       -- of messages that are present; 0: any number
);
)sql"},
    {7, R"sql(
-- Mail on its way out: storage/queue.h. The file is queue/ID and begins with the envelope.
CREATE TABLE queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id TEXT NOT NULL UNIQUE,
  reverse_path TEXT NOT NULL,                   -- empty: the null reverse-path
  user TEXT NOT NULL,
  message_id TEXT NOT NULL,
  starts_at INTEGER NOT NULL,                   -- where the message begins in its file
  size INTEGER NOT NULL,                        -- octets of the message
  flags INTEGER NOT NULL,                       -- QueueFlag
  envelope_id TEXT NOT NULL,
  returned INTEGER NOT NULL,                    -- ReturnedContent
  received_at INTEGER NOT NULL,
  held INTEGER NOT NULL DEFAULT 0,
  finished_at INTEGER NOT NULL DEFAULT 0        -- 0: something is still to be done
);
CREATE INDEX queue_by_end ON queue (finished_at, id);
CREATE INDEX queue_by_message_id ON queue (message_id) WHERE message_id <> '';

CREATE TABLE queue_recipients (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  notify INTEGER NOT NULL,                      -- -1: not said; else 1 failure, 2 delay, 4 success
  original TEXT NOT NULL,
  state INTEGER NOT NULL,                       -- QueueState
  due INTEGER NOT NULL,                         -- QueueReports
  sent INTEGER NOT NULL DEFAULT 0,              -- QueueReports
  passed_on INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX queue_recipients_of_message ON queue_recipients (message);
CREATE INDEX queue_recipients_by_address ON queue_recipients (address);

CREATE TABLE queue_attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  recipient INTEGER NOT NULL REFERENCES queue_recipients (id) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  outcome INTEGER NOT NULL,                     -- QueueState
  status TEXT NOT NULL,
  host TEXT NOT NULL,
  reply TEXT NOT NULL
);
CREATE INDEX queue_attempts_of_recipient ON queue_attempts (recipient);
)sql"},
    // When mail of the queue is to be delivered, and what goes first.
    {8, R"sql(
ALTER TABLE queue ADD COLUMN hold_until INTEGER NOT NULL DEFAULT 0;      -- Unix seconds; 0: at once
ALTER TABLE queue ADD COLUMN deliver_by TEXT NOT NULL DEFAULT '';        -- "1795779438 RT"; empty: whenever
ALTER TABLE queue ADD COLUMN priority INTEGER NOT NULL DEFAULT 99;       -- -9 to 9; 99: not said
)sql"},
    // TLS of other hosts: what their domains demand, and how it came out.
    {9, R"sql(
CREATE TABLE sts_policies (
  domain TEXT PRIMARY KEY,                      -- of A-labels
  id TEXT NOT NULL,
  policy TEXT NOT NULL,                         -- as it was fetched
  fetched_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tls_counts (
  day INTEGER NOT NULL,                         -- days since 1970, UTC
  domain TEXT NOT NULL,
  kind INTEGER NOT NULL,                        -- TlsPolicyKind
  strings TEXT NOT NULL,                        -- the policy's lines
  hosts TEXT NOT NULL,
  verdict INTEGER NOT NULL,                     -- TlsVerdict
  host TEXT NOT NULL,
  address TEXT NOT NULL,
  reason TEXT NOT NULL,
  sessions INTEGER NOT NULL,
  PRIMARY KEY (day, domain, kind, strings, hosts, verdict, host, address, reason)
) WITHOUT ROWID;
CREATE TABLE tls_reported (
  day INTEGER NOT NULL,
  domain TEXT NOT NULL,
  PRIMARY KEY (day, domain)
) WITHOUT ROWID;
)sql"},
    {10, R"sql(
-- Of small messages of the queue that have no file, their bytes: storage/contents.h. Of such a message
-- queue.starts_at is 0.
CREATE TABLE queue_contents (
  message INTEGER PRIMARY KEY REFERENCES queue (id) ON DELETE CASCADE,
  bytes BLOB NOT NULL
);
)sql"},
    // What people ask about when the message itself is gone: 'mailstead why'.
    {11, R"sql(
ALTER TABLE queue ADD COLUMN header TEXT NOT NULL DEFAULT '';    -- of its header what storage/queue/told_header.h keeps
CREATE TABLE queue_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
  recipient INTEGER NOT NULL,                   -- of queue_recipients; 0: of all
  at INTEGER NOT NULL,
  kind INTEGER NOT NULL,                        -- QueueEventKind
  report TEXT NOT NULL                          -- queue id of the report, where it is one that was sent
);
CREATE INDEX queue_events_of_message ON queue_events (message);
INSERT INTO queue_events (message, recipient, at, kind, report)
  SELECT message, r.id, finished_at, 3, '' FROM queue_recipients AS r JOIN queue AS q ON q.id = message
    WHERE state = 3 AND finished_at > 0;

CREATE TABLE refused_mail (                     -- storage/database/refused_mail.h
  serial INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  service TEXT NOT NULL,
  peer TEXT NOT NULL,
  helo TEXT NOT NULL,
  user TEXT NOT NULL,
  command TEXT NOT NULL,
  sender TEXT NOT NULL,
  recipients TEXT NOT NULL,                     -- a line each
  message_id TEXT NOT NULL,
  reply TEXT NOT NULL
);
)sql"},
    {12, R"sql(
-- Of small messages whose file is not known to be on the disk yet, their bytes: storage/contents.h.
CREATE TABLE contents (
  message INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
  bytes BLOB NOT NULL
);
-- How a proper end left the folders of mailboxes: storage/watch.h. Gone from the next start on.
CREATE TABLE folder_times (
  mailbox INTEGER PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
  new_time INTEGER NOT NULL,                    -- nanoseconds since 1970
  cur_time INTEGER NOT NULL,
  deleted_time INTEGER NOT NULL,                -- 0: there is no deleted/
  changed INTEGER NOT NULL                      -- by us since it was looked at
);
)sql"},
    // What was brought from other servers and files, also when it has been deleted here since.
    {13, R"sql(
CREATE TABLE imported (
  mailbox INTEGER NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
  source TEXT NOT NULL,
  item TEXT NOT NULL,                           -- what the source calls the message
  uidl TEXT NOT NULL,                           -- what it is called here
  PRIMARY KEY (mailbox, source, item)
) WITHOUT ROWID;
CREATE INDEX imported_by_uidl ON imported (mailbox, uidl);
)sql"},
    {14, R"sql(
ALTER TABLE messages ADD COLUMN hash BLOB NOT NULL DEFAULT x'';  -- storage/mailbox/content_hash.h; empty: not known
)sql"},
    // Of small mail the bytes are in the journal: storage/journal.h.
    {15, R"sql(
ALTER TABLE contents ADD COLUMN file INTEGER NOT NULL DEFAULT 0;  -- of the journal; 0: they are in 'bytes'
ALTER TABLE contents ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
)sql"},
    {16, R"sql(
-- Of a message that was changed and taken as it is: the hash that it came with. Empty: 'hash' is that.
ALTER TABLE messages ADD COLUMN came_hash BLOB NOT NULL DEFAULT x'';
ALTER TABLE queue ADD COLUMN hash BLOB NOT NULL DEFAULT x'';     -- of the message; empty: not known
)sql"},
};

}  // namespace

std::span<const Migration> schema_migrations() {
  return kMigrations;
}

Result<int> schema_version(Database& database) {
  auto statement = database.query("PRAGMA user_version");
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return static_cast<int>(statement->integer(0));
}

namespace {

// Of each table its columns: name, type, NOT NULL and place in the primary key; of each trigger its text.
Result<std::map<std::string, std::string>> tables_of(Database& database) {
  std::map<std::string, std::string> tables;
  auto done = each_row(
      database.query(
          "SELECT t.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_master AS t, "
          "pragma_table_info(t.name) AS c"
          " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid"),
      [&](const Statement& row) {
        tables[row.text(0)] +=
            fmt::format("{} {} {} {}, ", row.text(1), row.text(2), row.integer(3), row.integer(4));
      });
  if (done) {
    done = each_row(database.query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"),
                    [&](const Statement& row) { tables[row.text(0)] = row.text(1); });
  }
  if (!done) return done.error();
  return tables;
}

}  // namespace

Result<void> migrate(Database& database, std::span<const Migration> migrations) {
  auto version = schema_version(database);
  if (!version) return version.error();
  const int newest = migrations.empty() ? 0 : migrations.back().version;
  if (*version > newest) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format(
            "the database has schema {}, this program knows schemas up to {}; run the newer Mailstead "
            "that wrote it (the copy from before the upgrade, mailstead.db.schema-N, is the way back: see "
            "FILES in mailstead(1))",
            *version, newest)};
  }
  if (*version == 0) {
    auto tables = tables_of(database);
    if (!tables) return tables.error();
    if (!tables->empty())
      return Error{ErrorKind::kCorrupt, "the database is damaged: it has lost its version"};
  }
  if (*version == newest) return {};
  // All or nothing: what a crash leaves is a schema that some program has written.
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  for (const Migration& migration : migrations) {
    if (migration.version <= *version) continue;
    const std::string script = fmt::format("{}\nPRAGMA user_version={};", migration.sql, migration.version);
    if (auto done = database.run_script(script); !done) return done;
  }
  return transaction->commit();
}

Result<void> check_schema(Database& database, std::span<const Migration> migrations) {
  auto model = Database::open_in_memory();
  if (!model) return model.error();
  if (auto done = migrate(**model, migrations); !done) return done;
  auto promised = tables_of(**model);
  if (!promised) return promised.error();
  auto found = tables_of(database);
  if (!found) return found.error();
  for (const auto& [table, columns] : *promised) {
    auto same = found->find(table);
    if (same == found->end()) {
      return Error{ErrorKind::kCorrupt, fmt::format("the database is damaged: it has no table {}", table)};
    }
    if (same->second != columns) {
      return Error{ErrorKind::kCorrupt,
                   fmt::format("the database is damaged: the columns of its table {} are not ours", table)};
    }
  }
  return {};
}

Result<std::string> read_meta(Database& database, std::string_view key) {
  auto statement = database.query("SELECT value FROM meta WHERE key = ?1", key);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->text(0) : std::string();
}

Result<std::string> read_identity(Database& database) {
  auto identity = read_meta(database, "identity");
  if (identity && identity->empty()) return read_meta(database, "uuid");
  return identity;
}

bool is_identity(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::int64_t> read_meta_number(Database& database, std::string_view key) {
  auto text = read_meta(database, key);
  if (!text) return text.error();
  std::int64_t number = 0;
  std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

Result<void> write_meta(Database& database, std::string_view key, std::string_view value) {
  return database.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", key, value);
}

}  // namespace mailstead
