#include "protocols/origin/dmarc.h"

#include <libpsl.h>

#include <algorithm>
#include <memory>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

// RFC 7489 6.1.
std::string policy_name(const std::string& domain) {
  return "_dmarc." + domain;
}

// The file of Debian's package publicsuffix if it is newer than the list that is built into libpsl, which is
// as old as the library. Read at the first question, by one thread, while others wait.
const psl_ctx_t* public_suffixes() {
  static const std::unique_ptr<psl_ctx_t, decltype(&psl_free)> list(psl_latest(nullptr), &psl_free);
  return list == nullptr ? psl_builtin() : list.get();
}

}  // namespace

std::string organizational_domain(std::string_view domain) {
  const std::string name = ascii::lower(domain);
  // What is no name may hold a NUL, at which libpsl would stop.
  const psl_ctx_t* const list = dns::is_name(name) ? public_suffixes() : nullptr;
  const char* const registered = list == nullptr ? nullptr : psl_registrable_domain(list, name.c_str());
  return registered == nullptr ? name : registered;
}

bool is_aligned(std::string_view domain, std::string_view author_domain, DmarcRecord::Alignment alignment) {
  if (domain.empty()) return false;
  if (ascii::same(domain, author_domain)) return true;
  return alignment == DmarcRecord::Alignment::kRelaxed &&
         organizational_domain(domain) == organizational_domain(author_domain);
}

DmarcDiscovery::DmarcDiscovery(std::string_view author_domain) : author_domain_(ascii::lower(author_domain)) {
  if (dns::is_name(author_domain_) && !author_domain_.starts_with('[')) ask(author_domain_);
}

void DmarcDiscovery::ask(const std::string& domain) {
  domain_ = domain;
  std::string name = policy_name(domain);
  // One that is too long has no record; the organization's name may be short enough.
  if (!dns::is_name(name)) return turn_to_organization();
  question_ = std::move(name);
}

void DmarcDiscovery::turn_to_organization() {
  // RFC 7489 6.6.3: once, and not where it is the domain that was asked about.
  const std::string organization = organizational_domain(author_domain_);
  if (organization != author_domain_ && organization != domain_) ask(organization);
}

void DmarcDiscovery::answer(const dns::Answer& answer) {
  if (!question_) return;
  const std::string name = *std::move(question_);
  question_.reset();
  if (answer.verdict == dns::Verdict::kFailed) {
    outcome_ = Outcome::kTemperror;
    problem_ = "the DNS does not answer about " + name;
    return;
  }
  const std::vector<std::string_view> records = dmarc_records(answer.records);
  if (records.empty()) return turn_to_organization();
  // RFC 7489 6.6.3: of several, none counts.
  if (records.size() > 1) return;
  auto record = parse_dmarc_record(records.front());
  if (!record) {
    outcome_ = Outcome::kPermerror;
    problem_ = name + ": " + record.error().message;
    return;
  }
  record_ = *std::move(record);
  outcome_ = Outcome::kFound;
}

DmarcRecord::Policy DmarcDiscovery::policy() const {
  return domain_ == author_domain_ ? record_.policy : record_.subdomain_policy;
}

std::string_view name_of(DmarcVerdict verdict) {
  switch (verdict) {
    case DmarcVerdict::kNone:
      return "none";
    case DmarcVerdict::kPass:
      return "pass";
    case DmarcVerdict::kFail:
      return "fail";
    case DmarcVerdict::kTemperror:
      return "temperror";
    case DmarcVerdict::kPermerror:
      return "permerror";
  }
  return "";
}

DmarcResult dmarc_result(const DmarcDiscovery& discovery, const DmarcIdentities& identities) {
  DmarcResult result;
  switch (discovery.outcome()) {
    case DmarcDiscovery::Outcome::kNone:
      return result;
    case DmarcDiscovery::Outcome::kTemperror:
      result.verdict = DmarcVerdict::kTemperror;
      return result;
    case DmarcDiscovery::Outcome::kPermerror:
      result.verdict = DmarcVerdict::kPermerror;
      return result;
    case DmarcDiscovery::Outcome::kFound:
      break;
  }
  const DmarcRecord& record = discovery.record();
  const bool spf_domain_aligned = is_aligned(identities.spf_domain, discovery.author_domain(), record.spf);
  const auto any_aligned = [&](const std::vector<std::string>& domains) {
    return std::ranges::any_of(domains, [&](const std::string& each) {
      return is_aligned(each, discovery.author_domain(), record.dkim);
    });
  };
  result.policy = discovery.policy();
  result.percent = record.percent;
  // RFC 7489 6.6.2: one that is good and aligned is enough.
  result.spf_aligned = spf_domain_aligned && identities.spf == SpfVerdict::kPass;
  result.dkim_aligned = any_aligned(identities.dkim_domains);
  if (result.spf_aligned || result.dkim_aligned) {
    result.verdict = DmarcVerdict::kPass;
  } else if ((spf_domain_aligned && identities.spf == SpfVerdict::kTemperror) ||
             any_aligned(identities.dkim_unknown)) {
    result.verdict = DmarcVerdict::kTemperror;
  } else {
    result.verdict = DmarcVerdict::kFail;
  }
  return result;
}

}  // namespace mailstead
