#include "protocols/auth/scram.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/mem.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/auth/saslprep.h"
#include "protocols/base64.h"
#include "protocols/sha256.h"

namespace mailstead::scram {
namespace {

// The next attribute, up to a comma that is taken too. RFC 5802 7: "x=value".
std::string_view take_attribute(std::string_view& text) {
  const std::string_view attribute = text.substr(0, text.find(','));
  text.remove_prefix(std::min(attribute.size() + 1, text.size()));
  return attribute;
}

// The value of an attribute of this letter; nothing for another one.
std::optional<std::string_view> value_of(char letter, std::string_view attribute) {
  if (attribute.size() < 2 || attribute[0] != letter || attribute[1] != '=') return std::nullopt;
  return attribute.substr(2);
}

// RFC 5802 5.1: "," is "=2C" and "=" is "=3D"; no other "=" may stand in a name. The server prepares it, and
// ends the exchange when it cannot.
std::optional<std::string> decode_name(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.front() != '=') {
      name += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (!text.starts_with("=2C") && !text.starts_with("=3D")) return std::nullopt;
    name += text[1] == '2' ? ',' : '=';
    text.remove_prefix(3);
  }
  if (name.empty()) return name;
  return saslprep::prepare(name, saslprep::Use::kQuery);
}

bool is_nonce(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return ascii::is_printable(c) && c != ' ' && c != ','; });
}

}  // namespace

Keys derive_keys(std::string_view password, std::string_view salt, unsigned iterations) {
  Digest salted{};
  PKCS5_PBKDF2_HMAC(password.data(), password.size(), reinterpret_cast<const std::uint8_t*>(salt.data()),
                    salt.size(), iterations, EVP_sha256(), salted.size(), salted.data());
  const Keys keys{sha256(octets_of(hmac_sha256(octets_of(salted), "Client Key"))),
                  hmac_sha256(octets_of(salted), "Server Key")};
  OPENSSL_cleanse(salted.data(), salted.size());
  return keys;
}

bool same_keys(const Keys& a, const Keys& b) {
  return CRYPTO_memcmp(a.stored.data(), b.stored.data(), a.stored.size()) == 0;
}

std::optional<std::string> check(const Proof& proof, const Keys& keys) {
  const Digest signature = hmac_sha256(octets_of(keys.stored), proof.auth_message);
  Digest client_key{};
  std::transform(proof.client_proof.begin(), proof.client_proof.end(), signature.begin(), client_key.begin(),
                 [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a ^ b); });
  const Digest stored = sha256(octets_of(client_key));
  if (CRYPTO_memcmp(stored.data(), keys.stored.data(), stored.size()) != 0) return std::nullopt;
  return std::string(octets_of(hmac_sha256(octets_of(keys.server), proof.auth_message)));
}

// RFC 5802 6 and 7: is this the flag of the mechanism that was chosen?
bool Exchange::take_binding_flag(std::string_view flag) {
  if (binding_ == Binding::kNone) {
    // "y": the client could bind, and believes that we cannot. Where we have offered it, somebody between us
    // has taken the offer away.
    return flag == "n" || (flag == "y" && bindings_ == nullptr);
  }
  const auto type = value_of('p', flag);
  if (!type || bindings_ == nullptr) return false;
  if (*type == "tls-exporter") binding_data_ = bindings_->tls_exporter;
  if (*type == "tls-unique") binding_data_ = bindings_->tls_unique;
  if (*type == "tls-server-end-point") binding_data_ = bindings_->tls_server_end_point;
  return !binding_data_.empty();
}

Exchange::Step Exchange::take_client_first(std::string_view message) {
  std::string_view rest = message;
  const std::string_view flag = take_attribute(rest);
  if (!take_binding_flag(flag)) return Step::kMalformed;
  const std::string_view authzid_field = take_attribute(rest);
  std::optional<std::string> authzid = std::string();
  if (!authzid_field.empty()) {
    const auto value = value_of('a', authzid_field);
    authzid = value ? decode_name(*value) : std::nullopt;
  }
  if (!authzid) return Step::kMalformed;
  gs2_header_ = message.substr(0, message.size() - rest.size());
  client_first_bare_ = rest;
  // An extension that has to be understood ("m=") would stand here: none is.
  const auto name = value_of('n', take_attribute(rest));
  const auto user = name ? decode_name(*name) : std::nullopt;
  const auto nonce = value_of('r', take_attribute(rest));
  if (!user || user->empty() || !nonce || !is_nonce(*nonce)) return Step::kMalformed;
  user_ = *user;
  nonce_ = *nonce;
  return authzid->empty() || ascii::same(*authzid, user_) ? Step::kOk : Step::kNotForOthers;
}

std::string Exchange::server_first(const Challenge& challenge) {
  nonce_ += challenge.nonce;
  server_first_ = fmt::format("r={},s={},i={}", nonce_, base64::encode(challenge.salt), challenge.iterations);
  return server_first_;
}

// RFC 5802 7: the client repeats what it has said of the binding, now under its proof.
bool Exchange::is_bound(std::string_view given) const {
  const auto decoded = base64::decode(given);
  return decoded && *decoded == gs2_header_ + binding_data_;
}

Exchange::Step Exchange::take_client_final(std::string_view message) {
  // The proof is the last attribute, and what it proves is all before it.
  const std::size_t comma = message.rfind(',');
  if (comma == std::string_view::npos) return Step::kMalformed;
  const auto proof = value_of('p', message.substr(comma + 1));
  const auto decoded = proof ? base64::decode(*proof) : std::nullopt;
  if (!decoded || decoded->size() != proof_.client_proof.size()) return Step::kMalformed;
  std::string_view rest = message.substr(0, comma);
  proof_.auth_message = fmt::format("{},{},{}", client_first_bare_, server_first_, rest);
  const auto binding = value_of('c', take_attribute(rest));
  const auto nonce = value_of('r', take_attribute(rest));
  if (!binding || !is_bound(*binding) || nonce != nonce_) return Step::kMalformed;
  std::copy(decoded->begin(), decoded->end(), proof_.client_proof.begin());
  return Step::kOk;
}

std::string Exchange::server_final(std::string_view signature) {
  return "v=" + base64::encode(signature);
}

}  // namespace mailstead::scram
