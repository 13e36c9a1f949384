// The façade's part for the keys that sign mail.

#include <fmt/format.h>

#include "protocols/smtp/srs.h"
#include "storage/accounts/forwarding.h"
#include "storage/sqlite_store.h"

namespace mailstead {

// Each domain that is asked for gets a folder and keys: none but ours does.
Result<void> SqliteStore::check_signs_for(const std::string& domain) const {
  if (!domain.starts_with('[') && directory()->is_ours(domain)) return {};
  return Error{ErrorKind::kNotFound,
               fmt::format("{} is no domain of this server: one is as soon as a mailbox is in it", domain)};
}

DkimSigners SqliteStore::known_dkim_keys(const std::string& domain) const {
  return dkim_keyring_.known(domain);
}

Result<DkimSigners> SqliteStore::dkim_keys(const std::string& domain) {
  if (auto ours = check_signs_for(domain); !ours) return ours.error();
  return dkim_keyring_.active(domain);
}

Result<std::vector<DkimKeyEntry>> SqliteStore::list_dkim_keys(const std::string& domain) {
  if (auto ours = check_signs_for(domain); !ours) return ours.error();
  return dkim_keyring_.list(domain);
}

Result<void> SqliteStore::prepare_dkim_keys(const std::string& domain) {
  if (auto ours = check_signs_for(domain); !ours) return ours.error();
  return dkim_keyring_.prepare(domain);
}

Result<void> SqliteStore::activate_dkim_keys(const std::string& domain) {
  if (auto ours = check_signs_for(domain); !ours) return ours.error();
  return dkim_keyring_.activate(domain);
}

std::string SqliteStore::srs_key() const {
  return secret_key_.derive("srs", 32);
}

bool SqliteStore::takes_reports(const Address& recipient) const {
  return looks_like_srs(recipient) &&
         Forwarding(*directory(), srs_key(), unix_seconds()).origin(recipient).has_value();
}

}  // namespace mailstead
