#include "admin/dns/dns_judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/origin/dkim_record.h"
#include "protocols/origin/dmarc_record.h"
#include "protocols/origin/spf_record.h"
#include "protocols/tls/mta_sts.h"
#include "protocols/tls/tls_report.h"

namespace mailstead::admin {
namespace {

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
enum class TxtKind { kSpf, kDkim, kDmarc, kSts, kTlsReports };

TxtKind kind_of_txt(std::string_view value) {
  if (ascii::starts_with(value, "v=DKIM1")) return TxtKind::kDkim;
  if (ascii::starts_with(value, "v=DMARC1")) return TxtKind::kDmarc;
  if (ascii::starts_with(value, "v=STSv1")) return TxtKind::kSts;
  return ascii::starts_with(value, "v=TLSRPTv1") ? TxtKind::kTlsReports : TxtKind::kSpf;
}

// The value of a tag of DKIM, without white space: RFC 6376 3.2.
std::string tag_value(std::string_view text, std::string_view tag) {
  while (!text.empty()) {
    const std::string_view part = ascii::take_until(text, ';');
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || ascii::trim(part.substr(0, equals)) != tag) continue;
    std::string value(part.substr(equals + 1));
    std::erase_if(value, [](char c) { return ascii::is_blank(c); });
    return value;
  }
  return {};
}

void differs(DnsFinding& finding, std::string advice) {
  finding.verdict = DnsVerdict::kDiffers;
  finding.advice = std::move(advice);
}

void cannot_tell(DnsFinding& finding, std::string advice) {
  finding.verdict = DnsVerdict::kCannotTell;
  finding.advice = std::move(advice);
}

constexpr const char* kSeveral = "There are several records: others take none of them then. Leave one.";

void judge_spf(const std::vector<dns::Record>& records, DnsFinding& finding) {
  std::vector<std::string> policies;
  for (const std::string_view each : spf_records(records)) policies.emplace_back(each);
  finding.found = all_of(policies);
  if (policies.empty()) {
    finding.verdict = DnsVerdict::kMissing;
    return;
  }
  if (policies.size() > 1) {
    return differs(
        finding,
        "There are several records that begin with v=spf1: that is an error to everybody. Make one of them.");
  }
  const auto policy = parse_spf_record(policies.front());
  if (!policy) {
    return differs(
        finding, fmt::format("Others cannot read it, as if it were not there: {}.", policy.error().message));
  }
  // Of the host its own address, of a domain its MX.
  const bool wants_mx = finding.record.value.find(" mx ") != std::string::npos;
  using Kind = SpfMechanism::Kind;
  using Qualifier = SpfMechanism::Qualifier;
  const Kind wanted = wants_mx ? Kind::kMx : Kind::kA;
  const std::string_view word = wants_mx ? "mx" : "a";
  bool may_be_named = policy->redirect.has_value();
  std::string_view rest = policy->mechanisms;
  while (const auto each = take_spf_mechanism(rest)) {
    // What stands behind the first that is about this server says nothing of it any more.
    if (each->kind == Kind::kAll || (each->kind == wanted && each->domain_spec.empty())) {
      if (each->qualifier != Qualifier::kPass) break;
      finding.verdict = DnsVerdict::kRight;
      return;
    }
    may_be_named = may_be_named || each->qualifier == Qualifier::kPass;
  }
  if (may_be_named) {
    return cannot_tell(
        finding, fmt::format("If what it names is not this server's address, put \"{}\" into it.", word));
  }
  differs(finding, fmt::format("It does not allow this server: put \"{}\" into it.", word));
}

// Its id is its owner's: each policy has another one.
void judge_sts(const std::vector<std::string>& found, DnsFinding& finding) {
  std::vector<std::string> alike;
  std::ranges::copy_if(found, std::back_inserter(alike), [](const std::string& text) {
    return ascii::lower(text).find("sts") != std::string::npos;
  });
  finding.found = all_of(alike);
  if (alike.empty()) {
    finding.verdict = DnsVerdict::kMissing;
    finding.advice = "It is of use only with a policy on a web server: 'mailstead dns records' shows both.";
  } else if (sts_policy_id(found)) {
    finding.verdict = DnsVerdict::kRight;
  } else {
    differs(finding,
            alike.size() > 1
                ? kSeveral
                : "Others cannot read it: it has to be \"v=STSv1; id=\" and 1 to 32 letters and digits.");
  }
}

void judge_tls_reports(const std::vector<std::string>& found, DnsFinding& finding) {
  std::vector<std::string> alike;
  std::ranges::copy_if(found, std::back_inserter(alike),
                       [](const std::string& text) { return ascii::starts_with(text, "v=TLSRPT"); });
  finding.found = all_of(alike);
  if (alike.empty()) {
    finding.verdict = DnsVerdict::kMissing;
  } else if (!tls_report_places(found).empty()) {
    finding.verdict = DnsVerdict::kRight;
  } else {
    differs(finding, alike.size() > 1 ? kSeveral
                                      : "Others cannot read it: it has to be \"v=TLSRPTv1; rua=mailto:\" and "
                                        "an address.");
  }
}

void judge_dmarc(const std::vector<dns::Record>& records, DnsFinding& finding) {
  std::vector<std::string> policies;
  for (const std::string_view each : dmarc_records(records)) policies.emplace_back(each);
  finding.found = all_of(policies);
  if (policies.empty()) {
    finding.verdict = DnsVerdict::kMissing;
  } else if (policies.size() > 1) {
    differs(finding, kSeveral);  // RFC 7489 6.6.3
  } else if (const auto policy = parse_dmarc_record(policies.front()); !policy) {
    differs(finding, fmt::format("Others make nothing of it: {}.", policy.error().message));
  } else {
    finding.verdict = DnsVerdict::kRight;
  }
}

void judge_key(const std::vector<std::string>& found, DnsFinding& finding) {
  std::vector<std::string> keys;
  // v= may be left out, RFC 6376 3.6.1.
  std::ranges::copy_if(found, std::back_inserter(keys),
                       [](const std::string& text) { return !tag_value(text, "p").empty(); });
  finding.found = all_of(keys);
  if (keys.empty()) {
    finding.verdict = DnsVerdict::kMissing;
    return;
  }
  // RFC 6376 3.6.2.2: which of them counts is anybody's guess.
  if (keys.size() > 1)
    return differs(finding, "There are several keys of this name: others may take the wrong one. Leave one.");
  finding.verdict = DnsVerdict::kDiffers;
  const std::string& key = keys.front();
  const std::string& wanted = finding.record.value;
  const auto kind = [](std::string_view text) {
    const std::string value = tag_value(text, "k");
    return value.empty() ? std::string("rsa") : value;
  };
  if (tag_value(key, "p") != tag_value(wanted, "p")) return;
  if (kind(key) != kind(wanted))
    return differs(finding, fmt::format("Others take the key for one of another kind: put \"k={}\" into it.",
                                        kind(wanted)));
  const auto read = DkimRecord::parse(key);
  if (!read) return differs(finding, fmt::format("Others cannot use it: {}.", read.error().message));
  if (!read->is_for_mail() || !read->takes_sha256())
    return differs(finding, "Its \"s=\" or \"h=\" says that it is for other things. Leave them out.");
  if (read->is_testing())
    return cannot_tell(
        finding, "With \"t=y\" others take mail as if it were not signed: leave it out when all is well.");
  finding.verdict = DnsVerdict::kRight;
}

void judge_txt(const dns::Answer& answer, const std::vector<std::string>& found, DnsFinding& finding) {
  switch (kind_of_txt(finding.record.value)) {
    case TxtKind::kSpf:
      return judge_spf(answer.records, finding);
    case TxtKind::kDkim:
      return judge_key(found, finding);
    case TxtKind::kDmarc:
      return judge_dmarc(answer.records, finding);
    case TxtKind::kSts:
      return judge_sts(found, finding);
    case TxtKind::kTlsReports:
      return judge_tls_reports(found, finding);
  }
}

// Its host counts, at any preference; but others may stand before it.
void judge_mx(const dns::Answer& answer, DnsFinding& finding) {
  const std::string_view host = last_word(finding.record.value);
  const auto is_ours = [host](const dns::Record& each) { return ascii::same(each.text, host); };
  const auto& records = answer.records;
  const auto ours = std::ranges::min_element(
      records, {}, [&](const dns::Record& each) { return std::pair(!is_ours(each), each.preference); });
  if (ours == records.end() || !is_ours(*ours)) {
    finding.verdict = records.empty() ? DnsVerdict::kMissing : DnsVerdict::kDiffers;
    if (std::ranges::any_of(records, [](const dns::Record& each) { return each.text.empty(); }))
      finding.advice = "It says that the domain takes no mail at all (RFC 7505).";
    return;
  }
  finding.verdict = DnsVerdict::kRight;
  const auto first = std::ranges::find_if(records, [&](const dns::Record& each) {
    return !is_ours(each) && each.preference <= ours->preference;
  });
  if (first == records.end()) return;
  cannot_tell(
      finding,
      fmt::format("Mail goes to {} as well, also while this server is there: unless that one passes it "
                  "on to this one, remove its record.",
                  first->text.empty() ? "nobody" : first->text));
}

void judge_others(const std::vector<std::string>& found, DnsFinding& finding) {
  const bool is_right = std::ranges::any_of(
      found, [&](const std::string& text) { return ascii::same(text, finding.record.value); });
  finding.verdict = is_right        ? DnsVerdict::kRight
                    : found.empty() ? DnsVerdict::kMissing
                                    : DnsVerdict::kDiffers;
}

}  // namespace

DnsFinding judge_record(const DnsRecord& record, const dns::Answer& answer) {
  DnsFinding finding;
  finding.record = record;
  if (answer.verdict == dns::Verdict::kFailed) {
    finding.advice = "No DNS server gave an answer: try again, or see resolver.servers.";
    return finding;
  }
  std::vector<std::string> found;
  for (const dns::Record& each : answer.records) found.push_back(text_of_answer(each));
  finding.found = all_of(found);
  if (record.type == "TXT") {
    judge_txt(answer, found, finding);
  } else if (record.type == "MX") {
    judge_mx(answer, finding);
  } else {
    judge_others(found, finding);
  }
  return finding;
}

}  // namespace mailstead::admin
