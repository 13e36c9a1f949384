// Files of the queue, many at a time: all drafts are written, then each is synced, then moved into its place,
// then the folder is synced.
//
// What a crash leaves is a draft, which is swept, or a file in its place.
// Ownership: borrows what the files are made of. Threads: the storage thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "protocols/result.h"
#include "storage/mailbox/content_hash.h"
#include "storage/queue/queue.h"
#include "storage/queue/queue_file.h"
#include "storage/spool.h"

namespace mailstead {

// The bytes of a message: `head`, the spool's, `rest`.
struct QueuedContent {
  std::string_view head;
  const FileSpool* spool = nullptr;
  std::string_view rest;

  std::uint64_t size() const { return head.size() + rest.size() + (spool != nullptr ? spool->size() : 0); }
};

// Of what was received, not of a file: what a disk makes of it is to be found out.
Result<ContentHash> hash_of(const QueuedContent& content);

struct QueueFile {
  const QueuedMessage* message = nullptr;
  QueuedContent content;
  std::uint64_t starts_at = 0;  // where the message begins, once it is written
  std::optional<Error> error = std::nullopt;
  ContentHash hash = {};  // of the content, once it is written

  bool is_draft = false;
  bool is_published = false;
  FileHandle handle = {};
};

// Those that have no error yet; each that fails has one then.
void write_queue_files(const QueueFolder& folder, std::span<QueueFile> files);
// It is to be gone. Not synced: should power fail now, it may be adopted.
void withdraw_queue_file(const QueueFolder& folder, QueueFile& file);

}  // namespace mailstead
