#include "storage/database/database.h"

#include <fmt/format.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "storage/files.h"

namespace mailstead {

namespace {

constexpr int kBusyMilliseconds = 10'000;
constexpr int kCheckpointFrames = 1'000;  // 4 MB of pages: about as much as one flush takes anyway
constexpr const char* kPragmas =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA foreign_keys=ON;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-8192;"  // KiB: small mail is read from there when it gets its file
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA journal_size_limit=33554432;";
constexpr const char* kPragmasAlone =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=DELETE;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA foreign_keys=ON;"
    "PRAGMA temp_store=MEMORY;";

ErrorKind sqlite_kind_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorKind::kNoSpace;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::kCorrupt;
    case SQLITE_CONSTRAINT:
      return ErrorKind::kExists;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorKind::kUnavailable;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return ErrorKind::kDenied;
    default:
      return ErrorKind::kIo;
  }
}

Error database_error(sqlite3* connection, std::string_view what) {
  const int code = sqlite3_extended_errcode(connection);
  std::string_view advice =
      sqlite_kind_of(code) == ErrorKind::kNoSpace ? "; free some space on this disk" : "";
  return Error{sqlite_kind_of(code), fmt::format("the database cannot {}: {} (SQLite {}){}", what,
                                                 sqlite3_errmsg(connection), code, advice)};
}

// Nobody asks how much memory SQLite has, and counting takes a lock for each piece of it. Too late, when
// somebody in the process uses SQLite already, this changes nothing.
void spare_statistics() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(once);
}

}  // namespace

void StatementReset::operator()(sqlite3_stmt* statement) const {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      break;
  }
  Error error = database_error(sqlite3_db_handle(statement_.get()), "run a statement");
  if (error.kind == ErrorKind::kCorrupt) *damaged_ = true;
  return error;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int length = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(length));
}

Result<void> Statement::bind(int position, std::int64_t value) {
  if (sqlite3_bind_int64(statement_.get(), position, value) == SQLITE_OK) return {};
  return database_error(sqlite3_db_handle(statement_.get()), "bind a number");
}

Result<void> Statement::bind(int position, std::string_view value) {
  // An empty view may have no address, and that would bind NULL.
  const char* bytes = value.empty() ? "" : value.data();
  if (sqlite3_bind_text64(statement_.get(), position, bytes, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8) ==
      SQLITE_OK) {
    return {};
  }
  return database_error(sqlite3_db_handle(statement_.get()), "bind a text");
}

Result<void> Statement::bind(int position, Octets value) {
  const char* bytes = value.bytes.empty() ? "" : value.bytes.data();
  if (sqlite3_bind_blob64(statement_.get(), position, bytes, value.bytes.size(), SQLITE_TRANSIENT) ==
      SQLITE_OK)
    return {};
  return database_error(sqlite3_db_handle(statement_.get()), "bind octets");
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, DatabaseAccess access) {
  spare_statistics();
  sqlite3* connection = nullptr;
  const int flags = (access == DatabaseAccess::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  if (connection == nullptr) return Error{ErrorKind::kUnavailable, "no memory for the database connection"};
  std::unique_ptr<Database> database(new Database(connection));
  if (code != SQLITE_OK) return in_folder(path, database_error(connection, "be opened"));
  if (auto done = database->configure(access); !done) return in_folder(path, done.error());
  return database;
}

Result<std::unique_ptr<Database>> Database::open_in_memory() {
  sqlite3* connection = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(":memory:", &connection, flags, nullptr);
  if (connection == nullptr) return Error{ErrorKind::kUnavailable, "no memory for the database connection"};
  std::unique_ptr<Database> database(new Database(connection));
  if (code != SQLITE_OK) return database_error(connection, "be opened in memory");
  return database;
}

Result<void> Database::configure(DatabaseAccess access) {
  sqlite3_busy_timeout(connection_, kBusyMilliseconds);
  if (access == DatabaseAccess::kRead) {
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    return run_script("PRAGMA query_only=ON;");
  }
  if (access == DatabaseAccess::kSalvage) {
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    // writable_schema lets SQLite read a file that was cut short; query_only keeps it from writing.
    return run_script("PRAGMA wal_autocheckpoint=0; PRAGMA query_only=ON; PRAGMA writable_schema=ON;");
  }
  sqlite3_db_config(connection_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  if (access == DatabaseAccess::kAlone) return run_script(kPragmasAlone);
  if (auto done = run_script(kPragmas); !done) return done;
  sqlite3_wal_hook(connection_, note_wal, this);
  return {};
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  const int code = sqlite3_close(connection_);
  assert(code == SQLITE_OK);
  static_cast<void>(code);
}

Result<void> Database::write_deferred() {
  const auto write = std::exchange(deferred_, nullptr);
  return write ? write() : Result<void>();
}

Result<Statement> Database::prepare(std::string_view sql) {
  if (deferred_) {
    if (auto done = write_deferred(); !done) return done.error();
  }
  sqlite3_stmt*& kept = statements_[sql.data()];
  if (kept == nullptr) {
    if (sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &kept, nullptr) != SQLITE_OK) {
      Error error = database_error(connection_, "prepare a statement");
      statements_.erase(sql.data());
      return error;
    }
  }
  assert(sqlite3_stmt_busy(kept) == 0);
  return Statement(kept, &damaged_);
}

Result<void> Database::run_script(const std::string& sql) {
  if (sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return database_error(connection_, "be set up");
}

void Database::watch_rows(std::string_view table, std::function<void(std::int64_t)> changed) {
  watched_table_ = table;
  on_changed_ = std::move(changed);
  sqlite3_update_hook(connection_, note_row, this);
}

void Database::note_row(void* self, int, const char*, const char* table, sqlite3_int64 row) {
  auto* database = static_cast<Database*>(self);
  if (database->watched_table_ == table) database->changed_rows_.insert(row);
}

// Those of a transaction that was rolled back are among them at the next one: one look too many.
void Database::tell_of_rows() {
  for (const std::int64_t row : std::exchange(changed_rows_, {})) on_changed_(row);
}

std::int64_t Database::last_insert_id() const {
  return sqlite3_last_insert_rowid(connection_);
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(connection_);
}

Result<void> Database::copy_to(const std::string& path) {
  sqlite3* copy = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &copy, SQLITE_OPEN_READWRITE, nullptr);
  Database target(copy);  // closes it in any case
  if (opened != SQLITE_OK) return database_error(copy, "open the copy of");
  sqlite3_backup* backup = sqlite3_backup_init(copy, "main", connection_, "main");
  if (backup == nullptr) return database_error(copy, "copy");
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return database_error(copy, "copy");
  return {};
}

Result<void> Database::quick_check() {
  auto check = query("PRAGMA quick_check(1)");
  if (!check) return check.error();
  auto row = check->step();
  if (!row) return row.error();
  if (*row && check->text(0) == "ok") return {};
  return Error{ErrorKind::kCorrupt,
               "the database is damaged: " + (*row ? check->text(0) : std::string("no answer"))};
}

int Database::note_wal(void* self, sqlite3*, const char*, int frames) {
  static_cast<Database*>(self)->wal_frames_ = frames;
  return SQLITE_OK;
}

// It may be an index that keeps the deferred rows from being written.
Result<void> Database::rebuild_indexes() {
  static_cast<void>(write_deferred());
  return run_script("REINDEX");
}

void Database::checkpoint_if_due() {
  if (wal_frames_ < kCheckpointFrames || sqlite3_get_autocommit(connection_) == 0) return;
  int frames = 0;
  int moved = 0;
  // Passive: who reads beside us, for a backup, is not waited for. When he is gone the next one moves all.
  const int code =
      sqlite3_wal_checkpoint_v2(connection_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
  // A WAL that is moved whole starts again at the next commit, which tells us its length.
  if (code == SQLITE_OK && frames == moved) wal_frames_ = 0;
}

Result<void> Database::checkpoint_all() {
  static_cast<void>(write_deferred());  // what cannot be written is where it is
  const int code =
      sqlite3_wal_checkpoint_v2(connection_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK) return database_error(connection_, "take in its WAL");
  wal_frames_ = 0;
  return {};
}

// SQLite does this when it reads the statement: none of those that are kept.
Result<void> Database::set_synchronous(Durable when) {
  return run_script(when == Durable::kNow ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

Result<Transaction> Transaction::begin(Database& database, Durable when) {
  if (auto done = database.write_deferred(); !done) return done.error();
  if (when == Durable::kLater) {
    if (auto done = database.set_synchronous(when); !done) return done.error();
  }
  auto begun = database.run("BEGIN IMMEDIATE");
  if (begun) return Transaction(database, when);
  if (when == Durable::kLater) static_cast<void>(database.set_synchronous(Durable::kNow));
  return begun.error();
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  if (sqlite3_get_autocommit(database_->connection_) == 0) static_cast<void>(database_->run("ROLLBACK"));
  end();
}

// SQLite has no reason to refuse; a database that did would promise what it does not keep.
void Transaction::end() {
  Database* database = std::exchange(database_, nullptr);
  if (when_ == Durable::kNow || database->set_synchronous(Durable::kNow)) return;
  std::fprintf(stderr, "mailstead: stopping, the database does not go back to durable commits\n");
  std::abort();
}

Result<void> Transaction::commit() {
  if (int failed = pass_disk_hook("commit")) return system_error(failed, "commit to", "the database");
  auto done = database_->run("COMMIT");
  if (done) {
    Database* database = database_;
    end();
    pass_disk_hook("committed");
    database->tell_of_rows();
    return {};
  }
  // No space: the commit record was not written. Busy, constraint: it was not tried. The destructor rolls
  // back.
  const ErrorKind kind = done.error().kind;
  const bool certain =
      kind == ErrorKind::kNoSpace || kind == ErrorKind::kUnavailable || kind == ErrorKind::kExists;
  if (certain) return done;
  std::fprintf(stderr, "mailstead: stopping, it is not known whether a commit is on the disk: %s\n",
               done.error().message.c_str());
  std::abort();
}

}  // namespace mailstead
