// dkim show, dkim rotate

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "admin/command_table.h"
#include "admin/dns/dns_records.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/served_domains.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

// RFC 6376 3.6.2.1.
std::string record_name(const DkimIdentity& identity) {
  return fmt::format("{}._domainkey.{}", identity.selector, identity.domain);
}

// As a line of a zone file.
std::string zone_text(const std::string& name, const std::string& value) {
  return zone_line({name, "TXT", value, {}});
}

std::string_view state_word(DkimKeyState state) {
  switch (state) {
    case DkimKeyState::kNext:
      return "next";
    case DkimKeyState::kActive:
      return "active";
    case DkimKeyState::kRetired:
      break;
  }
  return "retired";
}

std::string state_sentence(const DkimKeyEntry& key) {
  switch (key.state) {
    case DkimKeyState::kNext:
      return "to be published, signs after 'dkim rotate --activate'";
    case DkimKeyState::kActive:
      return "signs since " + time_text(key.since);
    case DkimKeyState::kRetired:
      break;
  }
  return "signs no more, may go from the DNS after " + time_text(key.since + kDkimRetirement);
}

std::string text_of(const DkimKeyEntry& key) {
  const std::string name = record_name(key.identity), value = key.identity.key.record();
  std::string text = fmt::format("{} ({}): {}\n", key.identity.selector, key.identity.key.algorithm_name(),
                                 state_sentence(key));
  Table table({Align::kLeft, Align::kLeft});
  table.add({"name", name});
  table.add({"type", "TXT"});
  table.add({"value", value});
  table.add({"zone", zone_text(name, value)});
  return text + table.text(2);
}

Value value_of(const DkimKeyEntry& key) {
  const std::string name = record_name(key.identity), value = key.identity.key.record();
  const bool retired = key.state == DkimKeyState::kRetired;
  return Value::Object{{"domain", key.identity.domain},
                       {"selector", key.identity.selector},
                       {"algorithm", key.identity.key.algorithm_name()},
                       {"state", state_word(key.state)},
                       {"since", time_value(key.since)},
                       {"removable_after", time_value(retired ? key.since + kDkimRetirement : 0)},
                       {"name", name},
                       {"type", "TXT"},
                       {"value", value},
                       {"zone", zone_text(name, value)}};
}

// The argument is a domain: check_request() has seen to it.
std::string domain_argument(const Request& request) {
  return parse_mail_domain(request.arguments[0]).value();
}

void tell(const std::vector<DkimKeyEntry>& keys, std::string& text, Value::Array& array) {
  for (const DkimKeyEntry& key : keys) {
    text += (text.empty() ? "" : "\n") + text_of(key);
    array.push_back(value_of(key));
  }
}

}  // namespace

Report show_dkim(const Request& request, CommandContext& context) {
  std::set<std::string> domains;
  if (request.arguments.empty()) {
    domains = served_domains(*context.store.directory());
  } else {
    domains.insert(domain_argument(request));
  }
  std::string text;
  Value::Array array;
  for (const std::string& domain : domains) {
    const auto keys = context.store.list_dkim_keys(domain);
    if (!keys) return failed(keys.error());
    tell(*keys, text, array);
  }
  if (array.empty()) text = "No domains yet: one is served, and has keys, as soon as a mailbox is in it.\n";
  return done(std::move(text), array);
}

Report rotate_dkim(const Request& request, CommandContext& context) {
  const std::string domain = domain_argument(request);
  const bool activate = has_flag(request, "activate");
  const Result<void> changed =
      activate ? context.store.activate_dkim_keys(domain) : context.store.prepare_dkim_keys(domain);
  if (!changed && activate && changed.error().kind == ErrorKind::kNotFound &&
      context.store.directory()->is_ours(domain)) {
    return failed(fmt::format("{}; 'mailstead dkim rotate {}' makes them", changed.error().message, domain));
  }
  if (!changed) return failed(changed.error());
  auto keys = context.store.list_dkim_keys(domain);
  if (!keys) return failed(keys.error());
  if (!activate) {
    std::erase_if(*keys, [](const DkimKeyEntry& key) { return key.state != DkimKeyState::kNext; });
  }
  std::string text;
  Value::Array array;
  tell(*keys, text, array);
  text += activate ? "\nThe new keys sign from now on. Leave the records of the old ones in the DNS for a "
                     "week: mail that\nthey signed is still on its way.\n"
                   : fmt::format(
                         "\nPublish these records beside those that are there. When the DNS shows "
                         "them, have the keys sign\nby 'mailstead dkim rotate {} --activate'; until "
                         "then the present ones do.\n",
                         domain);
  return done(std::move(text), array);
}

}  // namespace mailstead::admin
