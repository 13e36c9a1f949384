// domain list

#include <map>

#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {

Report list_domains(const Request&, CommandContext& context) {
  struct Count {
    std::uint64_t mailboxes = 0, aliases = 0;
  };
  std::map<std::string, Count> domains;
  const auto directory = context.store.directory();
  for (const MailboxEntry& mailbox : directory->mailboxes()) ++domains[mailbox.address.domain].mailboxes;
  for (const AliasEntry& alias : directory->aliases()) {
    ++domains[alias.name.substr(alias.name.rfind('@') + 1)].aliases;
  }
  if (domains.empty()) {
    return done("No domains yet: one is served as soon as a mailbox is in it.\n", Value::Array{});
  }
  Table table({Align::kLeft, Align::kRight, Align::kRight});
  table.add({"DOMAIN", "MAILBOXES", "ALIASES"});
  Value::Array array;
  for (const auto& [domain, count] : domains) {
    table.add({domain, std::to_string(count.mailboxes), std::to_string(count.aliases)});
    array.push_back(
        Value::Object{{"domain", domain}, {"mailboxes", count.mailboxes}, {"aliases", count.aliases}});
  }
  return done(table.text(), array);
}

}  // namespace mailstead::admin
