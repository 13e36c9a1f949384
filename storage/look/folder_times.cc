#include "storage/look/folder_times.h"

namespace mailstead {

Result<FolderTimes> folder_times_of(const DataFolder& folder, const Address& address) {
  if (!Maildir::is_complete(folder, address)) return Error{ErrorKind::kNotFound, "a part of it is not there"};
  auto times = Maildir::times_of(folder, address);
  if (!times) return times.error();
  auto deleted_time = Maildir::deleted_time_of(folder, address);
  if (!deleted_time) return deleted_time.error();
  return FolderTimes{*times, *deleted_time, false};
}

Result<std::unordered_map<MailboxId, FolderTimes>> load_folder_times(Database& database) {
  std::unordered_map<MailboxId, FolderTimes> all;
  auto done =
      each_row(database.query("SELECT mailbox, new_time, cur_time, deleted_time, changed FROM folder_times"),
               [&](const Statement& row) {
                 FolderTimes& each = all[row.integer(0)];
                 each.times.new_time = row.integer(1);
                 each.times.cur_time = row.integer(2);
                 each.deleted_time = row.integer(3);
                 each.changed_by_us = row.integer(4) != 0;
               });
  if (!done) return done.error();
  return all;
}

Result<void> write_folder_times(Database& database, const std::unordered_map<MailboxId, FolderTimes>& all) {
  if (auto done = forget_folder_times(database); !done) return done;
  for (const auto& [mailbox, each] : all) {
    auto done = database.run(
        "INSERT INTO folder_times (mailbox, new_time, cur_time, deleted_time, changed)"
        " VALUES (?1, ?2, ?3, ?4, ?5)",
        mailbox, each.times.new_time, each.times.cur_time, each.deleted_time,
        std::int64_t{each.changed_by_us ? 1 : 0});
    if (!done) return done;
  }
  return {};
}

Result<void> forget_folder_times(Database& database) {
  return database.run("DELETE FROM folder_times");
}

}  // namespace mailstead
