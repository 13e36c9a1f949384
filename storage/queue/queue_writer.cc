#include "storage/queue/queue_writer.h"

#include <algorithm>
#include <string>

namespace mailstead {

namespace {

// Drafts that are open at one time, as in delivery.cc.
constexpr std::size_t kQueueGroup = 64;
constexpr std::size_t kQueueHashedAtOnce = 256u << 10;

Result<void> write_queue_draft(const QueueFolder& folder, QueueFile& file) {
  auto handle = folder.create_draft(file.message->id);
  if (!handle) return handle.error();
  file.is_draft = true;
  file.handle = std::move(*handle);
  std::string bytes = queue_file_head(*file.message);
  file.starts_at = bytes.size();
  bytes += file.content.head;
  if (file.content.spool != nullptr) {
    if (auto done = write_all(file.handle.fd(), bytes); !done) return in_folder("queue", done.error());
    if (auto done = file.content.spool->copy_to(file.handle); !done) return in_folder("queue", done.error());
    bytes.clear();
  }
  bytes += file.content.rest;
  if (auto done = write_all(file.handle.fd(), bytes); !done) return in_folder("queue", done.error());
  auto hash = hash_of(file.content);
  if (!hash) return in_folder("queue", hash.error());
  file.hash = *hash;
  return {};
}

Result<void> publish_queue_draft(const QueueFolder& folder, QueueFile& file) {
  if (auto done = sync_handle(file.handle.fd(), file.message->id); !done) return done;
  if (auto done = folder.publish_draft(file.message->id); !done) return done;
  file.is_draft = false;
  file.is_published = true;
  return {};
}

void write_queue_group(const QueueFolder& folder, std::span<QueueFile> group) {
  for (QueueFile& file : group) {
    if (file.error) continue;
    if (auto done = write_queue_draft(folder, file); !done) file.error = done.error();
  }
  for (const QueueFile& file : group) {
    if (!file.error) start_write_back(file.handle.fd());
  }
  for (QueueFile& file : group) {
    if (!file.error) {
      if (auto done = publish_queue_draft(folder, file); !done) file.error = done.error();
    }
    file.handle.reset();
  }
}

}  // namespace

Result<ContentHash> hash_of(const QueuedContent& content) {
  ContentHasher hasher;
  hasher.add(content.head);
  const std::uint64_t spooled = content.spool == nullptr ? 0 : content.spool->size();
  std::string piece;
  for (std::uint64_t at = 0; at < spooled; at += piece.size()) {
    piece.clear();
    if (auto done = content.spool->read(at, kQueueHashedAtOnce, piece); !done) return done.error();
    if (piece.empty()) return Error{ErrorKind::kIo, "a spool file is shorter than what was written to it"};
    hasher.add(piece);
  }
  hasher.add(content.rest);
  return hasher.value();
}

void write_queue_files(const QueueFolder& folder, std::span<QueueFile> files) {
  for (std::size_t first = 0; first < files.size(); first += kQueueGroup)
    write_queue_group(folder, files.subspan(first, std::min(kQueueGroup, files.size() - first)));
  const bool published = std::ranges::any_of(files, [](const QueueFile& file) { return file.is_published; });
  if (!published) return;
  auto done = folder.sync();
  if (done) return;
  for (QueueFile& file : files) {
    if (file.is_published && !file.error) file.error = done.error();
  }
}

void withdraw_queue_file(const QueueFolder& folder, QueueFile& file) {
  file.handle.reset();
  if (file.is_draft) folder.discard_draft(file.message->id);
  if (file.is_published) static_cast<void>(folder.remove(file.message->id));
  file.is_draft = false;
  file.is_published = false;
}

}  // namespace mailstead
