// dns records

#include <fmt/format.h>

#include <ctime>
#include <set>

#include "admin/command_table.h"
#include "admin/dns/dns_records.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/served_domains.h"
#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

struct Section {
  std::string title;
  std::vector<DnsRecord> records;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) lines.push_back(ascii::take_until(text, '\n'));
  return lines;
}

std::string rows_of(const Section& section) {
  std::string text = section.title + "\n";
  for (const DnsRecord& record : section.records) {
    Table table({Align::kLeft, Align::kLeft});
    table.add({"name", record.name});
    table.add({"type", record.type});
    table.add({"value", record.value});
    const std::string purpose = record.purpose + (record.required ? "" : " (of use, not needed)");
    text += fmt::format("\n{}\n{}", filled(purpose), table.text(2));
    if (record.policy.empty()) continue;
    text += fmt::format("  {}\n", record.policy_url);
    for (const std::string_view line : lines_of(record.policy)) text += fmt::format("    {}\n", line);
  }
  return text;
}

// What is not in a zone of the owner's stands there as a remark, and so does what is not enough by itself.
std::string zone_of(const Section& section) {
  std::string text = fmt::format("; {}\n", section.title);
  for (const DnsRecord& record : section.records) {
    if (!record.policy.empty()) {
      text += fmt::format("; When {} serves these lines:\n", record.policy_url);
      for (const std::string_view line : lines_of(record.policy)) text += fmt::format(";   {}\n", line);
    }
    const bool is_remark = record.is_reverse || !record.policy.empty();
    text += (is_remark ? "; " : "") + zone_line(record) + "\n";
  }
  return text;
}

// In a zone each line of it is a remark.
std::string closing_words(std::string_view words, bool as_zone) {
  const std::string_view remark = as_zone ? "; " : "";
  const std::string lines = filled(words, remark.size(), remark.size());
  std::string text = "\n";
  for (const std::string_view line : lines_of(lines))
    text += fmt::format("{}{}\n", remark, ascii::trim(line));
  return text;
}

Value value_of_record(const DnsRecord& record) {
  Value::Object object{{"name", record.name},         {"type", record.type},
                       {"value", record.value},       {"zone", zone_line(record)},
                       {"purpose", record.purpose},   {"required", record.required},
                       {"reverse", record.is_reverse}};
  if (!record.policy.empty()) {
    object.emplace_back("policy_url", record.policy_url);
    object.emplace_back("policy", record.policy);
  }
  return object;
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
  const std::string& host = context.config.hostname;
  sections.push_back({fmt::format("The server {}", host), host_records(context.config, addresses)});
  // RFC 7208 4.5: one policy for a name; that of a domain allows the host, too.
  if (domains.contains(host) || context.store.directory()->is_ours(host))
    std::erase_if(sections.back().records, [](const DnsRecord& record) { return record.type == "TXT"; });
  for (const std::string& domain : domains) {
    const auto keys = context.store.list_dkim_keys(domain);
    if (!keys) return failed(keys.error());
    sections.push_back({fmt::format("The domain {}", domain),
                        domain_records(domain, context.config, *keys, std::time(nullptr))});
  }
  const bool as_zone = has_flag(request, "zone");
  std::string text;
  Value::Array array;
  for (const Section& section : sections) {
    if (!text.empty()) text += '\n';
    text += as_zone ? zone_of(section) : rows_of(section);
    for (const DnsRecord& record : section.records) array.push_back(value_of_record(record));
  }
  if (!can_be_found(host)) {
    text += closing_words(words_for_lost_host(host), as_zone);
  } else if (addresses.empty()) {
    const std::string words = fmt::format(
        "The server's public address is not known here: it is behind a router, or in a container. {0} needs "
        "an A record (IPv4) or an AAAA record (IPv6) with it, and the address has to have the reverse name "
        "{0}, which whoever gave it out sets.",
        host);
    text += closing_words(words, as_zone);
  }
  return done(std::move(text), array);
}

}  // namespace mailstead::admin
