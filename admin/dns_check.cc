#include "admin/dns_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "admin/report.h"
#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr std::pair<std::string_view, dns::Type> kTypes[] = {
    {"A", dns::Type::kA},     {"AAAA", dns::Type::kAaaa}, {"MX", dns::Type::kMx},
    {"TXT", dns::Type::kTxt}, {"PTR", dns::Type::kPtr},   {"SRV", dns::Type::kSrv}};

// As dns_records.h writes it.
std::string text_of_answer(const dns::Record& record) {
  switch (record.type) {
    case dns::Type::kA:
    case dns::Type::kAaaa:
      return record.address.text();
    case dns::Type::kMx:
      return fmt::format("{} {}", record.preference, record.text.empty() ? "." : record.text);
    case dns::Type::kSrv:
      return fmt::format("{} {} {} {}", record.preference, record.weight, record.port, record.text);
    default:
      return record.text;
  }
}

std::string all_of(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string_view last_word(std::string_view text) {
  return text.substr(text.rfind(' ') + 1);
}

// What a TXT record is for: others may stand beside it.
enum class TxtKind { kSpf, kDkim, kDmarc, kTlsReports };

TxtKind kind_of_txt(std::string_view value) {
  if (ascii::starts_with(value, "v=DKIM1")) return TxtKind::kDkim;
  if (ascii::starts_with(value, "v=DMARC1")) return TxtKind::kDmarc;
  return ascii::starts_with(value, "v=TLSRPTv1") ? TxtKind::kTlsReports : TxtKind::kSpf;
}

bool is_spf(std::string_view text) {
  // RFC 7208 4.5
  return ascii::same(text.substr(0, 6), "v=spf1") && (text.size() == 6 || text[6] == ' ');
}

// The value of a tag of DKIM or DMARC, without white space: RFC 6376 3.2.
std::string tag_value(std::string_view text, std::string_view tag) {
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || ascii::trim(part.substr(0, equals)) != tag) continue;
    std::string value(part.substr(equals + 1));
    std::erase_if(value, [](char c) { return ascii::is_blank(c); });
    return value;
  }
  return {};
}

bool has_word(std::string_view text, std::string_view word) {
  for (text = ascii::trim(text); !text.empty(); text = ascii::trim(text)) {
    const std::string_view each = text.substr(0, text.find(' '));
    if (ascii::same(each, word)) return true;
    text.remove_prefix(each.size());
  }
  return false;
}

void judge_spf(const std::vector<std::string>& found, DnsFinding& finding) {
  std::vector<std::string> policies;
  std::ranges::copy_if(found, std::back_inserter(policies), is_spf);
  finding.found = all_of(policies);
  if (policies.empty()) {
    finding.verdict = DnsVerdict::kMissing;
    return;
  }
  if (policies.size() > 1) {
    finding.verdict = DnsVerdict::kDiffers;
    finding.advice =
        "There are several records that begin with v=spf1: that is an error to everybody. Make one of them.";
    return;
  }
  // Of the host its own address, of a domain its MX.
  const bool wants_mx = has_word(finding.record.value, "mx");
  const std::string mechanism = wants_mx ? "mx" : "a";
  const std::string& policy = policies.front();
  if (has_word(policy, mechanism) || has_word(policy, "+" + mechanism) || has_word(policy, "+all")) {
    finding.verdict = DnsVerdict::kRight;
  } else if (policy.find("include:") != std::string::npos || policy.find("redirect=") != std::string::npos ||
             policy.find("ip4:") != std::string::npos || policy.find("ip6:") != std::string::npos ||
             policy.find("exists:") != std::string::npos || policy.find("a:") != std::string::npos) {
    finding.verdict = DnsVerdict::kCannotTell;
    finding.advice =
        fmt::format("If what it names is not this server's address, put \"{}\" into it.", mechanism);
  } else {
    finding.verdict = DnsVerdict::kDiffers;
    finding.advice = fmt::format("It does not allow this server: put \"{}\" into it.", mechanism);
  }
}

void judge_txt(const std::vector<std::string>& found, DnsFinding& finding) {
  const std::string& wanted = finding.record.value;
  const TxtKind kind = kind_of_txt(wanted);
  if (kind == TxtKind::kSpf) return judge_spf(found, finding);
  std::vector<std::string> alike;
  std::ranges::copy_if(found, std::back_inserter(alike), [&](const std::string& text) {
    // v= may be left out of a key's record, RFC 6376 3.6.1.
    return kind == TxtKind::kDkim ? !tag_value(text, "p").empty()
                                  : !is_spf(text) && kind_of_txt(text) == kind;
  });
  finding.found = all_of(alike);
  if (alike.empty()) {
    finding.verdict = DnsVerdict::kMissing;
    return;
  }
  const bool is_right = std::ranges::any_of(alike, [&](const std::string& text) {
    if (kind == TxtKind::kDkim) return tag_value(text, "p") == tag_value(wanted, "p");
    return kind != TxtKind::kDmarc || !tag_value(text, "p").empty();
  });
  finding.verdict = is_right ? DnsVerdict::kRight : DnsVerdict::kDiffers;
}

void judge_others(const std::vector<std::string>& found, DnsFinding& finding) {
  const std::string& wanted = finding.record.value;
  finding.found = all_of(found);
  const std::string& type = finding.record.type;
  const bool by_host = type == "MX";  // at any preference
  const bool is_right = std::ranges::any_of(found, [&](const std::string& text) {
    return ascii::same(by_host ? last_word(text) : std::string_view(text),
                       by_host ? last_word(wanted) : std::string_view(wanted));
  });
  finding.verdict = is_right        ? DnsVerdict::kRight
                    : found.empty() ? DnsVerdict::kMissing
                                    : DnsVerdict::kDiffers;
  if (type == "MX" && std::ranges::find(found, "0 .") != found.end()) {
    finding.advice = "It says that the domain takes no mail at all (RFC 7505).";
  }
}

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
  if (finding.verdict != DnsVerdict::kNotAsked) {
    table.add({finding.record.required ? "should be" : "may be", finding.record.value});
  }
  if (!finding.advice.empty()) table.add({"", finding.advice});
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

}  // namespace

DnsQuestion question_for(const DnsRecord& record) {
  for (const auto& [word, type] : kTypes) {
    if (record.type == word) return {record.name, type};
  }
  return {record.name, dns::Type::kTxt};
}

DnsFinding judge_record(const DnsRecord& record, const dns::Answer& answer) {
  DnsFinding finding;
  finding.record = record;
  if (answer.verdict == dns::Verdict::kFailed) {
    finding.verdict = DnsVerdict::kNotAsked;
    finding.advice = "No DNS server gave an answer: try again, or see resolver.servers.";
    return finding;
  }
  std::vector<std::string> found;
  for (const dns::Record& each : answer.records) found.push_back(text_of_answer(each));
  record.type == "TXT" ? judge_txt(found, finding) : judge_others(found, finding);
  return finding;
}

Report check_dns(const std::string& records, const std::vector<ListenAddress>& servers,
                 const LookUp& look_up) {
  const std::vector<DnsRecord> wanted = parse_records(records);
  if (wanted.empty())
    return done("No domains yet: one is served, and has records, as soon as a mailbox is in it.\n",
                Value::Array{});
  std::vector<DnsQuestion> questions;
  for (const DnsRecord& record : wanted) questions.push_back(question_for(record));
  const std::vector<dns::Answer> answers = look_up(servers, questions);
  std::string text;
  Value::Array array;
  std::size_t bad = 0;
  for (std::size_t i = 0; i < wanted.size() && i < answers.size(); ++i) {
    const DnsFinding finding = judge_record(wanted[i], answers[i]);
    text += text_of_finding(finding);
    array.push_back(value_of_finding(finding));
    if (is_bad(finding)) ++bad;
  }
  text += bad == 0 ? "\nAll that is needed is there.\n"
                   : fmt::format(
                         "\n{} not right. 'mailstead dns records' tells what each is for; what was changed "
                         "is seen after an "
                         "hour or so.\n",
                         bad == 1 ? "One record is" : fmt::format("{} records are", bad));
  Report report = done(std::move(text), array);
  if (bad > 0) report.exit_code = 1;
  return report;
}

}  // namespace mailstead::admin
