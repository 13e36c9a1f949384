// The part of a delivery that goes into the queue: large messages as files first, then rows in the batch's
// transaction, and small messages with them (contents.h).
//
// As with maildirs, what a crash leaves is a draft, which is swept, or a file without a row, which is
// adopted. Ownership: borrows spools and contents until it is destroyed. Threads: the storage thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "protocols/result.h"
#include "storage/delivery/contents.h"
#include "storage/queue/queue.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queue_table.h"
#include "storage/queue/queue_writer.h"

namespace mailstead {

class Queueing {
 public:
  using Failed = std::function<bool(std::size_t)>;  // of the batch's messages, by place

  Queueing(QueueFolder folder, QueueTable table, QueueContents& contents)
      : folder_(folder), table_(table), contents_(contents) {}

  // `queued` without row and size. `header`: what is kept of it for when the message is gone.
  void add(std::size_t message, QueuedMessage queued, const QueuedContent& content, std::string header);
  // Of each message that failed here, its place and why. Call it once, when all are added.
  std::vector<std::pair<std::size_t, Error>> write(const Failed& failed);
  void withdraw(const Failed& failed);
  // In the caller's transaction. kExists: the message of this place is queued already.
  Result<void> insert_rows(const Failed& failed, std::size_t& place);
  // That transaction was committed.
  void committed(const Failed& failed);
  bool has_any(const Failed& failed) const;
  std::vector<QueueRow> rows(const Failed& failed) const;
  // Recipients of a message that wait.
  std::size_t waiting(std::size_t message) const;

 private:
  struct Copy {
    std::size_t message;
    QueuedMessage queued;
    QueuedContent content;
    std::string header;
    bool in_database;
    std::optional<std::size_t> file = std::nullopt;  // its place in files_
  };

  QueueFolder folder_;
  QueueTable table_;
  QueueContents& contents_;
  std::vector<Copy> copies_;
  std::size_t messages_in_database_ = 0;
  std::uint64_t octets_in_database_ = 0;
  std::vector<QueueFile> files_;
};

// Moves messages out of `contents` into files. What fails stays where it is, and the first error is told when
// the others are through.
Result<void> move_to_files(const QueueFolder& folder, Database& database, QueueContents& contents,
                           std::span<const QueueRow> rows);

}  // namespace mailstead
