#include "storage/deletion.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/message_id.h"

namespace mailstead {

namespace {

Result<void> mark_once(Database& database, std::span<const std::int64_t> ids) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  Index index(database);
  for (std::int64_t id : ids) {
    if (auto done = index.set_state(id, MessageState::kDeleting); !done) return done;
  }
  return transaction->commit();
}

// Another mail tool may have renamed the files: then they are found by base name. Of several files of one
// base name the first is the message's, as for reconcile(), with its other names; the rest are messages of
// their own.
Result<void> remove_renamed(Maildir& maildir, const std::vector<MessageRow>& rows) {
  auto paths = maildir.list();
  if (!paths) return paths.error();
  std::sort(paths->begin(), paths->end());
  std::unordered_map<std::string, std::vector<const std::string*>> by_base;
  for (const std::string& path : *paths) by_base[std::string(base_name(path))].push_back(&path);
  for (const MessageRow& row : rows) {
    const auto found = by_base.find(std::string(base_name(row.name)));
    if (found == by_base.end()) continue;
    std::vector<const std::string*> names = found->second;
    std::erase_if(names, [&](const std::string* name) {
      return name != names.front() && !maildir.same_file(*names.front(), *name);
    });
    for (const std::string* name : names) {
      auto done = maildir.remove(*name);
      if (!done && done.error().kind != ErrorKind::kNotFound) return done;
    }
  }
  return {};
}

}  // namespace

Result<void> mark_deleted(DataFolder& folder, Database& database, std::span<const std::int64_t> ids) {
  auto done = mark_once(database, ids);
  if (done || done.error().kind != ErrorKind::kNoSpace) return done;
  folder.release_reserve();
  return mark_once(database, ids);
}

Result<std::size_t> purge_marked(Database& database, Maildir& maildir, MailboxId mailbox,
                                 std::size_t at_most) {
  Index index(database);
  auto rows = index.of_state(mailbox, MessageState::kDeleting);
  if (!rows) return rows.error();
  std::vector<std::int64_t> gone;
  std::vector<MessageRow> not_found;
  Result<void> resisted;
  for (const MessageRow& row : *rows) {
    if (gone.size() == at_most) break;
    auto done = maildir.remove(row.name);
    if (!done && done.error().kind == ErrorKind::kNotFound) {
      not_found.push_back(row);
    } else if (!done) {
      if (resisted) resisted = done;
      continue;
    }
    gone.push_back(row.id);
  }
  if (!not_found.empty()) {
    if (auto done = remove_renamed(maildir, not_found); !done) return done.error();
  }
  if (!gone.empty()) {
    if (auto done = maildir.sync_all(); !done) return done.error();
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    for (std::int64_t id : gone) {
      if (auto done = index.erase(id); !done) return done.error();
    }
    if (auto done = transaction->commit(); !done) return done.error();
  }
  if (!resisted) return resisted.error();
  return rows->size() - gone.size();
}

}  // namespace mailstead
