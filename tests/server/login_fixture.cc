#include "login_fixture.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace mailstead::login_test {

ScramProof scram_proof(Login& login, const std::string& user, const std::string& password) {
  const scram::Challenge challenge = login.scram_challenge(user);
  const scram::Keys keys = scram::derive_keys(password, challenge.salt, challenge.iterations);
  ScramProof proof;
  proof.proof.auth_message = "n=user,r=x," + challenge.nonce;
  // The client's key, which only the password gives, is made here as a client does it.
  std::array<std::uint8_t, 32> salted{};
  PKCS5_PBKDF2_HMAC(password.data(), password.size(),
                    reinterpret_cast<const std::uint8_t*>(challenge.salt.data()), challenge.salt.size(),
                    challenge.iterations, EVP_sha256(), salted.size(), salted.data());
  const auto hmac = [](const std::array<std::uint8_t, 32>& key, const std::string& text) {
    std::array<std::uint8_t, 32> digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), key.size(), reinterpret_cast<const std::uint8_t*>(text.data()),
         text.size(), digest.data(), &length);
    return digest;
  };
  const auto client_key = hmac(salted, "Client Key");
  const auto signature = hmac(keys.stored, proof.proof.auth_message);
  for (std::size_t i = 0; i < client_key.size(); ++i)
    proof.proof.client_proof[i] = static_cast<std::uint8_t>(client_key[i] ^ signature[i]);
  return proof;
}

void add_app_password(Store& store, const std::string& name, const std::string& password, PasswordScope scope,
                      ApopUse apop) {
  REQUIRE(store.add_app_password(address(kAnna), {name, scope, apop, password}).has_value());
}

}  // namespace mailstead::login_test
