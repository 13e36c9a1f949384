#include "storage/accounts/accounts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "protocols/auth/saslprep.h"
#include "storage/accounts/app_passwords.h"

namespace mailstead {

Result<std::shared_ptr<const Directory>> Accounts::directory(const SecretKey& secret_key) {
  auto rows = mailboxes();
  if (!rows) return rows.error();
  auto names = aliases();
  if (!names) return names.error();
  std::vector<AppPasswordRow> passwords;
  if (auto done = AppPasswords(database_).read_all(passwords); !done) return done.error();
  std::vector<MailboxEntry> entries;
  std::unordered_map<MailboxId, std::size_t> places;
  for (const AccountRow& row : *rows) {
    places.emplace(row.id, entries.size());
    MailboxEntry entry;
    entry.id = row.id;
    entry.address = row.address;
    entry.enabled = row.enabled;
    entry.credentials_serial = row.credentials_serial;
    entries.push_back(std::move(entry));
  }
  for (const AppPasswordRow& row : passwords) {
    const auto place = places.find(row.mailbox);
    if (place == places.end()) continue;
    MailboxEntry& entry = entries[place->second];
    if (entry.app_passwords.empty()) entry.scram_salt = row.salt;
    entry.app_passwords.push_back({row.id, apop_of(row, entry.address, secret_key)});
  }
  return std::shared_ptr<const Directory>(std::make_shared<Directory>(std::move(entries), std::move(*names)));
}

Result<std::vector<AccountRow>> Accounts::mailboxes() {
  std::vector<AccountRow> rows;
  if (auto done = read_mailboxes(rows); !done) return done.error();
  return rows;
}

Result<void> Accounts::read_mailboxes(std::vector<AccountRow>& into, MailboxId from) {
  auto statement = database_.query(
      "SELECT id, local, domain, password, enabled, credentials_serial, created_at, last_login_at, "
      "last_delivery_at"
      " FROM mailboxes WHERE enabled <> 2 AND id >= ?1 ORDER BY id",
      from);
  if (!statement) return statement.error();
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return {};
    AccountRow& account = into.emplace_back();
    account.id = statement->integer(0);
    account.address = {statement->text(1), statement->text(2)};
    account.password = statement->text(3);
    account.enabled = statement->integer(4) != 0;
    account.credentials_serial = statement->integer(5);
    account.created_at = statement->integer(6);
    account.last_login_at = statement->integer(7);
    account.last_delivery_at = statement->integer(8);
  }
}

Result<std::vector<AliasEntry>> Accounts::aliases() {
  std::vector<AliasEntry> entries;
  if (auto done = read_aliases(entries); !done) return done.error();
  return entries;
}

Result<void> Accounts::read_aliases(std::vector<AliasEntry>& into) {
  auto statement = database_.query("SELECT name, target FROM aliases ORDER BY key, position");
  if (!statement) return statement.error();
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return {};
    std::string name = statement->text(0);
    if (into.empty() || into.back().name != name) into.push_back({std::move(name), {}});
    // Written by us from a valid address; a damaged one is left out rather than taking the others with it.
    if (auto target = parse_address(statement->text(1))) into.back().targets.push_back(*target);
  }
}

Result<MailboxId> Accounts::add_mailbox(const AccountRow& account) {
  const char* sql =
      account.id == 0
          ? "INSERT INTO mailboxes (local, domain, key, password, enabled, credentials_serial, created_at,"
            " last_login_at, last_delivery_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
          : "INSERT INTO mailboxes (local, domain, key, password, enabled, credentials_serial, created_at,"
            " last_login_at, last_delivery_at, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
  auto statement =
      database_.query(sql, account.address.local_part, account.address.domain, account.address.key(),
                      account.password, std::int64_t{account.enabled}, account.credentials_serial,
                      account.created_at, account.last_login_at, account.last_delivery_at);
  if (!statement) return statement.error();
  if (account.id != 0) {
    if (auto done = statement->bind(10, account.id); !done) return done.error();
  }
  auto row = statement->step();
  if (!row) return row.error();
  return database_.last_insert_id();
}

Result<std::int64_t> Accounts::remove_mailbox(MailboxId mailbox, const Address& address, bool keep) {
  static constexpr const char* kPutAside =
      "UPDATE mailboxes SET key = '.removed-' || id, local = '', domain = '', password = '', enabled = 2"
      " WHERE id = ?1";
  // Without its totals no trigger has to count what goes behind.
  for (const char* sql :
       {"DELETE FROM totals WHERE mailbox = ?1", "DELETE FROM app_passwords WHERE mailbox = ?1",
        "DELETE FROM quotas WHERE mailbox = ?1", "DELETE FROM folder_times WHERE mailbox = ?1", kPutAside}) {
    if (auto done = database_.run(sql, mailbox); !done) return done.error();
  }
  if (auto done = database_.run("INSERT INTO removals (local, domain, keep) VALUES (?1, ?2, ?3)",
                                address.local_part, address.domain, std::int64_t{keep});
      !done) {
    return done.error();
  }
  return database_.last_insert_id();
}

Result<std::size_t> Accounts::sweep_rows(std::size_t at_most) {
  std::optional<MailboxId> removed;
  auto found = each_row(database_.query("SELECT id FROM mailboxes WHERE enabled = 2 LIMIT 1"),
                        [&](const Statement& row) { removed = row.integer(0); });
  if (!found) return found.error();
  if (!removed) return std::size_t{0};
  auto transaction = Transaction::begin(database_, Durable::kLater);
  if (!transaction) return transaction.error();
  for (const char* sql :
       {"DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE mailbox = ?1 LIMIT ?2)",
        "DELETE FROM imported WHERE mailbox = ?1 AND (source, item) IN"
        " (SELECT source, item FROM imported WHERE mailbox = ?1 LIMIT ?2)"}) {
    auto done = database_.run(sql, *removed, static_cast<std::int64_t>(at_most));
    if (!done) return done.error();
    if (database_.changes() == 0) continue;
    const auto count = static_cast<std::size_t>(database_.changes());
    if (done = transaction->commit(); !done) return done.error();
    return count;
  }
  if (auto done = database_.run("DELETE FROM mailboxes WHERE id = ?1", *removed); !done) return done.error();
  if (auto done = transaction->commit(); !done) return done.error();
  return std::size_t{1};
}

Result<std::vector<RemovalRow>> Accounts::removals() {
  std::vector<RemovalRow> rows;
  auto done = each_row(database_.query("SELECT id, local, domain, keep FROM removals ORDER BY id"),
                       [&](const Statement& row) {
                         rows.push_back({row.integer(0), {row.text(1), row.text(2)}, row.integer(3) != 0});
                       });
  if (!done) return done.error();
  return rows;
}

Result<void> Accounts::forget_removal(std::int64_t id) {
  return database_.run("DELETE FROM removals WHERE id = ?1", id);
}

Result<void> Accounts::set_password(MailboxId mailbox, const std::string& hash) {
  return database_.run(
      "UPDATE mailboxes SET password = ?2, credentials_serial = credentials_serial + 1 WHERE id = ?1",
      mailbox, hash);
}

Result<void> Accounts::set_enabled(MailboxId mailbox, bool enabled) {
  return database_.run("UPDATE mailboxes SET enabled = ?2 WHERE id = ?1", mailbox, std::int64_t{enabled});
}

Result<std::string> Accounts::password(MailboxId mailbox) {
  auto statement = database_.query("SELECT password FROM mailboxes WHERE id = ?1", mailbox);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->text(0) : std::string();
}

Result<void> Accounts::note_login(MailboxId mailbox, std::int64_t at) {
  return database_.run("UPDATE mailboxes SET last_login_at = ?2 WHERE id = ?1", mailbox, at);
}

Result<void> Accounts::note_delivery(MailboxId mailbox, std::int64_t at) {
  return database_.run("UPDATE mailboxes SET last_delivery_at = ?2 WHERE id = ?1", mailbox, at);
}

Result<std::unordered_map<MailboxId, std::uint64_t>> Accounts::quotas() {
  std::unordered_map<MailboxId, std::uint64_t> quotas;
  if (auto done = read_quotas(quotas); !done) return done.error();
  return quotas;
}

Result<void> Accounts::read_quotas(std::unordered_map<MailboxId, std::uint64_t>& into) {
  return each_row(database_.query("SELECT mailbox, octets FROM quotas"), [&](const Statement& row) {
    into[row.integer(0)] = static_cast<std::uint64_t>(row.integer(1));
  });
}

Result<void> Accounts::set_quota(MailboxId mailbox, std::optional<std::uint64_t> octets) {
  if (!octets) return database_.run("DELETE FROM quotas WHERE mailbox = ?1", mailbox);
  return database_.run("INSERT OR REPLACE INTO quotas (mailbox, octets) VALUES (?1, ?2)", mailbox,
                       static_cast<std::int64_t>(*octets));
}

Result<void> Accounts::add_alias(const AliasEntry& alias) {
  auto key = alias_key(alias.name);
  if (!key) return key.error();
  std::int64_t position = 0;
  for (const Address& target : alias.targets) {
    auto done = database_.run("INSERT INTO aliases (key, position, name, target) VALUES (?1, ?2, ?3, ?4)",
                              *key, position++, alias.name, target.text());
    if (!done) return done;
  }
  return {};
}

Result<bool> Accounts::remove_alias(const std::string& key) {
  if (auto done = database_.run("DELETE FROM aliases WHERE key = ?1", key); !done) return done.error();
  return database_.changes() != 0;
}

Result<std::string> alias_key(const std::string& name) {
  if (!name.starts_with('@')) {
    auto address = parse_address(name);
    if (!address) return address.error();
    return address->key();
  }
  auto domain = parse_mail_domain(std::string_view(name).substr(1));
  if (!domain) return Error{ErrorKind::kInvalid, fmt::format("{} is not a catch-all: write @domain", name)};
  return "@" + *domain;
}

Result<void> may_add_mailbox(const Directory& directory, const Address& address) {
  // Anybody may build an Address; what is kept has to be one that can be written and read again.
  auto again = parse_address(address.text());
  if (!again || again->key() != address.key()) {
    return Error{ErrorKind::kInvalid, "that is not a mail address: write local@domain"};
  }
  // At a login the name is prepared before it is looked up (SASLprep), and has to be found then.
  const auto prepared = saslprep::prepare(address.local_part, saslprep::Use::kStored);
  if (!prepared || Address{*prepared, address.domain}.key() != address.key()) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} holds characters by which nobody could log in (emoji, invisible or compatibility "
                    "characters, mixed writing directions); choose letters and digits",
                    address.text())};
  }
  if (directory.find(address) != nullptr) {
    return Error{ErrorKind::kExists, fmt::format("the mailbox {} exists already", address.text())};
  }
  for (const AliasEntry& alias : directory.aliases()) {
    auto key = alias_key(alias.name);
    if (key && *key == address.key()) {
      return Error{ErrorKind::kExists, fmt::format("{} is an alias; remove that first", address.text())};
    }
  }
  return {};
}

Result<void> may_remove_mailbox(const Directory& directory, const Address& address) {
  std::vector<std::string> names;
  for (const AliasEntry& alias : directory.aliases()) {
    const bool leads_here = std::any_of(alias.targets.begin(), alias.targets.end(),
                                        [&](const Address& target) { return target.key() == address.key(); });
    if (leads_here) names.push_back(alias.name);
  }
  if (names.empty()) return {};
  return Error{ErrorKind::kInUse, fmt::format("{} is the target of the alias{} {}: remove or change {} first",
                                              address.text(), names.size() == 1 ? "" : "es",
                                              fmt::join(names, ", "), names.size() == 1 ? "it" : "them")};
}

namespace {

// Does mail to the alias come back to it? A walk along the targets, each name once.
bool leads_back(const Directory& directory, const std::string& key, const std::vector<Address>& first) {
  std::unordered_map<std::string, const AliasEntry*> by_key;
  for (const AliasEntry& alias : directory.aliases()) {
    if (auto name = alias_key(alias.name)) by_key.emplace(*name, &alias);
  }
  std::vector<Address> open = first;
  std::vector<std::string> seen;
  while (!open.empty()) {
    const Address address = std::move(open.back());
    open.pop_back();
    if (directory.find(address) != nullptr) continue;
    std::string name = address.key();
    if (name != key && !by_key.contains(name)) name = "@" + address.domain;
    if (name == key) return true;
    auto alias = by_key.find(name);
    if (alias == by_key.end() || std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    open.insert(open.end(), alias->second->targets.begin(), alias->second->targets.end());
  }
  return false;
}

Error unknown_target(const Address& target) {
  return {ErrorKind::kInvalid, fmt::format("there is no mailbox or alias {}; add it first", target.text())};
}

}  // namespace

Result<void> may_add_alias(const Directory& directory, const AliasEntry& alias) {
  auto key = alias_key(alias.name);
  if (!key) return key.error();
  for (const AliasEntry& other : directory.aliases()) {
    auto other_key = alias_key(other.name);
    if (other_key && *other_key == *key) {
      return Error{ErrorKind::kExists, fmt::format("the alias {} exists already", alias.name)};
    }
  }
  for (const MailboxEntry& mailbox : directory.mailboxes()) {
    if (mailbox.address.key() == *key) {
      return Error{ErrorKind::kExists,
                   fmt::format("{} is a mailbox; an alias needs another name", alias.name)};
    }
  }
  if (alias.targets.empty()) return Error{ErrorKind::kInvalid, "an alias needs at least one target"};
  if (leads_back(directory, *key, alias.targets)) {
    return Error{ErrorKind::kInvalid, fmt::format("the alias {} would lead back to itself", alias.name)};
  }
  for (const Address& target : alias.targets) {
    switch (directory.classify(target)) {
      case RecipientKind::kOurs:
      case RecipientKind::kDisabled:
        break;
      case RecipientKind::kUnknown:
        return unknown_target(target);
      case RecipientKind::kNotOurs:
        // It is passed on to another host, unless its domain becomes ours by this very alias.
        if (!key->ends_with("@" + target.domain)) break;
        return unknown_target(target);
    }
  }
  return {};
}

}  // namespace mailstead
