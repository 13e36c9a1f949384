// What is worth remembering and not worth a flush: who logged in, which device took which message.
//
// It is collected here and written with the next transaction that has another reason, or once in a while. A
// crash loses what was not written: no harm. Threads: the storage thread. Memory: kMostNotes messages and
// what logged in since the last write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"

namespace mailstead {

class Notes {
 public:
  // Times are Unix seconds. An empty device is not remembered.
  void login(MailboxId mailbox, const std::string& device, AppPasswordId app_password, std::int64_t at);
  void took(MailboxId mailbox, const std::string& device, std::int64_t message, std::int64_t first,
            std::int64_t last);
  // Of a mailbox that is gone.
  void forget(MailboxId mailbox);

  bool empty() const { return logins_.empty() && devices_.empty(); }
  // So much that it should be written now.
  bool full() const { return messages_ >= kMostNotes; }
  std::int64_t last_login(MailboxId mailbox, std::int64_t otherwise) const;
  std::int64_t last_use(AppPasswordId app_password, std::int64_t otherwise) const;

  // In the caller's transaction. Call clear() when that was committed.
  Result<void> write(Database& database) const;
  void clear();

 private:
  static constexpr std::size_t kMostNotes = 20'000;
  struct Span {
    std::int64_t first = 0;
    std::int64_t last = 0;
    void add(std::int64_t from, std::int64_t to);
  };
  struct Device {
    Span seen;
    std::unordered_map<std::int64_t, Span> taken;  // by message
  };
  Device& device(MailboxId mailbox, const std::string& name);

  std::unordered_map<MailboxId, std::int64_t> logins_;
  std::unordered_map<AppPasswordId, std::int64_t> uses_;
  std::map<std::pair<MailboxId, std::string>, Device> devices_;
  std::size_t messages_ = 0;
};

}  // namespace mailstead
