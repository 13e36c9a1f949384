#include "backups.h"

#include <fcntl.h>

#include <filesystem>
#include <functional>

#include "storage/backup/backup.h"
#include "storage/backup/backup_restore.h"
#include "storage/backup/restore_place.h"

namespace mailstead::power {

namespace {

Result<void> as_it_is(const std::function<Result<void>()>& work) {
  return work();
}

}  // namespace

Result<void> back_up(const std::string& root) {
  auto folder = BackupFolder::open(root + "/backups", BackupFolder::Use::kWrite);
  if (!folder) return folder.error();
  auto backup = Backup::begin(
      **folder, {.data = root + "/data", .configuration = {}, .as_caller = as_it_is, .tell = {}});
  if (!backup) return backup.error();
  if (auto done = (*backup)->finish(); !done) return done;
  const auto& troubles = (*backup)->summary().troubles;
  return troubles.empty() ? Result<void>() : Error{ErrorKind::kIo, troubles.front()};
}

Result<void> restore_newest(const std::string& root, const std::string& to) {
  auto backups = BackupFolder::open(root + "/backups", BackupFolder::Use::kRead);
  if (!backups) return backups.error();
  auto generation = (*backups)->choose("");
  if (!generation) return generation.error();
  const std::string data = to + "/data";
  std::filesystem::create_directories(data);
  const FileHandle into(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto filled =
      fill_from_backup(**backups, *generation, into.fd(), data, {.as_caller = as_it_is, .tell = {}});
  if (!filled) return filled.error();
  return filled->lost == 0 ? Result<void>() : Error{ErrorKind::kCorrupt, filled->troubles.front()};
}

Result<void> restore_over(const std::string& root) {
  auto backups = BackupFolder::open(root + "/backups", BackupFolder::Use::kRead);
  if (!backups) return backups.error();
  auto generation = (*backups)->choose("");
  if (!generation) return generation.error();
  auto place = RestorePlace::open(root + "/data", "test.example", OldData::kMoveAside);
  if (!place) return place.error();
  if (!(*place)->is_whole()) {
    auto filled = fill_from_backup(**backups, *generation, (*place)->fd(), (*place)->path(),
                                   {.as_caller = as_it_is, .tell = {}});
    if (!filled) return filled.error();
    if (filled->lost != 0) return Error{ErrorKind::kCorrupt, filled->troubles.front()};
  }
  return (*place)->put_in_place();
}

}  // namespace mailstead::power
