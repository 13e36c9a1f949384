#include "protocols/acme/acme_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>

#include <array>
#include <cstdint>
#include <utility>

#include "protocols/base64.h"
#include "protocols/sha256.h"

namespace mailstead {
namespace {

constexpr std::size_t kP256Octets = 32;  // of a coordinate, and of each half of a signature

std::shared_ptr<evp_pkey_st> shared_key(bssl::UniquePtr<EVP_PKEY> key) {
  return {key.release(), [](EVP_PKEY* last) { EVP_PKEY_free(last); }};
}

std::string fixed_octets(const BIGNUM* number) {
  std::array<std::uint8_t, kP256Octets> octets{};
  BN_bn2bin_padded(octets.data(), octets.size(), number);
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

// Nobody is there to type a password.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

Result<AcmeKey> AcmeKey::make() {
  const bssl::UniquePtr<EC_KEY> curve(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!curve || !key || EC_KEY_generate_key(curve.get()) != 1 ||
      EVP_PKEY_set1_EC_KEY(key.get(), curve.get()) != 1) {
    ERR_clear_error();
    return Error{ErrorKind::kUnavailable, "no key could be made"};
  }
  return AcmeKey(shared_key(std::move(key)));
}

Result<AcmeKey> AcmeKey::parse(std::string_view pem) {
  const bssl::UniquePtr<BIO> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<EVP_PKEY> key(text ? PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr)
                                     : nullptr);
  ERR_clear_error();
  const EC_KEY* curve = key ? EVP_PKEY_get0_EC_KEY(key.get()) : nullptr;
  ERR_clear_error();
  if (curve == nullptr || EC_GROUP_get_curve_name(EC_KEY_get0_group(curve)) != NID_X9_62_prime256v1)
    return Error{ErrorKind::kInvalid, "it holds no private key of P-256 in PEM"};
  return AcmeKey(shared_key(std::move(key)));
}

std::string AcmeKey::pem() const {
  const bssl::UniquePtr<BIO> text(BIO_new(BIO_s_mem()));
  const std::uint8_t* octets = nullptr;
  std::size_t length = 0;
  if (!text ||
      PEM_write_bio_PKCS8PrivateKey(text.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      BIO_mem_contents(text.get(), &octets, &length) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(octets), length};
}

std::string AcmeKey::jwk() const {
  const EC_KEY* const curve = EVP_PKEY_get0_EC_KEY(key_.get());
  const bssl::UniquePtr<BIGNUM> x(BN_new());
  const bssl::UniquePtr<BIGNUM> y(BN_new());
  if (!x || !y ||
      EC_POINT_get_affine_coordinates_GFp(EC_KEY_get0_group(curve), EC_KEY_get0_public_key(curve), x.get(),
                                          y.get(), nullptr) != 1) {
    return {};
  }
  return fmt::format(R"({{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}})",
                     base64::encode_url(fixed_octets(x.get())), base64::encode_url(fixed_octets(y.get())));
}

std::string AcmeKey::thumbprint() const {
  return base64::encode_url(octets_of(sha256(jwk())));
}

std::string AcmeKey::sign(std::string_view text) const {
  const Sha256 digest = sha256(text);
  const bssl::UniquePtr<ECDSA_SIG> signature(
      ECDSA_do_sign(digest.data(), digest.size(), EVP_PKEY_get0_EC_KEY(key_.get())));
  if (!signature) return {};
  const BIGNUM* r = nullptr;
  const BIGNUM* s = nullptr;
  ECDSA_SIG_get0(signature.get(), &r, &s);
  return fixed_octets(r) + fixed_octets(s);
}

}  // namespace mailstead
