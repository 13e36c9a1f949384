#include "tests/protocols/acme_model.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/nid.h>

#include "protocols/base64.h"
#include "protocols/sha256.h"

namespace mailstead::testing {
namespace {

using Json = nlohmann::json;

const std::string kAt = "https://ca.example/";

std::string url_decoded(const Json& object, const char* member) {
  return base64::decode_url(object.value(member, "")).value_or("not base64url");
}

bssl::UniquePtr<BIGNUM> number_of(const std::string& octets) {
  return bssl::UniquePtr<BIGNUM>(
      BN_bin2bn(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size(), nullptr));
}

bool is_signed_by(const Json& jwk, const std::string& text, const std::string& signature) {
  const bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  const auto x = number_of(url_decoded(jwk, "x"));
  const auto y = number_of(url_decoded(jwk, "y"));
  if (EC_KEY_set_public_key_affine_coordinates(key.get(), x.get(), y.get()) != 1 || signature.size() != 64)
    return false;
  const bssl::UniquePtr<ECDSA_SIG> both(ECDSA_SIG_new());
  ECDSA_SIG_set0(both.get(), number_of(signature.substr(0, 32)).release(),
                 number_of(signature.substr(32)).release());
  const Sha256 digest = sha256(text);
  return ECDSA_do_verify(digest.data(), digest.size(), both.get(), key.get()) == 1;
}

}  // namespace

void AcmeModel::check(bool holds, const std::string& what) {
  if (!holds) faults.push_back(what);
}

AcmeAnswer AcmeModel::with_nonce(AcmeAnswer answer) {
  answer.nonce = fmt::format("nonce{}", next_nonce_++);
  nonces_.insert(answer.nonce);
  return answer;
}

AcmeAnswer AcmeModel::problem(unsigned status, const std::string& type) {
  AcmeAnswer answer;
  answer.status = status;
  answer.body = Json{{"type", "urn:ietf:params:acme:error:" + type}, {"detail", "about " + type}}.dump();
  if (type == "rateLimited") answer.retry_after = std::chrono::seconds(3600);
  return with_nonce(answer);
}

AcmeAnswer AcmeModel::answer(const AcmeRequest& request) {
  if (request.method == "GET" && request.url == kAt + "dir") {
    const Json directory = {{"newNonce", kAt + "nonce"},
                            {"newAccount", kAt + "account"},
                            {"newOrder", kAt + "order"},
                            {"meta", {{"externalAccountRequired", binds_accounts}}}};
    return {200, directory.dump(), {}, {}};
  }
  if (request.method == "HEAD" && request.url == kAt + "nonce") return with_nonce({200, {}, {}, {}});
  check(request.method == "POST", "all else is a POST");
  return signed_answer(request);
}

AcmeAnswer AcmeModel::signed_answer(const AcmeRequest& request) {
  const Json envelope = Json::parse(request.body);
  const Json header = Json::parse(url_decoded(envelope, "protected"));
  const std::string payload = url_decoded(envelope, "payload");
  const bool is_new = request.url == kAt + "account";
  check(header.value("alg", "") == "ES256", "the algorithm is named");
  check(header.value("url", "") == request.url, "the URL is signed");
  check(header.contains("jwk") == is_new && header.contains("kid") != is_new,
        "either key or account is named");
  const Json& key = is_new ? header["jwk"] : key_;
  check(is_signed_by(key, envelope.value("protected", "") + "." + envelope.value("payload", ""),
                     url_decoded(envelope, "signature")),
        "the signature is right");
  if (nonces_.erase(header.value("nonce", "")) == 0) {
    faults.emplace_back("a nonce is used once");
    return problem(400, "badNonce");
  }
  if (bad_nonces > 0) {
    --bad_nonces;
    return problem(400, "badNonce");
  }
  if (is_new) {
    key_ = key;
    accounts.push_back(Json::parse(payload));
    forgets_account = false;
    return with_nonce({201, "{}", {}, fmt::format("{}account/{}", kAt, accounts.size())});
  }
  if (forgets_account) return problem(400, "accountDoesNotExist");
  if (request.url == kAt + "order") {
    if (!refuses.empty()) return problem(refusal_status, refuses);
    orders.push_back(payload);
    names_.clear();
    const Json wanted = Json::parse(payload);
    for (const Json& each : wanted["identifiers"]) names_.push_back(each["value"]);
    looked_.assign(names_.size(), order_is_ready ? 1000 : 0);
    return order_answer(201);
  }
  if (request.url.starts_with(kAt + "order/"))
    return forgets_orders ? problem(404, "malformed") : order_answer(200);
  if (request.url == kAt + "finalize") {
    ++finalized;
    csr = url_decoded(Json::parse(payload), "csr");
    return order_answer(200);
  }
  if (request.url == kAt + "certificate") return with_nonce({200, "no certificate", {}, {}});
  const std::size_t which =
      static_cast<std::size_t>(std::stoi(request.url.substr(request.url.rfind('/') + 1)));
  if (request.url.starts_with(kAt + "challenge/")) {
    check(payload == "{}", "a challenge is told of by an empty object");
    ++told;
    looked_.at(which) = 1;
    return with_nonce({200, "{}", {}, {}});
  }
  check(payload.empty(), "what is read is read by POST-as-GET");
  return authorization_answer(which);
}

AcmeAnswer AcmeModel::order_answer(unsigned status) {
  std::string word = "ready";
  for (const unsigned looked : looked_) {
    if (looked <= looks) word = "pending";
  }
  if (finalized > 0) word = ++order_looks_ > looks ? "valid" : "processing";
  Json order = {{"status", word}, {"finalize", kAt + "finalize"}, {"authorizations", Json::array()}};
  if (word == "valid") order["certificate"] = kAt + "certificate";
  for (std::size_t i = 0; i < names_.size(); ++i)
    order["authorizations"].push_back(fmt::format("{}authorization/{}", kAt, i));
  return with_nonce({status, order.dump(), {}, kAt + "order/1"});
}

AcmeAnswer AcmeModel::authorization_answer(std::size_t which) {
  unsigned& looked = looked_.at(which);
  if (looked > 0) ++looked;
  const bool is_over = looked > looks;
  const std::string word = !is_over ? "pending" : proof_fails.empty() ? "valid" : "invalid";
  Json challenge = {{"type", challenge_type},
                    {"url", fmt::format("{}challenge/{}", kAt, which)},
                    {"token", fmt::format("token-{}", which)},
                    {"status", word}};
  if (word == "invalid")
    challenge["error"] = {{"type", "urn:ietf:params:acme:error:" + proof_fails}, {"detail", "nobody there"}};
  Json dns = {{"type", "dns-01"}, {"url", kAt + "dns"}, {"token", "abc"}, {"status", "pending"}};
  const Json authorization = {{"status", word},
                              {"identifier", {{"type", "dns"}, {"value", names_.at(which)}}},
                              {"challenges", {std::move(dns), std::move(challenge)}}};
  return with_nonce({200, authorization.dump(), {}, {}});
}

}  // namespace mailstead::testing
