#include "protocols/acme/acme_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxUrl = 2000;             // octets
constexpr std::size_t kMaxToken = 500;            // octets
constexpr std::size_t kMaxDetail = 500;           // octets
constexpr std::size_t kMostAuthorizations = 200;  // an order of ours has as many as it has names
constexpr std::size_t kMostChallenges = 20;
constexpr std::string_view kErrorPrefix = "urn:ietf:params:acme:error:";

Error not_understood(std::string_view what) {
  return {ErrorKind::kInvalid, fmt::format("the CA's answer is not understood: {}", what)};
}

// An object, or null.
Json object_in(std::string_view text) {
  Json parsed = Json::parse(text, nullptr, false);
  return parsed.is_object() ? parsed : Json();
}

std::string text_in(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string url_in(const Json& object, const char* member) {
  std::string url = text_in(object, member);
  return is_acme_url(url) ? url : std::string();
}

std::optional<AcmeStatus> status_in(const Json& object) {
  static constexpr std::array<std::pair<std::string_view, AcmeStatus>, 8> kStatuses = {{
      {"pending", AcmeStatus::kPending},
      {"processing", AcmeStatus::kProcessing},
      {"ready", AcmeStatus::kReady},
      {"valid", AcmeStatus::kValid},
      {"invalid", AcmeStatus::kInvalid},
      {"deactivated", AcmeStatus::kInvalid},
      {"expired", AcmeStatus::kInvalid},
      {"revoked", AcmeStatus::kInvalid},
  }};
  const std::string text = text_in(object, "status");
  const auto* found = std::ranges::find(kStatuses, text, &std::pair<std::string_view, AcmeStatus>::first);
  return found == kStatuses.end() ? std::nullopt : std::optional(found->second);
}

std::string words_in_line(std::string_view text) {
  std::string line(text.substr(0, kMaxDetail));
  std::ranges::replace_if(
      line, [](char c) { return !ascii::is_printable(c); }, ' ');
  return line;
}

AcmeProblem problem_of(const Json& object) {
  AcmeProblem problem;
  const std::string type = text_in(object, "type");
  if (std::string_view(type).starts_with(kErrorPrefix))
    problem.type = words_in_line(type.substr(kErrorPrefix.size()));
  problem.detail = words_in_line(text_in(object, "detail"));
  const auto parts = object.find("subproblems");
  if (parts == object.end() || !parts->is_array() || parts->empty() || !parts->front().is_object())
    return problem;
  const Json& first = parts->front();
  const auto identifier = first.find("identifier");
  if (identifier != first.end() && identifier->is_object())
    problem.name = words_in_line(text_in(*identifier, "value"));
  // RFC 8555 6.7.1: the type of the whole may say no more than that there are several.
  const AcmeProblem part =
      problem_of(Json{{"type", text_in(first, "type")}, {"detail", text_in(first, "detail")}});
  if (!part.type.empty() && (problem.type.empty() || problem.type == "compound")) problem.type = part.type;
  if (!part.detail.empty()) problem.detail = part.detail;
  return problem;
}

std::optional<AcmeProblem> problem_in(const Json& object) {
  const auto found = object.find("error");
  if (found == object.end() || !found->is_object()) return std::nullopt;
  return problem_of(*found);
}

bool is_acme_token(std::string_view text) {
  return !text.empty() && text.size() <= kMaxToken && std::ranges::all_of(text, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_';
  });
}

std::optional<AcmeChallenge> challenge_of(const Json& object) {
  if (!object.is_object()) return std::nullopt;
  AcmeChallenge challenge;
  challenge.type = text_in(object, "type");
  challenge.url = url_in(object, "url");
  challenge.token = text_in(object, "token");
  const auto status = status_in(object);
  if (!status || challenge.url.empty() || !is_acme_token(challenge.token)) return std::nullopt;
  challenge.status = *status;
  challenge.problem = problem_in(object);
  return challenge;
}

}  // namespace

bool is_acme_url(std::string_view text) {
  return text.starts_with("https://") && text.size() > 8 && text.size() <= kMaxUrl &&
         std::string_view("/?#:").find(text[8]) == std::string_view::npos &&
         std::ranges::all_of(text, [](char c) { return ascii::is_printable(c) && c != ' '; });
}

Result<AcmeDirectory> parse_acme_directory(std::string_view json) {
  const Json object = object_in(json);
  if (object.is_null()) return not_understood("the directory is no JSON; is its URL right?");
  AcmeDirectory directory;
  directory.new_nonce = url_in(object, "newNonce");
  directory.new_account = url_in(object, "newAccount");
  directory.new_order = url_in(object, "newOrder");
  if (directory.new_nonce.empty() || directory.new_account.empty() || directory.new_order.empty())
    return not_understood("the directory lacks newNonce, newAccount or newOrder; is its URL right?");
  const auto meta = object.find("meta");
  if (meta == object.end() || !meta->is_object()) return directory;
  directory.terms = url_in(*meta, "termsOfService");
  const auto binds = meta->find("externalAccountRequired");
  directory.binds_accounts = binds != meta->end() && binds->is_boolean() && binds->get<bool>();
  return directory;
}

Result<AcmeOrder> parse_acme_order(std::string_view json) {
  const Json object = object_in(json);
  if (object.is_null()) return not_understood("the order is no JSON");
  AcmeOrder order;
  const auto status = status_in(object);
  if (!status) return not_understood("the order has no status");
  order.status = *status;
  order.finalize = url_in(object, "finalize");
  order.certificate = url_in(object, "certificate");
  order.problem = problem_in(object);
  const auto list = object.find("authorizations");
  if (list != object.end() && list->is_array()) {
    if (list->size() > kMostAuthorizations) return not_understood("the order has too many authorizations");
    for (const Json& each : *list) {
      if (!each.is_string() || !is_acme_url(each.get_ref<const std::string&>()))
        return not_understood("an authorization is no URL");
      order.authorizations.push_back(each.get<std::string>());
    }
  }
  if (order.status == AcmeStatus::kInvalid) return order;
  if (order.finalize.empty()) return not_understood("the order has no URL to finalize it");
  if (order.status == AcmeStatus::kValid && order.certificate.empty())
    return not_understood("the order has no URL of a certificate");
  return order;
}

Result<AcmeAuthorization> parse_acme_authorization(std::string_view json) {
  const Json object = object_in(json);
  if (object.is_null()) return not_understood("the authorization is no JSON");
  AcmeAuthorization authorization;
  const auto status = status_in(object);
  if (!status) return not_understood("the authorization has no status");
  authorization.status = *status;
  const auto identifier = object.find("identifier");
  if (identifier != object.end() && identifier->is_object())
    authorization.name = ascii::lower(words_in_line(text_in(*identifier, "value")));
  const auto list = object.find("challenges");
  if (list == object.end() || !list->is_array()) return authorization;
  for (const Json& each : *list) {
    if (auto challenge = challenge_of(each); challenge && authorization.challenges.size() < kMostChallenges)
      authorization.challenges.push_back(*std::move(challenge));
  }
  return authorization;
}

AcmeProblem parse_acme_problem(std::string_view json) {
  const Json object = object_in(json);
  return object.is_null() ? AcmeProblem() : problem_of(object);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::int64_t now) {
  constexpr std::int64_t kLongest = 366 * 24 * 3600;  // who says more says nonsense
  text = ascii::trim(text);
  if (const auto number = ascii::number(text))
    return std::chrono::seconds(std::min(*number, static_cast<std::uint64_t>(kLongest)));
  std::tm date{};
  const std::string whole(text);
  const char* end = strptime(whole.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>(timegm(&date) - now, 0, kLongest));
}

}  // namespace mailstead
