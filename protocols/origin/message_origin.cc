#include "protocols/origin/message_origin.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

// An SPF check that nobody could make may be as good as one that failed for now: the author's domain may
// allow this client.
constexpr SpfVerdict kNotChecked = SpfVerdict::kTemperror;

// RFC 7208 2.4: of a message from <> that is HELO's.
std::string spf_domain(const OriginEvidence& evidence) {
  return evidence.reverse_path ? evidence.reverse_path->domain : ascii::lower(evidence.helo);
}

SpfOutcome spf_outcome(const SpfResult& result, const OriginEvidence& evidence) {
  SpfOutcome outcome;
  outcome.result = result.verdict;
  if (evidence.reverse_path) {
    outcome.mail_from = evidence.reverse_path->text();
  } else {
    outcome.helo = evidence.helo;
  }
  outcome.reason = result.problem;
  if (outcome.reason.empty() && result.verdict != SpfVerdict::kPass && !result.mechanism.empty()) {
    outcome.reason = fmt::format("{} of {}", result.mechanism, result.domain);
  }
  return outcome;
}

// What a signature is worth of a message that is not as it was signed.
DkimVerdict of_converted(DkimVerdict verdict) {
  if (verdict.result != DkimResult::kFail) return verdict;
  verdict.result = DkimResult::kNeutral;
  verdict.reason = "the message was converted on its way in";
  return verdict;
}

// DMARC speaks of From only: its author may be honest and write in another's name on the envelope, and a
// mailing list has a reverse-path of its own. Of <> there is nobody to be told.
bool is_reverse_path_good(const OriginEvidence& evidence) {
  if (!evidence.reverse_path) return false;
  if (evidence.spf && evidence.spf->verdict == SpfVerdict::kPass) return true;
  return std::ranges::any_of(evidence.dkim, [&](const DkimVerdict& verdict) {
    return counts_for_alignment(verdict) &&
           is_aligned(verdict.domain, evidence.reverse_path->domain, DmarcRecord::Alignment::kRelaxed);
  });
}

bool is_disowned(const OriginEvidence& evidence, DmarcVerdict dmarc) {
  if (is_reverse_path_good(evidence)) return false;
  const SpfVerdict spf = evidence.spf ? evidence.spf->verdict : SpfVerdict::kNone;
  return dmarc == DmarcVerdict::kFail || spf == SpfVerdict::kFail || spf == SpfVerdict::kSoftfail;
}

DmarcResult dmarc_of(const OriginEvidence& evidence) {
  DmarcIdentities identities;
  if (evidence.spf) {
    identities.spf = evidence.spf->verdict;
    identities.spf_domain = evidence.spf->domain;
  } else {
    identities.spf = kNotChecked;
    identities.spf_domain = spf_domain(evidence);
  }
  for (const DkimVerdict& verdict : evidence.dkim) {
    if (counts_for_alignment(verdict)) identities.dkim_domains.push_back(verdict.domain);
    const bool is_unknown = verdict.result == DkimResult::kTemporaryError ||
                            (evidence.is_converted && verdict.result == DkimResult::kFail);
    if (is_unknown) identities.dkim_unknown.push_back(verdict.domain);
  }
  return dmarc_result(*evidence.dmarc, identities);
}

DmarcOutcome dmarc_outcome(const DmarcResult& result, const OriginEvidence& evidence) {
  const DmarcDiscovery& discovery = *evidence.dmarc;
  DmarcOutcome outcome;
  outcome.result = result.verdict;
  outcome.from_domain = discovery.author_domain();
  if (discovery.outcome() == DmarcDiscovery::Outcome::kFound) outcome.policy = result.policy;
  outcome.reason = discovery.problem();
  if (outcome.reason.empty() && result.verdict == DmarcVerdict::kTemperror && !evidence.spf)
    outcome.reason = "the client's address is not a public one";
  return outcome;
}

}  // namespace

OriginVerdict judge_origin(const OriginEvidence& evidence) {
  OriginVerdict verdict;
  AuthenticationResults& results = verdict.results;
  results.host = evidence.host;
  if (evidence.spf) results.spf.push_back(spf_outcome(*evidence.spf, evidence));
  results.dkim = evidence.dkim;
  if (evidence.is_converted) std::ranges::transform(*results.dkim, results.dkim->begin(), of_converted);
  results.arc = evidence.arc;
  results.arc_remote_ip = evidence.client_address;
  if (evidence.dmarc) {
    verdict.dmarc = dmarc_of(evidence);
    results.dmarc = dmarc_outcome(verdict.dmarc, evidence);
  } else {
    verdict.dmarc.verdict = DmarcVerdict::kPermerror;
    results.dmarc = DmarcOutcome{DmarcVerdict::kPermerror, "", std::nullopt, "no single author in From"};
  }
  verdict.is_disowned = is_disowned(evidence, verdict.dmarc.verdict);
  return verdict;
}

OriginWords words_of(const AuthenticationResults& results) {
  OriginWords words;
  words.spf = results.spf.empty() ? "" : std::string(name_of(results.spf.front().result));
  if (results.dkim) {
    std::string good;
    for (const DkimVerdict& verdict : *results.dkim) {
      if (verdict.result == DkimResult::kPass) good += ' ' + verdict.domain;
    }
    words.dkim = !good.empty()           ? "pass" + good
                 : results.dkim->empty() ? "none"
                                         : std::string(name_of(results.dkim->front().result));
  }
  if (results.arc) words.arc = std::string(name_of(results.arc->chain));
  if (results.dmarc) {
    words.dmarc = std::string(name_of(results.dmarc->result));
    if (!results.dmarc->from_domain.empty()) words.dmarc += ' ' + results.dmarc->from_domain;
  }
  return words;
}

}  // namespace mailstead
