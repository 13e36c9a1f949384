// What the store remembers of backups, and of what the postmaster was told of.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "storage/database/schema.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::string_view kToldAlertsKey = "told_alerts";
constexpr std::size_t kMostBackupFolders = 16;

std::vector<std::string> lines_in(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// `folder` before the others.
std::string with_folder_first(std::string_view folder, std::string_view known) {
  std::vector<std::string> folders = lines_in(known);
  std::erase(folders, folder);
  folders.insert(folders.begin(), std::string(folder));
  folders.resize(std::min(folders.size(), kMostBackupFolders));
  std::string text;
  for (const std::string& each : folders) text += each + '\n';
  return text;
}

}  // namespace

Result<void> SqliteStore::note_backup(std::int64_t at, std::string_view folder) {
  if (!database_) return closed_error();
  auto done = in_transaction([&]() -> Result<void> {
    if (!folder.empty() && folder.find('\n') == std::string_view::npos) {
      auto known = read_meta(*database_, kBackupFoldersKey);
      if (!known) return known.error();
      auto noted = write_meta(*database_, kBackupFoldersKey, with_folder_first(folder, *known));
      if (!noted) return noted;
    }
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

Result<bool> SqliteStore::may_hold_backups(std::string_view folder) {
  if (!database_) return closed_error();
  auto known = read_meta(*database_, kBackupFoldersKey);
  if (!known) return known.error();
  if (known->empty()) return last_backup_at() != 0;
  const std::vector<std::string> folders = lines_in(*known);
  return std::find(folders.begin(), folders.end(), folder) != folders.end();
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
