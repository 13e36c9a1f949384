// domain list | remove

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

// Its mail is nobody's to remove in passing: mailboxes have a command of their own.
Report remove_domain(const Request& request, CommandContext& context) {
  const std::string domain = parse_mail_domain(request.arguments[0]).value();
  const auto directory = context.store.directory();
  std::vector<std::string> mailboxes;
  for (const MailboxEntry& mailbox : directory->mailboxes()) {
    if (mailbox.address.domain == domain) mailboxes.push_back(mailbox.address.text());
  }
  if (!mailboxes.empty()) {
    return failed(
        fmt::format("{} has mailboxes: {}; 'mailstead mailbox remove ADDRESS' removes one, with its mail",
                    domain, fmt::join(mailboxes, ", ")));
  }
  Value::Array removed;
  for (const AliasEntry& alias : directory->aliases()) {
    if (alias.name.substr(alias.name.rfind('@') + 1) != domain) continue;
    if (auto gone = context.store.remove_alias(alias.name); !gone) return failed(gone.error());
    removed.emplace_back(alias.name);
  }
  if (removed.empty()) return failed(fmt::format("no mail is taken for {}", domain));
  const std::string aliases =
      removed.size() == 1 ? "1 alias is" : fmt::format("{} aliases are", removed.size());
  return done(fmt::format("{} removed: mail for {} is no longer taken.\n", aliases, domain),
              Value::Object{{"domain", domain}, {"aliases", std::move(removed)}});
}

}  // namespace mailstead::admin
