// The one read-write SQLite connection: statements, transactions, checkpoints.
//
// WAL with synchronous=FULL: commit() returns after the commit is durable, unless it may be so later.
// Checkpoints are made by checkpoint_if_due() and close() only; no other connection writes or checkpoints
// (SQLite 3.7.0 to 3.51.2 can lose commits when two do); one that only reads sees one moment for as long as a
// statement of its lasts, and holds nobody up but the WAL, which cannot begin anew meanwhile. Ownership:
// Database owns the connection and its prepared statements; a Statement borrows one until it is destroyed.
// Threads: one at a time. Errors: kNoSpace (SQLITE_FULL), kCorrupt (SQLITE_CORRUPT, SQLITE_NOTADB), kExists
// (UNIQUE), kUnavailable (SQLITE_BUSY), kDenied, kIo.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "protocols/result.h"

namespace mailstead {

struct StatementReset {
  void operator()(sqlite3_stmt* statement) const;
};

// A BLOB, for what is no text.
struct Octets {
  std::string_view bytes;
};

class Statement {
 public:
  // True: a row is there. False: the statement is done.
  Result<bool> step();
  std::int64_t integer(int column) const;
  std::string text(int column) const;  // or a BLOB

  Result<void> bind(int position, std::int64_t value);
  Result<void> bind(int position, std::string_view value);
  Result<void> bind(int position, Octets value);

 private:
  friend class Database;
  Statement(sqlite3_stmt* statement, bool* damaged) : statement_(statement), damaged_(damaged) {}

  std::unique_ptr<sqlite3_stmt, StatementReset> statement_;
  bool* damaged_;  // the database's
};

// Hands each row of the statement to `row`, to the end or to the first error.
template <typename Row>
Result<void> each_row(Result<Statement> statement, Row row) {
  if (!statement) return statement.error();
  while (true) {
    auto there = statement->step();
    if (!there) return there.error();
    if (!*there) return {};
    row(*statement);
  }
}

enum class DatabaseAccess {
  kWrite,    // the store's own
  kRead,     // another one beside it, of whatever process: never writes, checkpoints or recovers
  kAlone,    // a file that nobody else knows, such as a copy: without a WAL, so that it is one file
  kSalvage,  // to read what can be read of a damaged file: writes nothing to it or its WAL
};

enum class Durable {
  kNow,
  kLater,  // with the next commit that is; what a crash takes of it, it takes whole
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const std::string& path, DatabaseAccess access);
  // An empty one that is gone with the object: a model to compare with.
  static Result<std::unique_ptr<Database>> open_in_memory();
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // `sql` holds one statement and lives as long as the Database (a literal): prepared statements are kept by
  // it. Arguments are integers, texts or Octets, for ?1, ?2, …
  template <typename... Args>
  Result<Statement> query(std::string_view sql, const Args&... args) {
    auto statement = prepare(sql);
    if (!statement) return statement;
    if (auto done = bind_all(*statement, 1, args...); !done) return done.error();
    return statement;
  }
  // A statement without rows, run to its end.
  template <typename... Args>
  Result<void> run(std::string_view sql, const Args&... args) {
    auto statement = query(sql, args...);
    if (!statement) return statement.error();
    auto row = statement->step();
    if (!row) return row.error();
    return {};
  }
  // Several statements without arguments, for schemas and pragmas.
  Result<void> run_script(const std::string& sql);

  // Calls `changed` with the id of each row of this table that a transaction changed, also by a trigger, when
  // it has been committed. One table; `changed` may query and must not write.
  void watch_rows(std::string_view table, std::function<void(std::int64_t)> changed);

  // Runs `write` before the next statement of whoever is the first: what it writes is seen by all, and a
  // transaction that it has left open is ended. One at a time; between transactions of others. A statement
  // before which it fails fails, too.
  void defer(std::function<Result<void>()> write) { deferred_ = std::move(write); }
  // Runs it now, if there is one.
  Result<void> write_deferred();

  std::int64_t last_insert_id() const;
  std::int64_t changes() const;

  // Copies all of it, as it is now, over the file of this path.
  Result<void> copy_to(const std::string& path);
  // Has a statement found it so?
  bool is_damaged() const { return damaged_; }
  // It counts as damaged from now on.
  void distrust() { damaged_ = true; }
  // kExists: rows contradict one another.
  Result<void> rebuild_indexes();
  // kCorrupt with the first finding.
  Result<void> quick_check();
  // Moves the WAL into the database when it has grown; failing is no error, the WAL then grows further.
  void checkpoint_if_due();
  // Everything into the database file, WAL emptied.
  Result<void> checkpoint_all();

 private:
  friend class Transaction;
  explicit Database(sqlite3* connection) : connection_(connection) {}

  Result<void> configure(DatabaseAccess access);
  Result<Statement> prepare(std::string_view sql);
  static int note_wal(void* self, sqlite3* connection, const char* name, int frames);
  static void note_row(void* self, int what, const char* name, const char* table, sqlite3_int64 row);
  void tell_of_rows();
  // Between transactions only.
  Result<void> set_synchronous(Durable when);

  static Result<void> bind_all(Statement&, int) { return {}; }
  template <typename First, typename... Rest>
  static Result<void> bind_all(Statement& statement, int position, const First& first, const Rest&... rest) {
    if (auto done = statement.bind(position, first); !done) return done;
    return bind_all(statement, position + 1, rest...);
  }

  sqlite3* connection_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
  int wal_frames_ = 0;
  bool damaged_ = false;
  std::function<Result<void>()> deferred_;
  std::string watched_table_;
  std::function<void(std::int64_t)> on_changed_;
  std::unordered_set<std::int64_t> changed_rows_;  // of it, not told of yet
};

// BEGIN IMMEDIATE and COMMIT; rolled back when it is destroyed before commit(). A Statement with rows left
// has to be destroyed before commit().
class Transaction {
 public:
  static Result<Transaction> begin(Database& database, Durable when = Durable::kNow);
  Transaction(Transaction&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)), when_(other.when_) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // Durable on success, as begin() was told; on error nothing of it was kept. When SQLite cannot tell which,
  // the process ends with a line on stderr: the next start reads what the disk says.
  Result<void> commit();

 private:
  void end();
  Transaction(Database& database, Durable when) : database_(&database), when_(when) {}

  Database* database_;
  Durable when_;
};

}  // namespace mailstead
