// Which messages of other servers and files were imported, by mailbox: they are not brought again.
//
// Every function runs in the caller's transaction, or by itself when there is none.
// Threads: one at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead {

class ImportedTable {
 public:
  explicit ImportedTable(Database& database) : database_(database) {}

  // What the table calls another message that its source calls as it called one before.
  static std::string another(const std::string& item, const ContentHash& hash);

  // The UIDL that the item got; nullopt: it is new.
  Result<std::optional<std::string>> uidl_of(MailboxId mailbox, const std::string& source,
                                             const std::string& item);
  // Some imported message has, or had, this UIDL.
  Result<bool> has_uidl(MailboxId mailbox, const std::string& uidl);
  Result<void> add(MailboxId mailbox, const std::string& source, const std::string& item,
                   const std::string& uidl);
  // All of it, to the end or to the first error.
  Result<void> each(const std::function<void(MailboxId mailbox, const std::string& source,
                                             const std::string& item, const std::string& uidl)>& take);

 private:
  Database& database_;
};

}  // namespace mailstead
