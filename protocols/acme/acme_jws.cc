#include "protocols/acme/acme_jws.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "protocols/auth/hmac.h"
#include "protocols/base64.h"

namespace mailstead {
namespace {

std::string quoted_json(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

struct JwsParts {
  std::string header, payload;  // base64url
  std::string signed_text() const { return header + "." + payload; }
};

std::string flattened(const JwsParts& parts, std::string_view signature) {
  return fmt::format(R"({{"protected":"{}","payload":"{}","signature":"{}"}})", parts.header, parts.payload,
                     base64::encode_url(signature));
}

}  // namespace

std::string acme_signed(const AcmeEnvelope& envelope, std::string_view payload) {
  const std::string who =
      envelope.account.empty() ? "\"jwk\":" + envelope.key.jwk() : "\"kid\":" + quoted_json(envelope.account);
  const std::string header = fmt::format(R"({{"alg":"ES256",{},"nonce":{},"url":{}}})", who,
                                         quoted_json(envelope.nonce), quoted_json(envelope.url));
  const JwsParts parts{base64::encode_url(header), base64::encode_url(payload)};
  return flattened(parts, envelope.key.sign(parts.signed_text()));
}

std::string acme_binding(const AcmeKey& account, std::string_view key_id, std::string_view secret,
                         std::string_view url) {
  const std::string header =
      fmt::format(R"({{"alg":"HS256","kid":{},"url":{}}})", quoted_json(key_id), quoted_json(url));
  const JwsParts parts{base64::encode_url(header), base64::encode_url(account.jwk())};
  return flattened(parts, octets_of(hmac_sha256(secret, parts.signed_text())));
}

}  // namespace mailstead
