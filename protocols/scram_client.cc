#include "protocols/scram_client.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/hmac.h"
#include "protocols/saslprep.h"

namespace mailstead::scram {

namespace {

constexpr std::string_view kNoBinding = "n,,";
// Octets hashed for a server's wish: more would make a hostile one hold up everybody.
constexpr std::uint64_t kMostIterations = 200'000;

std::string prepared(std::string_view text) {
  return saslprep::prepare(text, saslprep::Use::kQuery).value_or(std::string(text));
}

std::string new_nonce() {
  std::array<std::uint8_t, 18> octets{};
  RAND_bytes(octets.data(), octets.size());
  return base64::encode({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

// RFC 5802 5.1
std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == ',') {
      text += "=2C";
    } else if (c == '=') {
      text += "=3D";
    } else {
      text += c;
    }
  }
  return text;
}

std::vector<std::string_view> attributes_of(std::string_view message) {
  std::vector<std::string_view> attributes;
  while (true) {
    const std::size_t comma = message.find(',');
    attributes.push_back(message.substr(0, comma));
    if (comma == std::string_view::npos) return attributes;
    message.remove_prefix(comma + 1);
  }
}

}  // namespace

Client::Client(std::string_view user, std::string_view password)
    : user_(prepared(user)), password_(prepared(password)), nonce_(new_nonce()) {}

Client::~Client() {
  OPENSSL_cleanse(password_.data(), password_.size());
}

std::string Client::first_bare() const {
  return "n=" + escaped(user_) + ",r=" + nonce_;
}

std::string Client::first() const {
  return std::string(kNoBinding) + first_bare();
}

std::optional<std::string> Client::final(std::string_view server_first) {
  const auto attributes = attributes_of(server_first);
  if (attributes.size() < 3 || !attributes[0].starts_with("r=") || !attributes[1].starts_with("s=") ||
      !attributes[2].starts_with("i=")) {
    return std::nullopt;
  }
  const std::string_view nonce = attributes[0].substr(2);
  const auto salt = base64::decode(attributes[1].substr(2));
  const auto iterations = ascii::number(attributes[2].substr(2));
  if (!nonce.starts_with(nonce_) || nonce.size() == nonce_.size() || !salt || salt->empty() || !iterations ||
      *iterations == 0 || *iterations > kMostIterations) {
    return std::nullopt;
  }
  Sha256 salted{};
  PKCS5_PBKDF2_HMAC(password_.data(), password_.size(), reinterpret_cast<const std::uint8_t*>(salt->data()),
                    salt->size(), static_cast<unsigned>(*iterations), EVP_sha256(), salted.size(),
                    salted.data());
  const Sha256 client_key = hmac_sha256(octets_of(salted), "Client Key");
  Sha256 stored{};
  SHA256(client_key.data(), client_key.size(), stored.data());
  const std::string without_proof = fmt::format("c={},r={}", base64::encode(kNoBinding), nonce);
  const std::string auth_message = fmt::format("{},{},{}", first_bare(), server_first, without_proof);
  const Sha256 signature = hmac_sha256(octets_of(stored), auth_message);
  Sha256 proof{};
  std::ranges::transform(client_key, signature, proof.begin(),
                         [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a ^ b); });
  const Sha256 server_key = hmac_sha256(octets_of(salted), "Server Key");
  server_signature_ = octets_of(hmac_sha256(octets_of(server_key), auth_message));
  return without_proof + ",p=" + base64::encode(octets_of(proof));
}

bool Client::check(std::string_view server_final) {
  if (server_signature_.empty() || !server_final.starts_with("v=")) return false;
  const auto given = base64::decode(attributes_of(server_final).front().substr(2));
  proven_ = given && given->size() == server_signature_.size() &&
            CRYPTO_memcmp(given->data(), server_signature_.data(), given->size()) == 0;
  return proven_;
}

}  // namespace mailstead::scram
