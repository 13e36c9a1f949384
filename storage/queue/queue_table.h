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
#include "storage/database/database.h"
#include "storage/mailbox/content_hash.h"
#include "storage/queue/queue.h"

namespace mailstead {

// Where a message begins that has no file: it is in the database (contents.h). Before a message in a
// file stands its envelope.
inline constexpr std::uint64_t kWithoutFile = 0;

class QueueTable {
 public:
  explicit QueueTable(Database& database) : database_(database) {}

  // Gives the message and its recipients their rows. kExists: this id is queued already.
  Result<void> insert(QueuedMessage& message, std::uint64_t starts_at, const std::string& header,
                      const ContentHash& hash);
  // Of the message's octets; not known: an older program queued it, or it was taken in from its file.
  Result<ContentHash> hash(QueueRow message);
  Result<std::string> header(QueueRow message);
  Result<std::uint64_t> starts_at(QueueRow message);
  Result<void> set_starts_at(QueueRow message, std::uint64_t starts_at);

  Result<std::optional<QueuedMessage>> find(QueueRow message);
  Result<std::optional<QueueRow>> row_of(const std::string& id);
  Result<std::vector<QueueRow>> rows_of_message_id(const std::string& message_id);
  // Messages to or from this address, or passed on by it, the newest first; the case of ASCII letters makes
  // no difference. Reads all of the queue's history.
  Result<std::vector<QueueRow>> rows_about(const Address& address, std::size_t at_most);
  // Of unfinished messages behind `after`, the oldest first.
  Result<std::vector<QueueRow>> unfinished(QueueRow after, std::size_t at_most);
  // Likewise of those that are not held.
  Result<std::vector<QueueRow>> unheld(QueueRow after, std::size_t at_most);
  // Of messages that were finished before `at`.
  Result<std::vector<QueueRow>> finished_before(std::int64_t at, std::size_t at_most);
  // What a message has to do with a file of its name.
  enum class Filed { kFinished, kInFile, kInDatabase };
  Result<std::unordered_map<std::string, Filed>> filed_by_id();
  Result<QueueTotals> totals();
  // See Store::queue_waits_since().
  Result<std::int64_t> waits_since(std::int64_t now);
  Result<std::vector<QueueAttempt>> attempts(RecipientRow recipient);

  // A recipient that is no longer there is passed over; rows of the messages of the others go behind
  // `changed`. Both finish a message when nothing is left to do; its row then stays for `why`, and its file
  // may go.
  Result<void> note_all(std::span<const QueueOutcome> outcomes, std::vector<QueueRow>& changed);
  // `report`: queue id of the message that tells the sender; empty: he is told nothing.
  Result<void> settle_all(std::span<const SettledReport> reports, const std::string& report, std::int64_t now,
                          std::vector<QueueRow>& changed);
  // The recipients that wait, at once or when the time is over that its sender wants it held for.
  Result<void> try_at(QueueRow message, std::int64_t at);
  Result<void> set_held(QueueRow message, bool held);
  // Its sender wanted it held for a time that is not over yet: it is.
  Result<void> end_hold(QueueRow message, std::int64_t now);
  // Recipients that wait are waited for no longer, reports that are owed are not sent. An event of each.
  Result<void> drop(QueueRow message, std::int64_t now);
  Result<void> erase(QueueRow message);

  Result<void> add_event(QueueRow message, const QueueEvent& event);
  // In the order they came about.
  Result<std::vector<QueueEvent>> events(QueueRow message);

 private:
  Result<std::vector<QueueRow>> rows(Result<Statement> statement);
  // kNotFound: there is no such recipient.
  Result<QueueRow> note(const QueueOutcome& outcome);
  Result<QueueRow> settle(const SettledReport& settled, const std::string& report, std::int64_t now);
  Result<void> finish_if_done(QueueRow message, std::int64_t now);

  Database& database_;
};

// What the entries of a message are at the moment.
std::vector<QueueEntry> entries_of(const QueuedMessage& message);

}  // namespace mailstead
