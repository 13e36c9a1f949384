#include "server/outgoing/tls_plan.h"

#include <fmt/format.h>

#include <utility>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

using TlsUse = SmtpClientOptions::TlsUse;

// Each line with a line feed and nothing else at its end.
std::string plain_lines(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    std::string_view line = ascii::take_until(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = ascii::trim_end(line);
    if (!line.empty()) lines += fmt::format("{}\n", line);
  }
  return lines;
}

}  // namespace

TlsPlan plan_by_sts(const StsVerdict& sts, const RouteTarget& target, const std::string& domain) {
  TlsPlan plan;
  plan.expectation.host = target.host;
  plan.policy.domain = domain;
  plan.name_is_sure = target.is_authenticated || ascii::same(target.host, domain);
  if (sts.policy == nullptr) return plan;
  plan.policy.kind = TlsPolicyKind::kSts;
  plan.policy.strings = plain_lines(sts.text);
  for (const std::string& host : sts.policy->hosts) plan.policy.hosts += host + "\n";
  const bool is_enforced = sts.policy->mode == StsPolicy::Mode::kEnforce;
  if (!sts.policy->covers(target.host)) {
    plan.verdict = TlsVerdict::kValidationFailure;
    if (is_enforced) {
      plan.is_demanded = true;
      plan.obstacle =
          fmt::format("{} is none of the hosts that the MTA-STS policy of {} names", target.host, domain);
    }
    return plan;
  }
  plan.name_is_sure = true;
  if (!is_enforced) return plan;
  plan.is_demanded = true;
  plan.use = TlsUse::kRequired;
  plan.expectation.verification = TlsVerification::kNameAndAuthority;
  return plan;
}

std::optional<TlsPlan> plan_by_dane(const dns::Answer& tlsa, const RouteTarget& target,
                                    const std::string& name, const std::string& domain) {
  TlsPlan plan;
  plan.expectation.host = name;
  plan.policy.domain = domain;
  plan.policy.kind = TlsPolicyKind::kTlsa;
  plan.name_is_sure = plan.is_demanded = true;
  // RFC 7672 2.1.2: who can keep the answer away must not make us do without.
  if (tlsa.verdict == dns::Verdict::kFailed) {
    plan.verdict = TlsVerdict::kDnssecInvalid;
    plan.obstacle = fmt::format("the name servers of {} do not say which certificate it has", name);
    return plan;
  }
  if (tlsa.verdict != dns::Verdict::kFound || !tlsa.authenticated) return std::nullopt;
  for (const dns::Record& record : tlsa.records) plan.policy.strings += text_of(record) + "\n";
  plan.policy.hosts = target.host + "\n";
  plan.use = TlsUse::kRequired;
  plan.expectation.tlsa = usable_tlsa(tlsa.records);
  // RFC 7672 2.2: encrypted at least.
  if (plan.expectation.tlsa.empty()) return plan;
  plan.expectation.verification = TlsVerification::kDane;
  plan.expectation.other_names = {target.host, domain};
  return plan;
}

TlsPlan without_policy(TlsPlan plan) {
  if (!plan.is_demanded) return plan;
  TlsPlan waived;
  waived.expectation.host = plan.expectation.host;
  waived.policy = std::move(plan.policy);
  waived.waives_policy = true;
  return waived;
}

std::string demand_words(const TlsPlan& plan) {
  if (!plan.is_demanded) return {};
  return fmt::format(" ({} demands it by {})", plan.policy.domain,
                     plan.policy.kind == TlsPolicyKind::kTlsa ? "DANE" : "MTA-STS");
}

}  // namespace mailstead
