#include "protocols/origin/dkim_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <utility>

#include "protocols/base64.h"

namespace mailstead {
namespace {

constexpr int kRsaBits = 2048;  // RFC 8301 3.2: SHOULD
constexpr std::size_t kEd25519Octets = 32;

using SharedKey = std::shared_ptr<evp_pkey_st>;

SharedKey shared(bssl::UniquePtr<EVP_PKEY> key) {
  return {key.release(), [](EVP_PKEY* last) { EVP_PKEY_free(last); }};
}

SharedKey make_rsa() {
  const bssl::UniquePtr<RSA> rsa(RSA_new());
  const bssl::UniquePtr<BIGNUM> exponent(BN_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!rsa || !exponent || !key || !BN_set_word(exponent.get(), RSA_F4) ||
      !RSA_generate_key_ex(rsa.get(), kRsaBits, exponent.get(), nullptr) ||
      !EVP_PKEY_set1_RSA(key.get(), rsa.get())) {
    return nullptr;
  }
  return shared(std::move(key));
}

SharedKey make_ed25519() {
  std::array<std::uint8_t, kEd25519Octets> seed{};
  RAND_bytes(seed.data(), seed.size());
  bssl::UniquePtr<EVP_PKEY> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  OPENSSL_cleanse(seed.data(), seed.size());
  return key ? shared(std::move(key)) : nullptr;
}

std::string text_of(const std::uint8_t* octets, std::size_t length) {
  return {reinterpret_cast<const char*>(octets), length};
}

// A key that asks for a password is not asked about: nobody is there to answer.
int no_password(char*, int, int, void*) {
  return -1;
}

}  // namespace

Result<DkimKey> DkimKey::make(DkimAlgorithm algorithm) {
  SharedKey key = algorithm == DkimAlgorithm::kRsaSha256 ? make_rsa() : make_ed25519();
  if (!key) return Error{ErrorKind::kUnavailable, "no DKIM key could be made"};
  return DkimKey(std::move(key), algorithm);
}

Result<DkimKey> DkimKey::parse(std::string_view pem) {
  const bssl::UniquePtr<BIO> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<EVP_PKEY> key(text ? PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr)
                                     : nullptr);
  ERR_clear_error();
  if (!key) return Error{ErrorKind::kInvalid, "it holds no private key in PEM"};
  return checked(shared(std::move(key)));
}

Result<DkimKey> DkimKey::checked(SharedKey key) {
  if (EVP_PKEY_id(key.get()) == EVP_PKEY_ED25519)
    return DkimKey(std::move(key), DkimAlgorithm::kEd25519Sha256);
  const RSA* const rsa = EVP_PKEY_get0_RSA(key.get());
  ERR_clear_error();
  if (rsa == nullptr) return Error{ErrorKind::kInvalid, "its key is neither RSA nor Ed25519"};
  const unsigned bits = RSA_bits(rsa);
  if (bits < kLeastRsaBits || bits > kMostRsaBits) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("its RSA key has {} bits, not {} to {}", bits, kLeastRsaBits, kMostRsaBits)};
  }
  return DkimKey(std::move(key), DkimAlgorithm::kRsaSha256);
}

std::string_view name_of(DkimAlgorithm algorithm) {
  return algorithm == DkimAlgorithm::kRsaSha256 ? "rsa-sha256" : "ed25519-sha256";
}

std::string DkimKey::pem() const {
  const bssl::UniquePtr<BIO> text(BIO_new(BIO_s_mem()));
  const std::uint8_t* octets = nullptr;
  std::size_t length = 0;
  if (!text ||
      !PEM_write_bio_PKCS8PrivateKey(text.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) ||
      !BIO_mem_contents(text.get(), &octets, &length)) {
    return {};
  }
  return text_of(octets, length);
}

std::string DkimKey::record() const {
  std::string octets;
  if (algorithm_ == DkimAlgorithm::kEd25519Sha256) {
    // RFC 8463 4.2: the key itself, and no structure around it.
    std::array<std::uint8_t, kEd25519Octets> raw{};
    std::size_t length = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &length);
    octets = text_of(raw.data(), length);
  } else {
    // RFC 6376 3.6.1 asks for an RSAPublicKey; all the world, its own example included, publishes a
    // SubjectPublicKeyInfo (erratum 3017).
    bssl::ScopedCBB out;
    if (CBB_init(out.get(), 512) && EVP_marshal_public_key(out.get(), key_.get())) {
      octets = text_of(CBB_data(out.get()), CBB_len(out.get()));
    }
  }
  return fmt::format("v=DKIM1; k={}; p={}", algorithm_ == DkimAlgorithm::kRsaSha256 ? "rsa" : "ed25519",
                     base64::encode(octets));
}

std::string DkimKey::sign(const Sha256& digest) const {
  if (algorithm_ == DkimAlgorithm::kRsaSha256) {
    RSA* const rsa = EVP_PKEY_get0_RSA(key_.get());
    std::string signature(RSA_size(rsa), '\0');
    unsigned length = 0;
    RSA_sign(NID_sha256, digest.data(), SHA256_DIGEST_LENGTH,
             reinterpret_cast<std::uint8_t*>(signature.data()), &length, rsa);
    signature.resize(length);
    return signature;
  }
  // RFC 8463 3: PureEdDSA, and what it signs is the SHA-256 hash.
  bssl::ScopedEVP_MD_CTX context;
  std::string signature(64, '\0');
  std::size_t length = signature.size();
  if (!EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) ||
      !EVP_DigestSign(context.get(), reinterpret_cast<std::uint8_t*>(signature.data()), &length,
                      digest.data(), digest.size())) {
    return {};
  }
  signature.resize(length);
  return signature;
}

}  // namespace mailstead
