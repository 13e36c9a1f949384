// What the store remembers of backups, and of what the postmaster was told of.
#include <fmt/format.h>

#include <charconv>

#include "storage/database/schema.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::string_view kToldAlertsKey = "told_alerts";

}  // namespace

Result<void> SqliteStore::note_backup(std::int64_t at) {
  if (!database_) return closed_error();
  auto done = in_transaction([&]() -> Result<void> {
    if (auto noted = write_meta(*database_, kBackupFailureKey, ""); !noted) return noted;
    return write_meta(*database_, kBackupAtKey, std::to_string(at));
  });
  if (done) last_backup_at_ = at;
  return done;
}

Result<void> SqliteStore::note_backup_failure(std::int64_t at, std::string_view why) {
  if (!database_) return closed_error();
  return in_transaction(
      [&] { return write_meta(*database_, kBackupFailureKey, fmt::format("{} {}", at, why)); });
}

Result<Store::AlertNotes> SqliteStore::alert_notes() {
  if (!database_) return closed_error();
  AlertNotes notes;
  auto told = read_meta(*database_, kToldAlertsKey);
  if (!told) return told.error();
  notes.told = *std::move(told);
  auto failure = read_meta(*database_, kBackupFailureKey);
  if (!failure) return failure.error();
  const std::size_t blank = failure->find(' ');
  if (blank == std::string::npos) return notes;
  std::from_chars(failure->data(), failure->data() + blank, notes.backup_failed_at);
  notes.backup_failure = failure->substr(blank + 1);
  return notes;
}

Result<void> SqliteStore::keep_told_alerts(std::string_view told) {
  if (!database_) return closed_error();
  return in_transaction([&] { return write_meta(*database_, kToldAlertsKey, std::string(told)); });
}

}  // namespace mailstead
