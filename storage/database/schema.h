// The database's schema as numbered migrations on PRAGMA user_version.
//
// Errors: kInvalid when the database is of a later version than this program knows; else those of the
// database.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocols/result.h"
#include "storage/database/database.h"

namespace mailstead {

struct Migration {
  int version;      // after it; growing
  const char* sql;  // statements without rows
};

// All of ours, in order. What is released is never edited: a change is a new migration.
std::span<const Migration> schema_migrations();

// 0: an empty database.
Result<int> schema_version(Database& database);

// Brings the database to the last of `migrations`, each in a transaction of its own with its version number.
// kCorrupt: there are tables but no version.
Result<void> migrate(Database& database, std::span<const Migration> migrations);

// Has the database the tables and columns that its migrations made? kCorrupt names the first that differs.
Result<void> check_schema(Database& database, std::span<const Migration> migrations);

// Single values that belong to the whole store: "clean", "uuid". An absent one is empty.
Result<std::string> read_meta(Database& database, std::string_view key);
// What the store is known by to its backups: that of the first of its databases, where one was damaged and
// made anew.
Result<std::string> read_identity(Database& database);
// 16 hexadecimal digits?
bool is_identity(std::string_view text);
// When the last good backup was made, Unix seconds.
inline constexpr std::string_view kBackupAtKey = "backup_at";
// Of one that failed since: when, a blank, and why; empty: none has.
inline constexpr std::string_view kBackupFailureKey = "backup_failure";
// Paths of the folders that got good ones, a line each, the last one first.
inline constexpr std::string_view kBackupFoldersKey = "backup_folders";
// 0: absent, or no number.
Result<std::int64_t> read_meta_number(Database& database, std::string_view key);
Result<void> write_meta(Database& database, std::string_view key, std::string_view value);

}  // namespace mailstead
