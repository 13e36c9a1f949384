#include "admin/served_domains.h"

namespace mailstead::admin {

std::set<std::string> served_domains(const Directory& directory) {
  std::set<std::string> domains;
  for (const MailboxEntry& mailbox : directory.mailboxes()) domains.insert(mailbox.address.domain);
  for (const AliasEntry& alias : directory.aliases()) {
    domains.insert(alias.name.substr(alias.name.rfind('@') + 1));
  }
  std::erase_if(domains, [](const std::string& domain) { return domain.starts_with('['); });
  return domains;
}

}  // namespace mailstead::admin
