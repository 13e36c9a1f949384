#include "server/outgoing/sts_policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "storage/database/tls_facts.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostTroubles = 10'000;
constexpr std::size_t kMostKnownPolicies = 10'000;

std::int64_t seconds_now() {
  return std::time(nullptr);
}

}  // namespace

void StsPolicies::load(std::function<void()> done) {
  auto kept = std::make_shared<Result<std::vector<KeptStsPolicy>>>(std::vector<KeptStsPolicy>());
  const auto take = [this, kept, done] {
    if (!*kept) context_.log.error("sts-unreadable", {{"why", kept->error().message}});
    if (*kept) {
      for (const KeptStsPolicy& each : **kept) {
        auto policy = parse_sts_policy(each.text);
        if (!policy) continue;
        known_[each.domain] = std::make_shared<Known>(
            Known{each.id, each.text, std::make_shared<StsPolicy>(*std::move(policy)), each.fetched_at});
      }
    }
    done();
  };
  const bool posted = context_.storage.post([kept](Store& store) { *kept = store.sts_policies(); }, take);
  if (!posted) take();
}

std::shared_ptr<const StsPolicies::Known> StsPolicies::known(const std::string& domain) const {
  const auto found = known_.find(domain);
  if (found == known_.end() || !found->second->is_good(seconds_now())) return nullptr;
  return found->second;
}

StsPolicies::Question StsPolicies::find(const std::string& domain, Done done) {
  auto question = std::make_shared<Done>(std::move(done));
  auto [search, is_new] = searches_.try_emplace(domain);
  search->second.waiting.push_back(question);
  if (is_new) {
    search->second.announced =
        context_.resolver.ask("_mta-sts." + domain, dns::Type::kTxt,
                              [this, domain](const dns::Answer& answer) { on_announced(domain, answer); });
    return question;
  }
  // What is fetched again is not waited for.
  const auto have = known(domain);
  if (search->second.fetch != nullptr && have != nullptr && have->id == search->second.id) {
    search->second.soon = context_.resolver.ask("", dns::Type::kTxt, [this, domain](const dns::Answer&) {
      const auto under_way = searches_.find(domain);
      if (under_way != searches_.end()) tell(under_way->second, domain);
    });
  }
  return question;
}

void StsPolicies::on_announced(const std::string& domain, const dns::Answer& answer) {
  std::vector<std::string> records;
  for (const dns::Record& record : answer.records) records.push_back(record.text);
  const auto id = sts_policy_id(records);
  // RFC 8461 5.1: without a record what is remembered holds on.
  if (!id) return conclude(domain);
  Search& search = searches_[domain];
  search.id = *id;
  const auto have = known(domain);
  const bool is_current = have != nullptr && have->id == *id;
  const bool is_fresh =
      is_current && seconds_now() < have->fetched_at + std::min<std::int64_t>(kStsRenewal.count(),
                                                                              have->policy->max_age / 2);
  const auto trouble = troubles_.find(domain);
  const bool pauses = trouble != troubles_.end() && seconds_now() < trouble->second.until;
  if (is_fresh || pauses) return conclude(domain);
  // Nobody waits for what only makes it last longer.
  if (is_current) tell(search, domain);
  fetch(domain);
}

void StsPolicies::fetch(const std::string& domain) {
  HttpsRequest request;
  request.host = "mta-sts." + domain;
  request.target = "/.well-known/mta-sts.txt";
  searches_[domain].fetch = std::make_unique<HttpsExchange>(
      HttpsExchange::Context{context_.loop, context_.resolver, context_.tls}, std::move(request),
      kMaxStsPolicy, [this, domain](const Result<HttpsAnswer>& answer) { on_fetched(domain, answer); });
}

// For one more. Who makes us know very many has the others fetched again, and no more.
void StsPolicies::make_room() {
  if (known_.size() < kMostKnownPolicies) return;
  std::erase_if(known_, [](const auto& entry) { return !entry.second->is_good(seconds_now()); });
  if (known_.size() < kMostKnownPolicies) return;
  known_.erase(
      std::ranges::min_element(known_, {}, [](const auto& entry) { return entry.second->fetched_at; }));
}

void StsPolicies::on_fetched(const std::string& domain, const Result<HttpsAnswer>& answer) {
  if (!answer) {
    const bool is_certificate = answer.error().kind == ErrorKind::kDenied;
    return refuse(domain, is_certificate ? TlsVerdict::kStsWebPkiInvalid : TlsVerdict::kPolicyFetchError,
                  answer.error().message);
  }
  // RFC 8461 3.3: nothing else is a policy, no redirect either.
  if (answer->status != 200)
    return refuse(domain, TlsVerdict::kPolicyFetchError, fmt::format("its server said {}", answer->status));
  if (answer->content_type != "text/plain")
    return refuse(domain, TlsVerdict::kPolicyInvalid, "it is no text/plain");
  auto policy = parse_sts_policy(answer->body);
  if (!policy) return refuse(domain, TlsVerdict::kPolicyInvalid, policy.error().message);

  const auto found = std::make_shared<Known>(Known{
      searches_[domain].id, answer->body, std::make_shared<StsPolicy>(*std::move(policy)), seconds_now()});
  troubles_.erase(domain);
  if (!known_.contains(domain)) make_room();
  known_[domain] = found;
  context_.log.info("sts-policy", {{"domain", domain}, {"mode", std::string(name_of(found->policy->mode))}});
  // Lost on the way there, it is fetched again after the next start.
  const KeptStsPolicy kept{domain, found->id, found->text, found->fetched_at};
  auto outcome = std::make_shared<Result<void>>();
  context_.storage.post([kept, outcome](Store& store) { *outcome = store.keep_sts_policy(kept); },
                        [this, outcome] {
                          if (!*outcome)
                            context_.log.error("sts-not-written", {{"why", outcome->error().message}});
                        });
  conclude(domain);
}

void StsPolicies::refuse(const std::string& domain, TlsVerdict verdict, std::string why) {
  context_.log.warning("sts-policy-missing", {{"domain", domain}, {"why", why}});
  if (troubles_.size() >= kMostTroubles) troubles_.clear();
  troubles_[domain] = {seconds_now() + kStsPause.count(), verdict, std::move(why)};
  conclude(domain);
}

void StsPolicies::conclude(const std::string& domain) {
  auto search = searches_.extract(domain);
  if (search) tell(search.mapped(), domain);
}

void StsPolicies::tell(Search& search, const std::string& domain) {
  StsVerdict verdict;
  if (const auto have = known(domain); have != nullptr && have->policy->mode != StsPolicy::Mode::kNone) {
    verdict.policy = have->policy;
    verdict.text = have->text;
  }
  const auto trouble = troubles_.find(domain);
  if (trouble != troubles_.end() && seconds_now() < trouble->second.until) {
    verdict.fetched = trouble->second.verdict;
    verdict.why = trouble->second.why;
  }
  for (const auto& waiting : std::exchange(search.waiting, {})) {
    if (const auto done = waiting.lock()) (*done)(verdict);
  }
}

void StsPolicies::stop() {
  searches_.clear();
}

}  // namespace mailstead
