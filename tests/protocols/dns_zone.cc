#include "tests/protocols/dns_zone.h"

#include <cassert>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

constexpr int kMostZoneAliases = 8;

std::string zone_type_name(dns::Type type) {
  switch (type) {
    case dns::Type::kA:
      return "A";
    case dns::Type::kAaaa:
      return "AAAA";
    case dns::Type::kMx:
      return "MX";
    case dns::Type::kPtr:
      return "PTR";
    case dns::Type::kTxt:
      return "TXT";
    default:
      return "";
  }
}

dns::Record zone_record(dns::Type type, std::string_view data) {
  dns::Record record;
  record.type = type;
  if (type == dns::Type::kA || type == dns::Type::kAaaa) {
    record.address = parse_ip(data).value();
    return record;
  }
  if (type == dns::Type::kMx)
    record.preference = static_cast<std::uint16_t>(ascii::number(ascii::take_until(data, ' ')).value());
  record.text = type == dns::Type::kTxt ? std::string(data) : ascii::lower(data);  // as dns::Record has it
  return record;
}

}  // namespace

dns::Answer txt_answer(const std::vector<std::string>& texts) {
  dns::Answer answer;
  answer.verdict = texts.empty() ? dns::Verdict::kNoRecords : dns::Verdict::kFound;
  for (const std::string& text : texts) {
    answer.records.emplace_back();
    answer.records.back().type = dns::Type::kTxt;
    answer.records.back().text = text;
  }
  return answer;
}

DnsZone::DnsZone(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    std::string_view line = ascii::take_until(text, '\n');
    if (line.empty()) continue;
    if (line.front() != ' ') name = ascii::lower(ascii::take_until(line, ' '));
    while (line.starts_with(' ')) line.remove_prefix(1);
    const std::string type(ascii::take_until(line, ' '));
    names_[name].push_back({type, std::string(line)});
  }
}

dns::Answer DnsZone::answer(const std::string& name, dns::Type type) const {
  return answer(name, type, 0);
}

dns::Answer DnsZone::answer(const std::string& name, dns::Type type, int aliases) const {
  dns::Answer answer;
  answer.name = name;
  const auto found = names_.find(name);
  if (found == names_.end()) {
    answer.verdict = dns::Verdict::kNoName;
    return answer;
  }
  for (const Entry& each : found->second) {
    if (each.type == "CNAME")
      return aliases == kMostZoneAliases ? dns::Answer() : this->answer(each.data, type, aliases + 1);
    if (each.type == "FAILS" && (each.data.empty() || each.data == zone_type_name(type))) return {};
    if (each.type == zone_type_name(type)) answer.records.push_back(zone_record(type, each.data));
  }
  answer.verdict = answer.records.empty() ? dns::Verdict::kNoRecords : dns::Verdict::kFound;
  return answer;
}

}  // namespace mailstead
