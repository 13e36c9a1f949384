// dns records

#include <fmt/format.h>

#include <set>

#include "admin/command_table.h"
#include "admin/dns_records.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/served_domains.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

struct Section {
  std::string title;
  std::vector<DnsRecord> records;
};

std::string rows_of(const Section& section) {
  std::string text = section.title + "\n";
  for (const DnsRecord& record : section.records) {
    Table table({Align::kLeft, Align::kLeft});
    table.add({"name", record.name});
    table.add({"type", record.type});
    table.add({"value", record.value});
    text += fmt::format("\n{}{}\n{}", record.purpose, record.required ? "" : " (of use, not needed)",
                        table.text(2));
  }
  return text;
}

// What is not in a zone of the owner's stands there as a remark.
std::string zone_of(const Section& section) {
  std::string text = fmt::format("; {}\n", section.title);
  for (const DnsRecord& record : section.records) {
    text += (record.is_reverse ? "; " : "") + zone_line(record) + "\n";
  }
  return text;
}

Value value_of_record(const DnsRecord& record) {
  return Value::Object{{"name", record.name},         {"type", record.type},
                       {"value", record.value},       {"zone", zone_line(record)},
                       {"purpose", record.purpose},   {"required", record.required},
                       {"reverse", record.is_reverse}};
}

}  // namespace

Report show_dns_records(const Request& request, CommandContext& context) {
  std::set<std::string> domains;
  if (request.arguments.empty()) {
    domains = served_domains(*context.store.directory());
  } else {
    domains.insert(parse_mail_domain(request.arguments[0]).value());  // check_request() has seen to it
  }
  if (domains.empty()) {
    return done("No domains yet: one is served, and has records, as soon as a mailbox is in it.\n",
                Value::Array{});
  }
  const auto addresses = public_addresses();
  std::vector<Section> sections;
  sections.push_back(
      {fmt::format("The server {}", context.config.hostname), host_records(context.config, addresses)});
  for (const std::string& domain : domains) {
    const auto keys = context.store.list_dkim_keys(domain);
    if (!keys) return failed(keys.error());
    sections.push_back({fmt::format("The domain {}", domain), domain_records(domain, context.config, *keys)});
  }
  const bool as_zone = has_flag(request, "zone");
  std::string text;
  Value::Array array;
  for (const Section& section : sections) {
    if (!text.empty()) text += '\n';
    text += as_zone ? zone_of(section) : rows_of(section);
    for (const DnsRecord& record : section.records) array.push_back(value_of_record(record));
  }
  if (addresses.empty()) {
    const std::string remark = as_zone ? "; " : "";
    text += fmt::format(
        "\n{0}The server's public address is not known here: it is behind a router, or in a container. {1}\n"
        "{0}needs an A record (IPv4) or an AAAA record (IPv6) with it, and the address has to have the "
        "reverse\n"
        "{0}name {1}, which whoever gave it out sets.\n",
        remark, context.config.hostname);
  }
  return done(std::move(text), array);
}

}  // namespace mailstead::admin
