#include "storage/mailbox/maildrop.h"

#include <utility>

#include "storage/files.h"

namespace mailstead {

std::optional<std::uint64_t> MaildropLocks::take(MailboxId mailbox) {
  std::lock_guard guard(mutex_);
  auto [holder, free] = holders_.try_emplace(mailbox, 0);
  if (!free) return std::nullopt;
  holder->second = ++last_token_;
  return holder->second;
}

void MaildropLocks::release(MailboxId mailbox, std::uint64_t token) {
  std::lock_guard guard(mutex_);
  auto holder = holders_.find(mailbox);
  if (holder != holders_.end() && holder->second == token) holders_.erase(holder);
}

std::optional<MaildropLock> MaildropLock::take(std::shared_ptr<MaildropLocks> locks, MailboxId mailbox) {
  auto token = locks->take(mailbox);
  if (!token) return std::nullopt;
  return MaildropLock(std::move(locks), mailbox, *token);
}

MaildropLock::~MaildropLock() {
  if (locks_) locks_->release(mailbox_, token_);
}

Result<void> FileReader::read(std::uint64_t offset, std::size_t length, std::string& into) {
  return read_some(file_.fd(), begins_at_ + offset, length, into);
}

Result<void> TextReader::read(std::uint64_t offset, std::size_t length, std::string& into) {
  if (offset < text_.size()) into.append(text_, offset, length);
  return {};
}

}  // namespace mailstead
