// Mailboxes and aliases as rows, and mailboxes whose folder is still to be put away.
//
// Every function runs in the caller's transaction, or by itself when there is none. The rules of what may
// be added are here too; they look at the Directory of the moment.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/accounts/secret_key.h"
#include "storage/database/database.h"

namespace mailstead {

struct AccountRow {
  MailboxId id = 0;  // 0: the database gives one
  Address address;
  std::string password;  // empty: none
  bool enabled = true;
  std::int64_t credentials_serial = 1;
  std::int64_t created_at = 0;  // Unix seconds, as the next two
  std::int64_t last_login_at = 0;
  std::int64_t last_delivery_at = 0;
};

struct RemovalRow {
  std::int64_t id = 0;
  Address address;
  bool keep = false;
};

class Accounts {
 public:
  explicit Accounts(Database& database) : database_(database) {}

  // `secret_key` tells which APOP secrets can be read.
  Result<std::shared_ptr<const Directory>> directory(const SecretKey& secret_key);
  Result<std::vector<AccountRow>> mailboxes();
  Result<std::vector<AliasEntry>> aliases();
  // The same, row by row, from this id on: at an error `into` holds what came before it.
  Result<void> read_mailboxes(std::vector<AccountRow>& into, MailboxId from = 0);
  Result<void> read_aliases(std::vector<AliasEntry>& into);

  Result<MailboxId> add_mailbox(const AccountRow& account);
  // The mailbox is none any more: its row loses its address and is `enabled = 2` until the rows that may be
  // many have gone, messages and notes of imports. What is few goes at once, and a removal is noted.
  Result<std::int64_t> remove_mailbox(MailboxId mailbox, const Address& address, bool keep);
  // Deletes up to `at_most` of those rows; returns how many it were, 0: none are left. A transaction of its
  // own that waits for no flush: what a crash brings back goes again.
  Result<std::size_t> sweep_rows(std::size_t at_most);
  Result<std::vector<RemovalRow>> removals();
  Result<void> forget_removal(std::int64_t id);

  Result<void> set_password(MailboxId mailbox, const std::string& hash);
  Result<void> set_enabled(MailboxId mailbox, bool enabled);
  Result<std::string> password(MailboxId mailbox);
  Result<void> note_login(MailboxId mailbox, std::int64_t at);
  Result<void> note_delivery(MailboxId mailbox, std::int64_t at);

  // Of mailboxes that have a quota of their own: octets, 0 for any number.
  Result<std::unordered_map<MailboxId, std::uint64_t>> quotas();
  Result<void> read_quotas(std::unordered_map<MailboxId, std::uint64_t>& into);
  // nullopt: it has none of its own.
  Result<void> set_quota(MailboxId mailbox, std::optional<std::uint64_t> octets);

  Result<void> add_alias(const AliasEntry& alias);
  // False: there was none.
  Result<bool> remove_alias(const std::string& key);

 private:
  Database& database_;
};

// The look-up key of an alias name, "local@domain" or "@domain"; kInvalid.
Result<std::string> alias_key(const std::string& name);
// May a mailbox of this address be made? kInvalid, kExists.
Result<void> may_add_mailbox(const Directory& directory, const Address& address);
// May it be removed? kInUse: aliases lead to it, and the message names them.
Result<void> may_remove_mailbox(const Directory& directory, const Address& address);
// May this alias be made? kInvalid (targets that are not ours, a loop), kExists. `alias.name` is as typed.
Result<void> may_add_alias(const Directory& directory, const AliasEntry& alias);

}  // namespace mailstead
