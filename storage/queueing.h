// The part of a delivery that goes into the queue: files first, then rows in the batch's transaction.
//
// As with maildirs: all drafts are written, then each is synced, then moved into its place, then the folder
// is synced; what a crash leaves is a draft, which is swept, or a file without a row, which is adopted.
// Ownership: borrows spools and contents until it is destroyed. Threads: the storage thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/result.h"
#include "storage/database.h"
#include "storage/queue.h"
#include "storage/queue_file.h"
#include "storage/spool.h"

namespace mailstead {

class Queueing {
 public:
  using Failed = std::function<bool(std::size_t)>;  // of the batch's messages, by place

  Queueing(QueueFolder folder, Database& database) : folder_(folder), database_(database) {}

  // The message's bytes are `head`, the spool's, `rest`. `queued` without row and size.
  struct Content {
    std::string_view head;
    const FileSpool* spool = nullptr;
    std::string_view rest;
  };
  void add(std::size_t message, QueuedMessage queued, const Content& content);
  // Of each message that failed here, its place and why.
  std::vector<std::pair<std::size_t, Error>> write(const Failed& failed);
  void withdraw(const Failed& failed);
  // In the caller's transaction. kExists: the message of this place is queued already.
  Result<void> insert_rows(const Failed& failed, std::size_t& place);
  bool has_any(const Failed& failed) const;
  std::vector<QueueRow> rows(const Failed& failed) const;
  // Recipients of a message that wait.
  std::size_t waiting(std::size_t message) const;

 private:
  struct Copy {
    std::size_t message;
    QueuedMessage queued;
    Content content;
    std::uint64_t starts_at = 0;
    bool is_draft = false;
    bool is_published = false;
    FileHandle file = {};
  };
  Result<void> write_draft(Copy& copy);

  QueueFolder folder_;
  Database& database_;
  std::vector<Copy> copies_;
};

}  // namespace mailstead
