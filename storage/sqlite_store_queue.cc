// The queue's side of the store: what is to be sent, what became of it, and what people do to it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/smtp/message_id_field.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queue_table.h"
#include "storage/queue/queueing.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostFound = 100;  // messages of a search

Error not_queued(const std::string& id) {
  return {ErrorKind::kNotFound, fmt::format("there is no message {} in the queue", id)};
}

}  // namespace

void SqliteStore::tell_queue_changes(const std::vector<QueueRow>& messages) {
  QueueTable table(*database_);
  const QueueFolder folder(folder_->queue_fd());
  QueueRow last = 0;
  for (QueueRow row : messages) {
    if (std::exchange(last, row) == row) continue;
    auto message = table.find(row);
    if (!message) {
      notice_failure(message.error());
      continue;
    }
    if (!*message) continue;
    auto entries = entries_of(**message);
    queue_changes_.insert(queue_changes_.end(), std::make_move_iterator(entries.begin()),
                          std::make_move_iterator(entries.end()));
    // Not synced: a file that comes back after a power loss meets its finished row at the next start.
    if ((*message)->finished_at == 0 || queue_contents_->forget(row)) continue;
    if (auto gone = folder.remove((*message)->id); !gone) {
      notice_failure(gone);
      queue_leftovers_.push_back((*message)->id);
    }
  }
}

Result<std::vector<QueueEntry>> SqliteStore::queue_entries(QueueRow& after, std::size_t at_most) {
  if (!database_) return closed_error();
  QueueTable table(*database_);
  auto rows = table.unfinished(after, at_most);
  if (!rows) return rows.error();
  std::vector<QueueEntry> entries;
  for (QueueRow row : *rows) {
    auto message = table.find(row);
    if (!message) return message.error();
    auto own = entries_of(**message);
    entries.insert(entries.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
    after = row;
  }
  return entries;
}

Result<QueuedMessage> SqliteStore::queued_message(QueueRow row) {
  if (!database_) return closed_error();
  auto message = QueueTable(*database_).find(row);
  if (!message) return message.error();
  if (!*message) return Error{ErrorKind::kNotFound, "the message is no longer in the queue"};
  return **std::move(message);
}

Result<std::unique_ptr<MessageReader>> SqliteStore::open_queued(const QueuedMessage& message) {
  if (!database_) return closed_error();
  auto starts_at = QueueTable(*database_).starts_at(message.row);
  if (!starts_at) return starts_at.error();
  if (*starts_at == kWithoutFile) {
    auto bytes = queue_contents_->read(message.row);
    if (!bytes) return bytes.error();
    return std::unique_ptr<MessageReader>(std::make_unique<TextReader>(*std::move(bytes)));
  }
  auto file = QueueFolder(folder_->queue_fd()).open(message.id);
  if (!file) return file.error();
  if (static_cast<std::uint64_t>(file->facts.st_size) != *starts_at + message.size) {
    return Error{ErrorKind::kCorrupt, fmt::format("queue/{} has {} octets, the index says {}", message.id,
                                                  file->facts.st_size, *starts_at + message.size)};
  }
  return std::unique_ptr<MessageReader>(std::make_unique<FileReader>(std::move(file->handle), *starts_at));
}

Result<void> SqliteStore::note_outcomes(std::span<const QueueOutcome> outcomes) {
  if (!database_) return closed_error();
  std::vector<QueueRow> changed;
  auto done = in_transaction([&]() -> Result<void> {
    changed.clear();
    return QueueTable(*database_).note_all(outcomes, changed);
  });
  if (!done) return done;
  tell_queue_changes(changed);
  database_->checkpoint_if_due();
  return {};
}

Result<void> SqliteStore::settle_reports(std::span<const SettledReport> reports) {
  if (!database_) return closed_error();
  std::vector<QueueRow> changed;
  const std::int64_t now = unix_seconds();
  auto done = in_transaction([&]() -> Result<void> {
    changed.clear();
    return QueueTable(*database_).settle_all(reports, {}, now, changed);
  });
  if (done) tell_queue_changes(changed);
  return done;
}

Result<QueueTotals> SqliteStore::queue_totals() {
  if (!database_) return closed_error();
  return QueueTable(*database_).totals();
}

Result<std::int64_t> SqliteStore::queue_waits_since() {
  if (!database_) return closed_error();
  return QueueTable(*database_).waits_since(unix_seconds());
}

Result<std::vector<QueuedMessage>> SqliteStore::list_queue(QueueRow after, std::size_t at_most) {
  if (!database_) return closed_error();
  QueueTable table(*database_);
  auto rows = table.unfinished(after, at_most);
  if (!rows) return rows.error();
  std::vector<QueuedMessage> messages;
  for (QueueRow row : *rows) {
    auto message = table.find(row);
    if (!message) return message.error();
    messages.push_back(**std::move(message));
  }
  return messages;
}

Result<QueuedMessage> SqliteStore::find_queued(const std::string& id) {
  if (!database_) return closed_error();
  auto row = QueueTable(*database_).row_of(id);
  if (!row) return row.error();
  if (!*row) return not_queued(id);
  return queued_message(**row);
}

Result<std::vector<QueuedMessage>> SqliteStore::search_queue(const std::string& what) {
  if (!database_) return closed_error();
  QueueTable table(*database_);
  std::vector<QueueRow> rows;
  auto own = table.row_of(what);
  if (!own) return own.error();
  if (*own) rows.push_back(**own);
  auto by_message_id = table.rows_of_message_id(bare_message_id(what));
  if (!by_message_id) return by_message_id.error();
  rows.insert(rows.end(), by_message_id->rbegin(), by_message_id->rend());
  if (auto address = parse_address(what)) {
    auto about = table.rows_about(*address, kMostFound);
    if (!about) return about.error();
    rows.insert(rows.end(), about->begin(), about->end());
  }
  std::vector<QueuedMessage> messages;
  for (QueueRow row : rows) {
    const auto is_there = [row](const QueuedMessage& message) { return message.row == row; };
    if (messages.size() == kMostFound || std::ranges::any_of(messages, is_there)) continue;
    auto message = table.find(row);
    if (!message) return message.error();
    if (*message) messages.push_back(**std::move(message));
  }
  return messages;
}

Result<std::vector<QueueAttempt>> SqliteStore::queue_attempts(RecipientRow recipient) {
  if (!database_) return closed_error();
  return QueueTable(*database_).attempts(recipient);
}

Result<std::vector<QueueEvent>> SqliteStore::queue_events(QueueRow message) {
  if (!database_) return closed_error();
  return QueueTable(*database_).events(message);
}

Result<std::string> SqliteStore::queued_header(QueueRow message) {
  if (!database_) return closed_error();
  return QueueTable(*database_).header(message);
}

template <typename Change>
Result<void> SqliteStore::change_queued(const std::string& id, Change change) {
  auto message = find_queued(id);
  if (!message) return message.error();
  if (message->finished_at != 0) return not_queued(id);
  auto done = in_transaction([&] { return change(QueueTable(*database_), message->row); });
  if (done) tell_queue_changes({message->row});
  return done;
}

Result<void> SqliteStore::retry_queued(const std::string& id) {
  const std::int64_t now = unix_seconds();
  return change_queued(id, [now](QueueTable table, QueueRow row) {
    auto done = table.try_at(row, now);
    return done ? table.add_event(row, {now, QueueEventKind::kRetried}) : done;
  });
}

Result<std::size_t> SqliteStore::retry_queue(QueueRow& after, std::size_t at_most) {
  if (!database_) return closed_error();
  const std::int64_t now = unix_seconds();
  QueueTable table(*database_);
  auto rows = table.unheld(after, at_most);
  if (!rows) return rows.error();
  if (rows->empty()) return std::size_t{0};
  auto done = in_transaction([&]() -> Result<void> {
    for (QueueRow row : *rows) {
      if (auto tried = table.try_at(row, now); !tried) return tried;
      if (auto told = table.add_event(row, {now, QueueEventKind::kRetried}); !told) return told;
    }
    return {};
  });
  if (!done) return done.error();
  tell_queue_changes(*rows);
  database_->checkpoint_if_due();
  after = rows->back();
  return rows->size();
}

Result<void> SqliteStore::hold_queued(const std::string& id) {
  const std::int64_t now = unix_seconds();
  return change_queued(id, [now](QueueTable table, QueueRow row) {
    auto done = table.set_held(row, true);
    return done ? table.add_event(row, {now, QueueEventKind::kHeld}) : done;
  });
}

Result<void> SqliteStore::release_queued(const std::string& id) {
  const std::int64_t now = unix_seconds();
  return change_queued(id, [now](QueueTable table, QueueRow row) {
    auto done = table.set_held(row, false);
    if (done) done = table.end_hold(row, now);
    return done ? table.add_event(row, {now, QueueEventKind::kReleased}) : done;
  });
}

Result<void> SqliteStore::drop_queued(const std::string& id) {
  const std::int64_t now = unix_seconds();
  return change_queued(id, [now](QueueTable table, QueueRow row) { return table.drop(row, now); });
}

Result<bool> SqliteStore::file_queued(std::chrono::seconds age, std::size_t at_most) {
  if (!database_) return closed_error();
  const QueueFolder folder(folder_->queue_fd());
  std::erase_if(queue_leftovers_, [&](const std::string& id) { return folder.remove(id).has_value(); });
  const auto rows = queue_contents_->before(QueueContents::Clock::now() - age, at_most);
  if (rows.empty()) return false;
  auto done = move_to_files(folder, *database_, *queue_contents_, rows);
  database_->checkpoint_if_due();
  if (!done) return done.error();
  return rows.size() == at_most;
}

Result<bool> SqliteStore::forget_finished(std::size_t at_most) {
  if (!database_) return closed_error();
  QueueTable table(*database_);
  auto rows = table.finished_before(unix_seconds() - kQueueHistory.count(), at_most);
  if (!rows) return rows.error();
  if (rows->empty()) return false;
  // A file that a power loss brought back has to be gone for good before its row is: without one it would be
  // sent again.
  const QueueFolder folder(folder_->queue_fd());
  std::vector<QueueRow> gone;
  for (QueueRow row : *rows) {
    auto message = table.find(row);
    if (!message) return message.error();
    if (folder.remove((*message)->id)) gone.push_back(row);
  }
  if (auto done = folder.sync(); !done) return done.error();
  auto done = in_transaction([&]() -> Result<void> {
    for (QueueRow row : gone) {
      if (auto erased = table.erase(row); !erased) return erased;
    }
    return {};
  });
  if (!done) return done.error();
  return !gone.empty() && rows->size() == at_most;
}

}  // namespace mailstead
