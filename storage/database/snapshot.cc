#include "storage/database/snapshot.h"

#include <fmt/format.h>

#include <string>

#include "storage/database/schema.h"
#include "storage/files.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kRoomToMigrate = 8u << 20;  // octets: what the migration itself may need, and some

std::string beside(const DataFolder& folder, const std::string& name) {
  std::string path = folder.database_path();
  path.replace(path.rfind('/') + 1, std::string::npos, name);
  return path;
}

std::uint64_t octets_of(const DataFolder& folder, const std::string& name) {
  const auto facts = stat_name(folder.fd(), name);
  return facts ? static_cast<std::uint64_t>(facts->st_size) : 0;
}

Result<void> check_room(const DataFolder& folder) {
  const std::uint64_t needed = octets_of(folder, kDatabaseFile) +
                               octets_of(folder, std::string(kDatabaseFile) + "-wal") + kRoomToMigrate;
  const auto space = folder.free_space();
  if (!space) return space.error();
  if (*space >= needed) return {};
  return Error{
      ErrorKind::kNoSpace,
      fmt::format("{}: an upgrade keeps a copy of the database as it was, which needs {} MiB, and {} "
                  "MiB are free; nothing was changed: free some space on this disk",
                  folder.path(), (needed >> 20) + 1, *space >> 20)};
}

Result<void> remove_if_there(const DataFolder& folder, const std::string& name) {
  auto done = remove_file(folder.fd(), name);
  if (done || done.error().kind == ErrorKind::kNotFound) return {};
  return in_folder(folder.path(), done.error());
}

Result<void> write_copy(const DataFolder& folder, Database& database, const std::string& name) {
  if (auto done = remove_if_there(folder, name); !done) return done;
  auto file = create_file(folder.fd(), name);  // its mode is ours
  if (!file) return in_folder(folder.path(), file.error());
  if (auto done = database.copy_to(beside(folder, name)); !done)
    return in_folder(folder.path(), done.error());
  auto synced = sync_handle(file->fd(), name);
  return synced ? synced : in_folder(folder.path(), synced.error());
}

}  // namespace

Result<void> snapshot_before_migration(const DataFolder& folder, Database& database, int newest,
                                       RecoveryReport& report) {
  const auto version = schema_version(database);
  if (!version) return version.error();
  if (*version == 0 || *version >= newest) return {};
  if (auto done = check_room(folder); !done) return done;
  const std::string name = fmt::format("{}.schema-{}", kDatabaseFile, *version);
  const std::string draft = name + ".unfinished";
  auto done = write_copy(folder, database, draft);
  if (!done) {
    static_cast<void>(remove_file(folder.fd(), draft));
    return done;
  }
  // An earlier way back leads to an even older program; one is enough.
  auto names = list_folder(folder.fd());
  if (!names) return in_folder(folder.path(), names.error());
  for (const std::string& old : *names) {
    if (!old.starts_with(std::string(kDatabaseFile) + ".schema-") || old == draft) continue;
    if (auto gone = remove_if_there(folder, old); !gone) return gone;
  }
  done = move_file(folder.fd(), draft, folder.fd(), name);
  if (done) done = sync_handle(folder.fd(), "the data folder");
  if (!done) return in_folder(folder.path(), done.error());
  report.actions.push_back(fmt::format(
      "bringing the database from schema {} to {}: as it was it is kept as {}, for the way back to the older "
      "program",
      *version, newest, name));
  return {};
}

}  // namespace mailstead
