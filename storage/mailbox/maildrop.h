// POP3's exclusive access (RFC 1939 section 4): locks by token, and the maildrop that a session holds.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/files.h"
#include "storage/mailbox/listing.h"
#include "storage/store.h"

namespace mailstead {

// Who holds which mailbox. Threads: any.
class MaildropLocks {
 public:
  // nullopt: somebody holds it.
  std::optional<std::uint64_t> take(MailboxId mailbox);
  // Does nothing when the token is not the holder's.
  void release(MailboxId mailbox, std::uint64_t token);

 private:
  std::mutex mutex_;
  std::uint64_t last_token_ = 0;
  std::unordered_map<MailboxId, std::uint64_t> holders_;
};

// A taken lock; freed with this object, on any thread.
class MaildropLock {
 public:
  static std::optional<MaildropLock> take(std::shared_ptr<MaildropLocks> locks, MailboxId mailbox);
  MaildropLock(MaildropLock&&) = default;
  MaildropLock& operator=(MaildropLock&&) = delete;
  ~MaildropLock();

  MailboxId mailbox() const { return mailbox_; }

 private:
  MaildropLock(std::shared_ptr<MaildropLocks> locks, MailboxId mailbox, std::uint64_t token)
      : locks_(std::move(locks)), mailbox_(mailbox), token_(token) {}

  std::shared_ptr<MaildropLocks> locks_;
  MailboxId mailbox_;
  std::uint64_t token_;
};

class HeldMaildrop final : public Maildrop {
 public:
  HeldMaildrop(MaildropLock lock, std::shared_ptr<Listing> listing)
      : lock_(std::move(lock)), listing_(std::move(listing)) {}

  MailboxId mailbox() const override { return lock_.mailbox(); }
  const MaildropTotals& totals() const override { return listing_->totals(); }
  std::shared_ptr<const MaildropPage> page(std::size_t number) const override {
    return listing_->page(number);
  }
  // It reads its pages from the index when they are needed, which changes nothing of what it says.
  Listing& listing() const { return *listing_; }

  // Paths of the messages that a client who takes one after the other takes next. The storage thread's.
  struct PathsAhead {
    std::size_t next_index = 0;                               // behind the message that was opened last
    std::vector<std::pair<std::int64_t, std::string>> paths;  // by MaildropEntry::key
  };
  PathsAhead& paths_ahead() const { return paths_ahead_; }

 private:
  MaildropLock lock_;
  std::shared_ptr<Listing> listing_;
  mutable PathsAhead paths_ahead_;
};

class FileReader final : public MessageReader {
 public:
  // The message begins at this octet of the file.
  explicit FileReader(FileHandle file, std::uint64_t begins_at = 0)
      : file_(std::move(file)), begins_at_(begins_at) {}
  Result<void> read(std::uint64_t offset, std::size_t length, std::string& into) override;

 private:
  FileHandle file_;
  std::uint64_t begins_at_;
};

// Of bytes that are in memory.
class TextReader final : public MessageReader {
 public:
  explicit TextReader(std::string text) : text_(std::move(text)) {}
  Result<void> read(std::uint64_t offset, std::size_t length, std::string& into) override;

 private:
  std::string text_;
};

}  // namespace mailstead
