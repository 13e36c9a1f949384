#include "admin/dns/dns_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::pair<std::string_view, dns::Type> kTypes[] = {
    {"A", dns::Type::kA},        {"AAAA", dns::Type::kAaaa}, {"MX", dns::Type::kMx},
    {"TXT", dns::Type::kTxt},    {"PTR", dns::Type::kPtr},   {"SRV", dns::Type::kSrv},
    {"CNAME", dns::Type::kCname}};

std::string_view word_of(DnsVerdict verdict) {
  switch (verdict) {
    case DnsVerdict::kRight:
      return "ok";
    case DnsVerdict::kMissing:
      return "missing";
    case DnsVerdict::kDiffers:
      return "differs";
    case DnsVerdict::kCannotTell:
      return "cannot tell";
    case DnsVerdict::kNotAsked:
      break;
  }
  return "no answer";
}

bool is_bad(const DnsFinding& finding) {
  return finding.record.required && finding.verdict != DnsVerdict::kRight &&
         finding.verdict != DnsVerdict::kCannotTell;
}

std::string text_of_finding(const DnsFinding& finding) {
  std::string text =
      fmt::format("{:<12} {:<5} {}\n", word_of(finding.verdict), finding.record.type, finding.record.name);
  if (finding.verdict == DnsVerdict::kRight) return text;
  Table table({Align::kLeft, Align::kLeft});
  if (!finding.found.empty()) table.add({"there is", printable(finding.found)});
  if (finding.verdict != DnsVerdict::kNotAsked && !finding.record.value.empty()) {
    table.add({finding.record.required ? "should be" : "may be", finding.record.value});
  }
  if (!finding.advice.empty()) table.add({"", printable(finding.advice)});
  return text + table.text(13);
}

Value value_of_finding(const DnsFinding& finding) {
  return Value::Object{
      {"name", finding.record.name}, {"type", finding.record.type},    {"verdict", word_of(finding.verdict)},
      {"found", finding.found},      {"wanted", finding.record.value}, {"required", finding.record.required},
      {"advice", finding.advice}};
}

std::vector<DnsRecord> parse_records(const std::string& text) {
  std::vector<DnsRecord> records;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return records;
  for (const auto& each : json) {
    records.push_back({each.value("name", ""), each.value("type", ""), each.value("value", ""),
                       each.value("purpose", ""), each.value("required", true),
                       each.value("reverse", false)});
  }
  return records;
}

std::string records_are(std::ptrdiff_t number) {
  return number == 1 ? "One record is" : fmt::format("{} records are", number);
}

// What was not answered is neither there nor missing.
std::string words_for_end(const std::vector<DnsFinding>& findings) {
  const auto bad = std::ranges::count_if(findings, is_bad);
  const auto unanswered = std::ranges::count_if(findings, [](const DnsFinding& finding) {
    return is_bad(finding) && finding.verdict == DnsVerdict::kNotAsked;
  });
  if (bad == 0) return "All that is needed is there.\n";
  std::string text;
  if (bad > unanswered) {
    const std::string words = fmt::format(
        "{} not right. 'mailstead dns records' tells what each is for; what was changed is seen after an "
        "hour or so.",
        records_are(bad - unanswered));
    text = filled(words) + '\n';
  }
  if (unanswered > 0) {
    text += fmt::format("{} not known: no DNS server answered for {}.\n", records_are(unanswered),
                        unanswered == 1 ? "it" : "them");
  }
  return text;
}

std::string words_for_silence(std::size_t records, const std::vector<ListenAddress>& servers) {
  std::vector<std::string> names;
  for (const ListenAddress& each : servers) names.push_back(each.text());
  return fmt::format(
      "{} not known: no DNS server answered for any ({}). 'mailstead doctor --only resolver' tells more.",
      records_are(static_cast<std::ptrdiff_t>(records)),
      names.empty() ? "those of /etc/resolv.conf" : fmt::format("{}", fmt::join(names, ", ")));
}

// The server's own name, by what the MX records say.
std::string host_of(const std::vector<DnsRecord>& wanted) {
  const auto mx = std::ranges::find(wanted, "MX", &DnsRecord::type);
  return mx == wanted.end() ? std::string() : mx->value.substr(mx->value.rfind(' ') + 1);
}

// Where others look for this server beyond the addresses that are known here: behind a router and in a
// container that is all of them, and the names of those addresses are asked for as well.
std::vector<DnsFinding> judge_host(const std::string& host, std::span<const dns::Answer> answers,
                                   const std::vector<DnsRecord>& wanted,
                                   const std::vector<ListenAddress>& servers, const LookUp& look_up) {
  const auto is_wanted = [&](const std::string& address) {
    return std::ranges::any_of(wanted, [&](const DnsRecord& record) {
      return record.name == host && (record.type == "A" || record.type == "AAAA") && record.value == address;
    });
  };
  const bool is_known = std::ranges::any_of(
      wanted, [&](const DnsRecord& record) { return record.type == "A" || record.type == "AAAA"; });
  std::vector<DnsFinding> findings;
  std::vector<DnsQuestion> names;
  std::vector<DnsRecord> reverse;
  bool is_there = false;
  bool is_unsure = false;
  for (const dns::Answer& answer : answers) {
    is_unsure = is_unsure || answer.verdict == dns::Verdict::kFailed;
    for (const dns::Record& each : answer.records) {
      is_there = true;
      const std::string address = each.address.text();
      if (is_wanted(address)) continue;
      DnsFinding finding{{host, each.address.is_ipv4() ? "A" : "AAAA", "", "Where this server is."},
                         DnsVerdict::kCannotTell,
                         address,
                         "This machine does not know the address: see that mail to it comes here."};
      if (!is_public(each.address)) {
        finding.verdict = DnsVerdict::kDiffers;
        finding.advice =
            "Nobody elsewhere reaches this address: publish the one that your provider gave you.";
      } else {
        reverse.push_back(
            {reverse_name(each.address), "PTR", host, "Whom the address belongs to.", true, true});
        names.push_back(question_for(reverse.back()));
      }
      findings.push_back(std::move(finding));
    }
  }
  if (!is_there && !is_known) {
    findings.push_back({{host, "A", "the public address of this server", "Where this server is."},
                        is_unsure ? DnsVerdict::kNotAsked : DnsVerdict::kMissing,
                        "",
                        ""});
  }
  const auto found = names.empty() ? std::vector<dns::Answer>() : look_up(servers, names);
  for (std::size_t i = 0; i < reverse.size() && i < found.size(); ++i)
    findings.push_back(judge_record(reverse[i], found[i]));
  return findings;
}

}  // namespace

DnsQuestion question_for(const DnsRecord& record) {
  for (const auto& [word, type] : kTypes) {
    if (record.type == word) return {record.name, type};
  }
  return {record.name, dns::Type::kTxt};
}

Report check_dns(const std::string& records, const std::vector<ListenAddress>& servers,
                 const LookUp& look_up) {
  const std::vector<DnsRecord> wanted = parse_records(records);
  if (wanted.empty())
    return done("No domains yet: one is served, and has records, as soon as a mailbox is in it.\n",
                Value::Array{});
  std::vector<DnsQuestion> questions;
  for (const DnsRecord& record : wanted) questions.push_back(question_for(record));
  const std::string host = host_of(wanted);
  const bool is_host_asked = can_be_found(host);
  if (is_host_asked) questions.insert(questions.end(), {{host, dns::Type::kA}, {host, dns::Type::kAaaa}});
  const std::vector<dns::Answer> answers = look_up(servers, questions);
  const std::span<const dns::Answer> of_records = std::span(answers).first(wanted.size());
  std::vector<DnsFinding> findings;
  if (is_host_asked)
    findings = judge_host(host, std::span(answers).subspan(wanted.size()), wanted, servers, look_up);
  for (std::size_t i = 0; i < wanted.size(); ++i) findings.push_back(judge_record(wanted[i], of_records[i]));
  std::string text;
  Value::Array array;
  for (const DnsFinding& finding : findings) {
    text += text_of_finding(finding);
    array.push_back(value_of_finding(finding));
  }
  const auto bad = std::ranges::count_if(findings, is_bad);
  // One sentence in place of the same word for each record.
  if (std::ranges::all_of(answers,
                          [](const dns::Answer& each) { return each.verdict == dns::Verdict::kFailed; })) {
    text = filled(words_for_silence(wanted.size(), servers)) + '\n';
  } else {
    text += '\n' + words_for_end(findings);
  }
  if (!host.empty() && !can_be_found(host)) text += '\n' + filled(words_for_lost_host(host)) + '\n';
  Report report = done(std::move(text), array);
  if (bad > 0) report.exit_code = 1;
  return report;
}

}  // namespace mailstead::admin
