// The file of a queued message, queue/ID: the envelope as lines of text, an empty line, the message.
//
// The envelope stands in the file as well as in the index, so that a lost index costs nobody a message: what
// is read again then is tried anew. What became of each recipient is in the index only.
// Threads: one at a time; pure functions any. Errors: those of files.h with "queue" in front; kCorrupt: not
// such a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/files.h"
#include "storage/mailbox/content_hash.h"
#include "storage/queue/queue.h"

namespace mailstead {

// What Address::text() wrote; nullopt: something else.
std::optional<Address> parse_queued_address(const std::string& text);

// What stands in front of a message: of a QueuedMessage all that does not change, with its recipients.
std::string queue_file_head(const QueuedMessage& message);

struct QueueFileHead {
  QueuedMessage message;  // without row, id and size; all its recipients wait
  std::uint64_t starts_at = 0;
};
Result<QueueFileHead> parse_queue_file_head(std::string_view beginning);
// Octets of a file that its head is looked for in.
inline constexpr std::size_t kMaxQueueFileHead = 4u << 20;

// Of the message in such a file, which begins there.
Result<ContentHash> hash_of_rest(int fd, std::uint64_t starts_at);

// DeliverBy as one text, "1795779438 RT"; "" for none. Read back: nullopt when it is no such text.
std::string deliver_by_words(const std::optional<DeliverBy>& deliver_by);
std::optional<DeliverBy> parse_deliver_by_words(std::string_view text);

// The folder queue/.
class QueueFolder {
 public:
  explicit QueueFolder(int fd) : fd_(fd) {}

  // A draft becomes the file ID; durable after the file's sync and then sync().
  Result<FileHandle> create_draft(const std::string& id) const;
  Result<void> publish_draft(const std::string& id) const;
  void discard_draft(const std::string& id) const;
  Result<void> sync() const;

  Result<RegularFile> open(const std::string& id) const;
  // No error when it is not there.
  Result<void> remove(const std::string& id) const;
  // Ids of the files there.
  Result<std::vector<std::string>> ids() const;
  // Drafts that a crash left: nobody was promised anything. Returns how many.
  Result<std::size_t> sweep_drafts() const;

 private:
  int fd_;
};

}  // namespace mailstead
