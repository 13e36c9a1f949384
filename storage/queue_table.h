// The queue as rows: messages, recipients, attempts.
//
// Every function runs in the caller's transaction, or by itself when there is none.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocols/result.h"
#include "storage/database.h"
#include "storage/queue.h"

namespace mailstead {

// Where a message begins that has no file: it is in the database (queue_contents.h). Before a message in a
// file stands its envelope.
inline constexpr std::uint64_t kWithoutFile = 0;

class QueueTable {
 public:
  explicit QueueTable(Database& database) : database_(database) {}

  // Gives the message and its recipients their rows. kExists: this id is queued already.
  Result<void> insert(QueuedMessage& message, std::uint64_t starts_at);
  Result<std::uint64_t> starts_at(QueueRow message);
  Result<void> set_starts_at(QueueRow message, std::uint64_t starts_at);

  Result<std::optional<QueuedMessage>> find(QueueRow message);
  Result<std::optional<QueueRow>> row_of(const std::string& id);
  Result<std::vector<QueueRow>> rows_of_message_id(const std::string& message_id);
  // Messages with a recipient of this address, the newest first.
  Result<std::vector<QueueRow>> rows_to(const std::string& address, std::size_t at_most);
  // Of unfinished messages behind `after`, the oldest first.
  Result<std::vector<QueueRow>> unfinished(QueueRow after, std::size_t at_most);
  // Of those that are not held, all.
  Result<std::vector<QueueRow>> unheld();
  // Of messages that were finished before `at`.
  Result<std::vector<QueueRow>> finished_before(std::int64_t at, std::size_t at_most);
  // What a message has to do with a file of its name.
  enum class Filed { kFinished, kInFile, kInDatabase };
  Result<std::unordered_map<std::string, Filed>> filed_by_id();
  Result<QueueTotals> totals();
  Result<std::vector<QueueAttempt>> attempts(RecipientRow recipient);

  // kNotFound: there is no such recipient. Both finish the message when nothing is left to do; its row then
  // stays for `why`, and its file may go.
  Result<QueueRow> note(const QueueOutcome& outcome);
  Result<QueueRow> settle(const SettledReport& report, std::int64_t now);
  // The recipients that wait, at once or when the time is over that its sender wants it held for.
  Result<void> try_at(QueueRow message, std::int64_t at);
  Result<void> set_held(QueueRow message, bool held);
  // Its sender wanted it held for a time that is not over yet: it is.
  Result<void> end_hold(QueueRow message, std::int64_t now);
  // Waiting recipients are waited for no longer, owed reports are not sent.
  Result<void> drop(QueueRow message, std::int64_t now);
  Result<void> erase(QueueRow message);

 private:
  Result<std::vector<QueueRow>> rows(Result<Statement> statement);
  Result<void> finish_if_done(QueueRow message, std::int64_t now);

  Database& database_;
};

// What the entries of a message are at the moment.
std::vector<QueueEntry> entries_of(const QueuedMessage& message);

}  // namespace mailstead
