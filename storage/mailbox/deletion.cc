#include "storage/mailbox/deletion.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/database/aging.h"
#include "storage/database/history.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::size_t kMarkedTogether = 256;

// Are these, in their order, all present messages of their mailbox from the first to the last?
Result<bool> are_all_between(Database& database, std::span<const std::int64_t> ids) {
  std::size_t same = 0;
  std::size_t count = 0;
  auto done = each_row(
      database.query("SELECT id FROM messages WHERE mailbox = (SELECT mailbox FROM messages WHERE id = ?1)"
                     " AND state = 0 AND id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
                     ids.front(), ids.back(), static_cast<std::int64_t>(ids.size() + 1)),
      [&](const Statement& row) {
        if (count < ids.size() && row.integer(0) == ids[count]) ++same;
        ++count;
      });
  if (!done) return done.error();
  return same == ids.size() && count == ids.size();
}

// Who deletes all of a large mailbox has it marked by two statements for some hundreds of messages.
Result<void> mark_between(Database& database, std::int64_t first, std::int64_t last, const DeleteTerms& terms,
                          std::int64_t now, std::int64_t age) {
  Result<void> done;
  if (terms.deleted == Deleted::kKept) {
    done = database.run(
        "INSERT INTO deletions (message, deleted_at, age_from, device) SELECT id, ?3, ?4, ?5 FROM messages"
        " WHERE mailbox = (SELECT mailbox FROM messages WHERE id = ?1) AND state = 0 AND id BETWEEN ?1 AND ?2"
        " ORDER BY id",
        first, last, now, age, terms.device);
  }
  if (!done) return done;
  const MessageState state =
      terms.deleted == Deleted::kKept ? MessageState::kDeleted : MessageState::kDeleting;
  return database.run(
      "UPDATE messages SET state = ?3 WHERE mailbox = (SELECT mailbox FROM messages WHERE id = ?1)"
      " AND state = 0 AND id BETWEEN ?1 AND ?2",
      first, last, static_cast<std::int64_t>(state));
}

Result<void> mark_each(Database& database, std::span<const std::int64_t> ids, const DeleteTerms& terms,
                       std::int64_t now, std::int64_t age) {
  Index index(database);
  Deletions deletions(database);
  const bool are_kept = terms.deleted == Deleted::kKept;
  for (std::int64_t id : ids) {
    auto done = index.set_state(id, are_kept ? MessageState::kDeleted : MessageState::kDeleting);
    if (done && are_kept) done = deletions.add(id, now, age, terms.device);
    if (!done) return done;
  }
  return {};
}

Result<void> mark_once(Database& database, std::span<const std::int64_t> ids, const DeleteTerms& terms,
                       const std::function<Result<void>()>& along) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  const std::int64_t now = unix_seconds();
  if (along) {
    if (auto done = along(); !done) return done;
  }
  std::int64_t age_now = 0;
  if (terms.deleted == Deleted::kKept) {
    auto age = advance_age(database, now);
    if (!age) return age.error();
    age_now = age->now;
  }
  while (!ids.empty()) {
    const auto some = ids.first(std::min(ids.size(), kMarkedTogether));
    ids = ids.subspan(some.size());
    auto together = are_all_between(database, some);
    if (!together) return together.error();
    auto done = *together ? mark_between(database, some.front(), some.back(), terms, now, age_now)
                          : mark_each(database, some, terms, now, age_now);
    if (!done) return done;
  }
  return transaction->commit();
}

// Another mail tool may have renamed the files: then they are found by base name. Of several files of one
// base name the first is the message's, as for a look (reconcile.h), with its other names; the rest are
// messages of their own.
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
      return name != names.front() && maildir.compare(*names.front(), *name) != Maildir::Names::kOfOneFile;
    });
    for (const std::string* name : names) {
      auto done = maildir.remove(*name);
      if (!done && done.error().kind != ErrorKind::kNotFound) return done;
    }
  }
  return {};
}

}  // namespace

Result<bool> mark_deleted(DataFolder& folder, Database& database, std::span<const std::int64_t> ids,
                          const DeleteTerms& terms, const std::function<Result<void>()>& along) {
  auto done = mark_once(database, ids, terms, along);
  if (done) return true;
  if (done.error().kind != ErrorKind::kNoSpace) return done.error();
  folder.release_reserve();
  done = mark_once(database, ids, terms, nullptr);
  if (!done) return done.error();
  return false;
}

namespace {

// Moves the row's file, and the row with it. False: it is not where the row says.
Result<bool> move_aside(Maildir& maildir, MessageRow& row) {
  const std::string to = path_aside(row.name);
  // It may lie there already, under another name than the row's, when the row could not be written.
  auto done = row.name == to ? Result<void>() : maildir.rename(row.name, to);
  if (!done && done.error().kind == ErrorKind::kExists) {
    // Somebody has copied the message back by hand, and it was deleted again: what lies there is its copy.
    if (auto removed = maildir.remove(to); !removed) return removed.error();
    done = maildir.rename(row.name, to);
  }
  if (!done && done.error().kind == ErrorKind::kNotFound) {
    if (!maildir.is_there(to)) return false;
  } else if (!done) {
    return done.error();
  }
  row.name = to;
  row.state = MessageState::kAside;
  return true;
}

// Another mail tool may have renamed them.
Result<void> move_renamed_aside(Maildir& maildir, std::span<MessageRow* const> rows) {
  auto paths = maildir.list();
  if (!paths) return paths.error();
  std::sort(paths->begin(), paths->end());
  std::unordered_map<std::string, const std::string*> by_base;
  for (const std::string& path : *paths) by_base.emplace(base_name(path), &path);
  for (MessageRow* row : rows) {
    const auto found = by_base.find(std::string(base_name(row->name)));
    if (found == by_base.end()) continue;
    row->name = *found->second;
    if (auto moved = move_aside(maildir, *row); !moved) return moved.error();
  }
  return {};
}

}  // namespace

Result<std::size_t> put_aside(Database& database, Maildir& maildir, MailboxId mailbox, std::int64_t& after,
                              std::size_t at_most) {
  Index index(database);
  auto rows = index.of_state_after(mailbox, MessageState::kDeleted, after, at_most);
  if (!rows) return rows.error();
  if (rows->empty()) return std::size_t{0};
  if (auto made = maildir.make_deleted(); !made) return made.error();
  std::vector<MessageRow*> not_found;
  Result<void> resisted;
  for (MessageRow& row : *rows) {
    auto moved = move_aside(maildir, row);
    if (!moved) {
      if (resisted) resisted = moved.error();
    } else if (!*moved) {
      not_found.push_back(&row);
    }
  }
  if (!not_found.empty()) {
    if (auto done = move_renamed_aside(maildir, not_found); !done && resisted) resisted = done;
  }
  if (auto done = maildir.sync_all(); !done) return done.error();
  {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    for (const MessageRow& row : *rows) {
      if (row.state != MessageState::kAside) continue;
      if (auto done = index.update(row); !done) return done.error();
    }
    if (auto done = transaction->commit(); !done) return done.error();
  }
  after = rows->back().id;
  if (!resisted) return resisted.error();
  return index.count_after(mailbox, MessageState::kDeleted, after);
}

Result<std::size_t> purge_marked(Database& database, Filer& filer, Maildir& maildir, MailboxId mailbox,
                                 std::int64_t& after, std::size_t at_most) {
  Index index(database);
  auto rows = index.of_state_after(mailbox, MessageState::kDeleting, after, at_most);
  if (!rows) return rows.error();
  if (rows->empty()) return std::size_t{0};
  std::vector<std::int64_t> gone;
  std::vector<MessageRow> not_found;
  Result<void> resisted;
  bool has_files = false;
  for (const MessageRow& row : *rows) {
    // One without a file may have what a filing that failed has left.
    const bool is_unfiled = filer.is_unfiled(row.id);
    auto done = maildir.remove(row.name);
    const bool was_there = done || done.error().kind != ErrorKind::kNotFound;
    if (!is_unfiled || was_there) has_files = true;
    if (!was_there) {
      if (!is_unfiled) not_found.push_back(row);
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
    if (has_files) {
      if (auto done = maildir.sync_all(); !done) return done.error();
    }
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    for (std::int64_t id : gone) {
      if (auto done = index.erase(id); !done) return done.error();
    }
    if (auto done = transaction->commit(); !done) return done.error();
    for (std::int64_t id : gone) filer.forget(id);
  }
  after = rows->back().id;
  if (!resisted) return resisted.error();
  return index.count_after(mailbox, MessageState::kDeleting, after);
}

}  // namespace mailstead
