#include "storage/recovery/queue_recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "storage/mailbox/content.h"
#include "storage/mailbox/message_id.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queue_table.h"

namespace mailstead {

namespace {

// False: it has no recipients. Nobody waited for it, and what its sender was to be told went with its row.
Result<bool> take_in(const QueueFolder& folder, Database& database, const std::string& id) {
  auto file = folder.open(id);
  if (!file) return file.error();
  const auto size = static_cast<std::uint64_t>(file->facts.st_size);
  std::string beginning;
  if (auto done = read_some(file->fd(), 0, kMaxQueueFileHead, beginning); !done) return done.error();
  auto head = parse_queue_file_head(beginning);
  if (!head) return head.error();
  QueuedMessage& message = head->message;
  if (message.recipients.empty()) return false;
  message.id = id;
  message.size = size - head->starts_at;
  const std::int64_t now = unix_seconds();
  if (message.received_at == 0) message.received_at = now;
  for (QueuedRecipient& queued : message.recipients)
    queued.next_at = std::max(now, message.envelope.hold_until);
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  ContentScan scan;
  scan.add(std::string_view(beginning).substr(head->starts_at));
  if (auto done = QueueTable(database).insert(message, head->starts_at, scan.told(), {}); !done)
    return done.error();
  if (auto done = transaction->commit(); !done) return done.error();
  return true;
}

}  // namespace

Result<void> recover_queue(const DataFolder& data, Database& database, std::vector<std::string>& actions) {
  const QueueFolder folder(data.queue_fd());
  auto swept = folder.sweep_drafts();
  if (!swept) return swept.error();
  auto filed = QueueTable(database).filed_by_id();
  if (!filed) return filed.error();
  auto ids = folder.ids();
  if (!ids) return ids.error();
  std::size_t taken_in = 0;
  std::size_t dropped = 0;
  for (const std::string& id : *ids) {
    const auto known = filed->find(id);
    if (known != filed->end()) {
      // With its bytes in the database, too, a crash left it while they were moved.
      if (known->second != QueueTable::Filed::kInFile) {
        if (auto done = folder.remove(id); !done) return done;
      }
      continue;
    }
    auto done = take_in(folder, database, id);
    if (!done && done.error().kind == ErrorKind::kCorrupt) {
      actions.push_back(fmt::format("left queue/{} alone: {}", id, done.error().message));
    } else if (!done) {
      return done.error();
    } else if (*done) {
      ++taken_in;
    } else {
      if (auto gone = folder.remove(id); !gone) return gone;
      ++dropped;
    }
  }
  if (*swept > 0) {
    actions.push_back(fmt::format("removed {} unfinished draft{} in the queue, never acknowledged", *swept,
                                  *swept == 1 ? "" : "s"));
  }
  if (taken_in > 0) {
    actions.push_back(fmt::format("took {} message{} into the queue again whose rows were not there",
                                  taken_in, taken_in == 1 ? "" : "s"));
  }
  if (dropped > 0) {
    actions.push_back(fmt::format(
        "dropped {} message{} from the queue whose rows were not there and that nobody waited for", dropped,
        dropped == 1 ? "" : "s"));
  }
  const std::unordered_set<std::string> there(ids->begin(), ids->end());
  for (const auto& [id, where] : *filed) {
    if (where == QueueTable::Filed::kInFile && !there.contains(id))
      actions.push_back(fmt::format("queue/{} is gone; its message cannot be sent until it returns", id));
  }
  return {};
}

}  // namespace mailstead
