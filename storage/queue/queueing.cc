#include "storage/queue/queueing.h"

#include <algorithm>

namespace mailstead {

void Queueing::add(std::size_t message, QueuedMessage queued, const QueuedContent& content,
                   std::string header) {
  queued.size = content.size();
  const bool in_database = content.spool == nullptr && queued.size <= QueueContents::kMostOfOne &&
                           contents_.has_room(messages_in_database_ + 1, octets_in_database_ + queued.size);
  if (in_database) {
    ++messages_in_database_;
    octets_in_database_ += queued.size;
  }
  copies_.push_back({message, std::move(queued), content, std::move(header), in_database});
}

std::vector<std::pair<std::size_t, Error>> Queueing::write(const Failed& failed) {
  for (Copy& copy : copies_) {
    if (copy.in_database || failed(copy.message)) continue;
    copy.file = files_.size();
    files_.push_back({&copy.queued, copy.content});
  }
  write_queue_files(folder_, files_);
  std::vector<std::pair<std::size_t, Error>> failures;
  for (const Copy& copy : copies_) {
    if (!copy.file) continue;
    if (const auto& error = files_[*copy.file].error) failures.emplace_back(copy.message, *error);
  }
  return failures;
}

void Queueing::withdraw(const Failed& failed) {
  for (const Copy& copy : copies_) {
    if (failed(copy.message) && copy.file) withdraw_queue_file(folder_, files_[*copy.file]);
  }
}

Result<void> Queueing::insert_rows(const Failed& failed, std::size_t& place) {
  for (Copy& copy : copies_) {
    if (failed(copy.message)) continue;
    place = copy.message;
    const std::uint64_t starts_at = copy.in_database ? kWithoutFile : files_[*copy.file].starts_at;
    auto hash = copy.in_database ? hash_of(copy.content) : Result<ContentHash>(files_[*copy.file].hash);
    if (!hash) return hash.error();
    if (auto done = table_.insert(copy.queued, starts_at, copy.header, *hash); !done) return done;
    if (!copy.in_database) continue;
    auto done = contents_.insert(copy.queued.row, copy.content.head, copy.content.rest);
    if (!done) return done;
  }
  return {};
}

void Queueing::committed(const Failed& failed) {
  for (const Copy& copy : copies_) {
    if (copy.in_database && !failed(copy.message)) contents_.keep(copy.queued.row, copy.queued.size);
  }
}

bool Queueing::has_any(const Failed& failed) const {
  return std::ranges::any_of(copies_, [&](const Copy& copy) { return !failed(copy.message); });
}

std::vector<QueueRow> Queueing::rows(const Failed& failed) const {
  std::vector<QueueRow> rows;
  for (const Copy& copy : copies_) {
    if (!failed(copy.message)) rows.push_back(copy.queued.row);
  }
  return rows;
}

std::size_t Queueing::waiting(std::size_t message) const {
  std::size_t count = 0;
  for (const Copy& copy : copies_) {
    if (copy.message != message) continue;
    count += static_cast<std::size_t>(std::ranges::count_if(
        copy.queued.recipients, [](const QueuedRecipient& r) { return r.state == QueueState::kWaiting; }));
  }
  return count;
}

namespace {

// Of those that have been written.
Result<void> note_files(Database& database, QueueContents& contents, std::span<const QueueFile> files) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  for (const QueueFile& file : files) {
    if (file.error) continue;
    if (auto done = QueueTable(database).set_starts_at(file.message->row, file.starts_at); !done) return done;
    if (auto done = contents.erase(file.message->row); !done) return done;
  }
  return transaction->commit();
}

}  // namespace

// The file is on the disk before the bytes in the database go. A crash in between leaves both; the row says
// which counts, and the other goes when the message is moved again, or at the next start.
Result<void> move_to_files(const QueueFolder& folder, Database& database, QueueContents& contents,
                           std::span<const QueueRow> rows) {
  QueueTable table(database);
  std::vector<QueuedMessage> messages;
  std::vector<std::string> bytes;
  messages.reserve(rows.size());
  bytes.reserve(rows.size());
  std::vector<QueueFile> files;
  std::optional<Error> failure;
  for (const QueueRow row : rows) {
    auto message = table.find(row);
    if (message && (!*message || (*message)->finished_at != 0)) {
      contents.forget(row);
      continue;
    }
    auto content = contents.read(row);
    if (message && content && content->size() != (*message)->size)
      content = Error{ErrorKind::kCorrupt, "the database has not all of " + (*message)->id};
    if (!message || !content) {
      failure = !message ? message.error() : content.error();
      contents.postpone(row);
      continue;
    }
    // An earlier attempt may have left what could not be removed then. The bytes in the database count.
    folder.discard_draft((*message)->id);
    if (auto gone = folder.remove((*message)->id); !gone) failure = gone.error();
    messages.push_back(**std::move(message));
    bytes.push_back(*std::move(content));
    files.push_back({&messages.back(), {bytes.back(), nullptr, {}}});
  }
  write_queue_files(folder, files);
  const auto noted = note_files(database, contents, files);
  if (!noted) failure = noted.error();
  for (QueueFile& file : files) {
    if (!noted || file.error) {
      withdraw_queue_file(folder, file);
      contents.postpone(file.message->row);
    } else {
      contents.forget(file.message->row);
    }
    if (file.error && !failure) failure = *file.error;
  }
  if (failure) return *failure;
  return {};
}

}  // namespace mailstead
