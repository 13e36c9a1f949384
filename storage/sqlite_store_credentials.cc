// What logins need: app passwords, keys, salts, and when who logged in.
#include <fmt/format.h>
#include <openssl/mem.h>

#include <utility>

#include "storage/accounts/app_passwords.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::int64_t kNoteWriteSeconds = 60;

AppPasswordKeys keys_of(AppPasswordRow& row, const Address& mailbox, const SecretKey& key) {
  AppPasswordKeys keys;
  keys.apop_secret = apop_secret(row, mailbox, key).value_or("");
  keys.id = row.id;
  keys.name = std::move(row.name);
  keys.scope = row.scope;
  keys.salt = std::move(row.salt);
  keys.iterations = row.iterations;
  keys.keys = row.keys;
  return keys;
}

}  // namespace

AppPasswordKeys::~AppPasswordKeys() {
  OPENSSL_cleanse(apop_secret.data(), apop_secret.size());
}

Result<void> SqliteStore::add_app_password(const Address& address, const NewAppPassword& password) {
  if (!database_) return closed_error();
  if (auto checked = check_device_name(password.name); !checked) return checked;
  auto entry = known(address);
  if (!entry) return entry.error();
  if (entry->app_passwords.size() >= kMaxAppPasswords) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} has {} app passwords, which is the most; revoke one first", address.text(),
                             entry->app_passwords.size())};
  }
  AppPasswordRow row;
  row.mailbox = entry->id;
  row.name = password.name;
  row.scope = password.scope;
  // Theirs all, also of a mailbox that is disabled and does not show it.
  row.salt = entry->scram_salt.empty() ? scram_salt(address.text()) : entry->scram_salt;
  row.keys = scram::derive_keys(password.password, row.salt, row.iterations);
  if (password.apop == ApopUse::kYes) {
    row.sealed_apop = seal_apop(password.password, entry->address, password.name, secret_key_);
  }
  row.created_at = unix_seconds();
  auto added = in_transaction([&]() -> Result<void> {
    auto given = AppPasswords(*database_).add(row);
    if (!given) return given.error();
    return {};
  });
  if (!added && added.error().kind == ErrorKind::kExists) {
    return Error{ErrorKind::kExists, fmt::format("{} has an app password '{}' already; revoke it first",
                                                 address.text(), password.name)};
  }
  if (!added) return added;
  return refresh_directory();
}

Result<std::vector<AppPasswordSummary>> SqliteStore::list_app_passwords(const Address& address) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  auto rows = AppPasswords(*database_).of(entry->id);
  if (!rows) return rows.error();
  std::vector<AppPasswordSummary> summaries;
  for (const AppPasswordRow& row : *rows) {
    summaries.push_back({row.name, row.scope, apop_of(row, entry->address, secret_key_), row.created_at,
                         notes_.last_use(row.id, row.last_used_at)});
  }
  return summaries;
}

Result<void> SqliteStore::revoke_app_password(const Address& address, const std::string& name) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  bool found = false;
  auto revoked = in_transaction([&]() -> Result<void> {
    auto removed = AppPasswords(*database_).remove(entry->id, name);
    if (!removed) return removed.error();
    found = *removed;
    return {};
  });
  if (!revoked) return revoked;
  if (!found) {
    return Error{ErrorKind::kNotFound, fmt::format("{} has no app password '{}'", address.text(), name)};
  }
  return refresh_directory();
}

Result<Credentials> SqliteStore::credentials(const Address& address) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  if (!entry->enabled) return Error{ErrorKind::kNotFound, fmt::format("{} is disabled", address.text())};
  auto hash = Accounts(*database_).password(entry->id);
  if (!hash) return hash.error();
  Credentials credentials;
  credentials.password_hash = std::move(*hash);
  if (entry->app_passwords.empty()) return credentials;
  auto rows = AppPasswords(*database_).of(entry->id);
  if (!rows) return rows.error();
  for (AppPasswordRow& row : *rows) {
    credentials.app_passwords.push_back(keys_of(row, entry->address, secret_key_));
  }
  return credentials;
}

std::string SqliteStore::scram_salt(const std::string& name) const {
  const auto address = parse_address(name);
  if (address) {
    const auto newest = directory();
    const MailboxEntry* entry = newest->find(*address);
    if (entry != nullptr && entry->enabled && !entry->scram_salt.empty()) return entry->scram_salt;
  }
  return secret_key_.derive("salt\n" + (address ? address->key() : name), scram::kSaltOctets);
}

Result<void> SqliteStore::note_login(MailboxId mailbox, const std::string& device,
                                     AppPasswordId app_password) {
  if (!database_) return closed_error();
  const std::int64_t now = unix_seconds();
  notes_.login(mailbox, device, app_password, now);
  if (now - notes_written_at_ < kNoteWriteSeconds) return {};
  return write_notes();
}

void SqliteStore::tell_of_lost_secrets(RecoveryReport& report) const {
  for (const MailboxEntry& mailbox : directory()->mailboxes()) {
    for (const AppPasswordEntry& each : mailbox.app_passwords) {
      if (each.apop != Apop::kLost) continue;
      report.actions.push_back(
          fmt::format("{} has an app password whose APOP secret {} does not open: it works without APOP; "
                      "revoke it and add it again",
                      mailbox.address.text(), kSecretKeyFile));
      break;
    }
  }
}

}  // namespace mailstead
