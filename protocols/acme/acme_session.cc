#include "protocols/acme/acme_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocols/acme/acme_certificate.h"
#include "protocols/acme/acme_jws.h"
#include "protocols/base64.h"

namespace mailstead {
namespace {

constexpr unsigned kMostBadNonces = 10;  // one after the other; a CA that restarts has forgotten all of them
constexpr std::chrono::seconds kLongestPause{30};
constexpr std::chrono::seconds kMostPaused{900};
constexpr std::chrono::seconds kLongestBreakdown{24 * 3600};
constexpr unsigned kTooManyRequests = 429;

const char* const kPassing = "the authority has trouble of its own, or is busy; it is tried again";

std::string order_payload(const std::vector<std::string>& names) {
  nlohmann::json identifiers = nlohmann::json::array();
  for (const std::string& name : names) identifiers.push_back({{"type", "dns"}, {"value", name}});
  return nlohmann::json{{"identifiers", std::move(identifiers)}}.dump();
}

}  // namespace

AcmeSession::AcmeSession(AcmeTerms terms, AcmeStanding standing)
    : terms_(std::move(terms)), standing_(std::move(standing)) {
  get("GET", terms_.directory);
}

void AcmeSession::get(std::string method, std::string url) {
  request_ = {std::move(method), std::move(url), {}};
  wants_ = AcmeWants::kAnswer;
}

void AcmeSession::post(Step step, std::string url, std::string payload) {
  step_ = step;
  target_ = std::move(url);
  payload_ = std::move(payload);
  bad_nonces_ = 0;
  send();
}

void AcmeSession::send() {
  awaits_nonce_ = nonce_.empty();
  if (awaits_nonce_) return get("HEAD", directory_.new_nonce);
  // RFC 8555 6.2: only who has no account yet shows the key itself.
  const std::string_view account = step_ == Step::kAccount ? std::string_view() : standing_.account;
  const std::string nonce = std::exchange(nonce_, {});
  request_ = {"POST", target_, acme_signed({standing_.account_key, account, nonce, target_}, payload_)};
  wants_ = AcmeWants::kAnswer;
}

void AcmeSession::answer(const AcmeAnswer& answer) {
  if (!answer.nonce.empty() && base64::decode_url(answer.nonce)) nonce_ = answer.nonce;  // RFC 8555 6.5.1
  if (answer.status >= 400) return take_refusal(answer);
  if (answer.status < 200 || answer.status >= 300) {
    return fail({fmt::format("{} answered with status {}", request_.url, answer.status),
                 "look that [acme] directory is the URL that the authority tells"});
  }
  if (!awaits_nonce_) return take(answer);
  if (nonce_.empty()) return fail({"the CA gave no nonce", kPassing});
  send();
}

void AcmeSession::take(const AcmeAnswer& answer) {
  switch (step_) {
    case Step::kDirectory:
      return take_directory(answer);
    case Step::kAccount:
      return take_account(answer);
    case Step::kOrder:
    case Step::kFinalize:
    case Step::kOrderAgain:
      return take_order(answer);
    case Step::kAuthorization:
      return take_authorization(answer);
    case Step::kChallenge:
      return look_again(Step::kAuthorization, order_.authorizations[at_], answer);
    case Step::kCertificate:
      return take_certificate(answer);
  }
}

void AcmeSession::unanswered(std::string_view why) {
  fail({fmt::format("{} was not reached: {}", request_.url, why),
        "look whether this machine reaches the Internet, and its DNS; it is tried again"});
}

void AcmeSession::take_refusal(const AcmeAnswer& answer) {
  const AcmeProblem problem = parse_acme_problem(answer.body);
  const bool is_signed = request_.method == "POST";
  if (is_signed && problem.type == "badNonce" && ++bad_nonces_ <= kMostBadNonces) return send();
  if (is_signed && problem.type == "accountDoesNotExist" && step_ != Step::kAccount && !account_is_fresh_) {
    standing_.account.clear();
    drop_order();
    return ask_account();
  }
  // RFC 8555 7.4: its names are proven, and it has not noticed yet.
  if (step_ == Step::kFinalize && problem.type == "orderNotReady")
    return look_again(Step::kOrderAgain, standing_.order, answer);
  // The CA has forgotten the order, or it is another account's.
  const bool is_final =
      answer.status < 500 && answer.status != kTooManyRequests && problem.type != "rateLimited";
  if (step_ == Step::kOrder && order_is_resumed_ && is_signed && is_final) {
    drop_order();
    return ask_order();
  }
  if (problem.type.empty()) {
    const bool is_passing = answer.status >= 500 || answer.status == kTooManyRequests;
    // No authority says this but something before it: that it is to last for longer is not believed.
    auto retry_after = answer.retry_after;
    if (retry_after) retry_after = std::min(*retry_after, kLongestBreakdown);
    return fail({fmt::format("{} answered with status {}{}{}", request_.url, answer.status,
                             problem.detail.empty() ? "" : ": ", problem.detail),
                 is_passing ? kPassing : "look that [acme] directory is the URL that the authority tells",
                 retry_after});
  }
  const bool is_of_name = step_ == Step::kAuthorization || step_ == Step::kChallenge;
  refuse(problem, is_of_name ? publication_.name : problem.name, answer.retry_after);
}

void AcmeSession::refuse(const AcmeProblem& problem, std::string_view name,
                         std::optional<std::chrono::seconds> retry_after) {
  const std::string about = name.empty() ? problem.name : std::string(name);
  fail({fmt::format("the CA says{}: {}", about.empty() ? "" : " of " + about,
                    problem.detail.empty() ? problem.type : problem.detail),
        acme_advice(problem, terms_.method, about), retry_after});
}

void AcmeSession::take_directory(const AcmeAnswer& answer) {
  auto directory = parse_acme_directory(answer.body);
  if (!directory) return fail({directory.error().message, "look that [acme] directory is the right URL"});
  directory_ = *std::move(directory);
  if (directory_.binds_accounts && terms_.binding_id.empty() && standing_.account.empty())
    return refuse({"externalAccountRequired", "accounts are for customers only", {}}, {}, {});
  order_is_resumed_ = !standing_.order.empty() && !standing_.account.empty();
  if (standing_.account.empty()) return ask_account();
  ask_order();
}

// RFC 8555 7.3: also who has an account, and does not know its URL any more, asks so.
void AcmeSession::ask_account() {
  nlohmann::json account = {{"termsOfServiceAgreed", true}};
  if (!terms_.contact.empty()) account["contact"] = {"mailto:" + terms_.contact};
  if (!terms_.binding_id.empty()) {
    const std::string binding =
        acme_binding(standing_.account_key, terms_.binding_id, terms_.binding_secret, directory_.new_account);
    account["externalAccountBinding"] = nlohmann::json::parse(binding);
  }
  post(Step::kAccount, directory_.new_account,
       account.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

void AcmeSession::take_account(const AcmeAnswer& answer) {
  if (!is_acme_url(answer.location)) return fail({"the CA did not tell the account's URL", kPassing});
  standing_.account = answer.location;
  account_is_fresh_ = true;
  record(Step::kOrder);
}

void AcmeSession::record(Step next) {
  after_record_ = next;
  wants_ = AcmeWants::kRecord;
}

void AcmeSession::recorded() {
  if (after_record_ == Step::kOrder) return ask_order();
  ask_for_names();
}

void AcmeSession::ask_order() {
  order_is_resumed_ = !standing_.order.empty();
  if (order_is_resumed_) return post(Step::kOrder, standing_.order, {});
  post(Step::kOrder, directory_.new_order, order_payload(terms_.names));
}

void AcmeSession::take_order(const AcmeAnswer& answer) {
  auto order = parse_acme_order(answer.body);
  if (!order) {
    drop_order();
    return fail({order.error().message, kPassing});
  }
  order_ = *std::move(order);
  if (order_.status == AcmeStatus::kInvalid) {
    drop_order();
    if (step_ == Step::kOrder && order_is_resumed_) return ask_order();
    return refuse(order_.problem.value_or(AcmeProblem{{}, "the order has become invalid", {}}), {}, {});
  }
  if (step_ == Step::kOrder && !order_is_resumed_) {
    if (!is_acme_url(answer.location)) return fail({"the CA did not tell the order's URL", kPassing});
    standing_.order = answer.location;
    return record(Step::kAuthorization);
  }
  if (step_ == Step::kOrder) return ask_for_names();
  if (order_.status == AcmeStatus::kValid) return post(Step::kCertificate, order_.certificate, {});
  if (step_ == Step::kOrderAgain && order_.status == AcmeStatus::kReady) return finalize();
  look_again(Step::kOrderAgain, standing_.order, answer);
}

void AcmeSession::ask_for_names() {
  switch (order_.status) {
    case AcmeStatus::kPending:
      at_ = 0;
      return ask_next_name();
    case AcmeStatus::kReady:
      return finalize();
    case AcmeStatus::kValid:
      return post(Step::kCertificate, order_.certificate, {});
    case AcmeStatus::kProcessing:
    case AcmeStatus::kInvalid:
      return look_again(Step::kOrderAgain, standing_.order, {});
  }
}

void AcmeSession::ask_next_name() {
  publication_ = {};
  next_pause_ = std::chrono::seconds(1);
  if (at_ == order_.authorizations.size()) return finalize();
  post(Step::kAuthorization, order_.authorizations[at_], {});
}

void AcmeSession::take_authorization(const AcmeAnswer& answer) {
  auto authorization = parse_acme_authorization(answer.body);
  if (!authorization) return fail({authorization.error().message, kPassing});
  if (authorization->status == AcmeStatus::kValid) {
    ++at_;
    return ask_next_name();
  }
  if (authorization->status == AcmeStatus::kInvalid) {
    drop_order();
    // The CA looked while a server that was killed had not come back: that says nothing of the name.
    if (order_is_resumed_) return ask_order();
    AcmeProblem problem{{}, "the name could not be proven", {}};
    for (const AcmeChallenge& challenge : authorization->challenges) {
      if (challenge.problem) problem = *challenge.problem;
    }
    return refuse(problem, authorization->name, {});
  }
  if (publication_.token.empty()) return prove(*authorization);
  look_again(Step::kAuthorization, order_.authorizations[at_], answer);
}

void AcmeSession::prove(const AcmeAuthorization& authorization) {
  const auto challenge =
      std::ranges::find(authorization.challenges, name_of(terms_.method), &AcmeChallenge::type);
  if (challenge == authorization.challenges.end()) {
    drop_order();
    const AcmeMethod other =
        terms_.method == AcmeMethod::kHttp01 ? AcmeMethod::kTlsAlpn01 : AcmeMethod::kHttp01;
    const bool takes_other = std::ranges::find(authorization.challenges, name_of(other),
                                               &AcmeChallenge::type) != authorization.challenges.end();
    return fail({fmt::format("the CA does not take {} for {}", name_of(terms_.method), authorization.name),
                 takes_other
                     ? fmt::format("choose [acme] challenge = \"{}\"", name_of(other))
                     : "it wants proofs that this server cannot give: choose another authority, or get the "
                       "certificate by another program ([tls] certificate)"});
  }
  publication_ = {terms_.method, authorization.name, challenge->token,
                  challenge->token + "." + standing_.account_key.thumbprint()};
  // Told once, in the session before: it is looked at again and again by itself.
  challenge_ = challenge->status == AcmeStatus::kPending ? challenge->url : std::string();
  wants_ = AcmeWants::kPublish;
}

void AcmeSession::published() {
  if (challenge_.empty()) return look_again(Step::kAuthorization, order_.authorizations[at_], {});
  post(Step::kChallenge, challenge_, "{}");  // RFC 8555 7.5.1
}

void AcmeSession::finalize() {
  const auto request = certificate_request(standing_.certificate_key, terms_.names);
  if (!request) return fail({request.error().message, kPassing});
  post(Step::kFinalize, order_.finalize, fmt::format(R"({{"csr":"{}"}})", base64::encode_url(*request)));
}

void AcmeSession::look_again(Step step, std::string url, const AcmeAnswer& answer) {
  step_ = step;
  target_ = std::move(url);
  pause_ = std::clamp(answer.retry_after.value_or(next_pause_), std::chrono::seconds(1), kLongestPause);
  next_pause_ = std::min(next_pause_ * 2, kLongestPause);
  paused_ += pause_;
  if (paused_ > kMostPaused)
    return fail({"the CA has not come to an end", "it is looked at again later", answer.retry_after});
  wants_ = AcmeWants::kPause;
}

void AcmeSession::resume() {
  post(step_, std::exchange(target_, {}), {});
}

void AcmeSession::take_certificate(const AcmeAnswer& answer) {
  drop_order();
  if (const auto good = check_issued_chain(answer.body, standing_.certificate_key, terms_.names); !good)
    return fail({good.error().message, kPassing});
  chain_ = answer.body;
  wants_ = AcmeWants::kDone;
}

void AcmeSession::fail(AcmeFailure failure) {
  failure_ = std::move(failure);
  wants_ = AcmeWants::kFailed;
}

}  // namespace mailstead
