#include "protocols/acme/acme_certificate.h"

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/stack.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdint>
#include <utility>

#include "protocols/sha256.h"

namespace mailstead {
namespace {

constexpr const char* kAcmeIdentifier = "1.3.6.1.5.5.7.1.31";  // RFC 8737 6.1
constexpr long kProofBackdate = -3600;                         // seconds: a CA whose clock is slow
constexpr long kProofLife = 7 * 24 * 3600;

Error not_made(std::string_view what) {
  ERR_clear_error();
  return {ErrorKind::kUnavailable, fmt::format("{} could not be made", what)};
}

bssl::UniquePtr<GENERAL_NAMES> alternative_names(std::span<const std::string> names) {
  bssl::UniquePtr<GENERAL_NAMES> list(GENERAL_NAMES_new());
  for (const std::string& name : names) {
    bssl::UniquePtr<GENERAL_NAME> entry(GENERAL_NAME_new());
    bssl::UniquePtr<ASN1_STRING> text(ASN1_STRING_type_new(V_ASN1_IA5STRING));
    if (!list || !entry || !text ||
        ASN1_STRING_set(text.get(), name.data(), static_cast<int>(name.size())) != 1) {
      return nullptr;
    }
    GENERAL_NAME_set0_value(entry.get(), GEN_DNS, text.release());
    if (!bssl::PushToStack(list.get(), std::move(entry))) return nullptr;
  }
  return list;
}

bool add_alternative_names(X509_REQ* request, std::span<const std::string> names) {
  const auto list = alternative_names(names);
  if (!list) return false;
  bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_i2d(NID_subject_alt_name, 0, list.get()));
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  return extension && extensions && bssl::PushToStack(extensions.get(), std::move(extension)) &&
         X509_REQ_add_extensions(request, extensions.get()) == 1;
}

bool set_random_serial(X509* certificate) {
  std::array<std::uint8_t, 16> octets;
  RAND_bytes(octets.data(), octets.size());
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x3F) | 0x40);
  const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(octets.data(), octets.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// RFC 8737 3: an OCTET STRING in the extension's value, and critical.
bool add_acme_identifier(X509* certificate, std::string_view key_authorization) {
  const Sha256 digest = sha256(key_authorization);
  const bssl::UniquePtr<ASN1_OBJECT> identifier(OBJ_txt2obj(kAcmeIdentifier, 1));
  const bssl::UniquePtr<ASN1_OCTET_STRING> inner(ASN1_OCTET_STRING_new());
  if (!identifier || !inner ||
      ASN1_OCTET_STRING_set(inner.get(), digest.data(), static_cast<int>(digest.size())) != 1) {
    return false;
  }
  std::uint8_t* der = nullptr;
  const int length = i2d_ASN1_OCTET_STRING(inner.get(), &der);
  const bssl::UniquePtr<std::uint8_t> owned(der);
  const bssl::UniquePtr<ASN1_OCTET_STRING> outer(ASN1_OCTET_STRING_new());
  if (length <= 0 || !outer || ASN1_OCTET_STRING_set(outer.get(), der, length) != 1) return false;
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, identifier.get(), 1, outer.get()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool name_itself(X509* certificate) {
  static constexpr std::string_view kCommonName = "ACME challenge";
  const bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  return name &&
         X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const std::uint8_t*>(kCommonName.data()),
                                    static_cast<int>(kCommonName.size()), -1, 0) == 1 &&
         X509_set_subject_name(certificate, name.get()) == 1 &&
         X509_set_issuer_name(certificate, name.get()) == 1;
}

}  // namespace

Result<std::string> certificate_request(const AcmeKey& key, std::span<const std::string> names) {
  const bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.handle()) != 1 || !add_alternative_names(request.get(), names) ||
      X509_REQ_sign(request.get(), key.handle(), EVP_sha256()) == 0) {
    return not_made("the request for a certificate");
  }
  std::uint8_t* der = nullptr;
  const int length = i2d_X509_REQ(request.get(), &der);
  const bssl::UniquePtr<std::uint8_t> owned(der);
  if (length <= 0) return not_made("the request for a certificate");
  return std::string(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
}

Result<AcmeProof> make_acme_proof(const std::string& name, std::string_view key_authorization) {
  auto key = AcmeKey::make();
  if (!key) return key.error();
  const bssl::UniquePtr<X509> certificate(X509_new());
  const auto names = alternative_names({&name, 1});
  X509* const made = certificate.get();
  if (!certificate || !names || X509_set_version(made, X509_VERSION_3) != 1 || !set_random_serial(made) ||
      !name_itself(made) || X509_gmtime_adj(X509_getm_notBefore(made), kProofBackdate) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(made), kProofLife) == nullptr ||
      X509_set_pubkey(made, key->handle()) != 1 ||
      X509_add1_ext_i2d(made, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1 ||
      !add_acme_identifier(made, key_authorization) || X509_sign(made, key->handle(), EVP_sha256()) == 0) {
    return not_made("the certificate of the challenge");
  }
  std::uint8_t* der = nullptr;
  const int length = i2d_X509(made, &der);
  const bssl::UniquePtr<std::uint8_t> owned(der);
  if (length <= 0) return not_made("the certificate of the challenge");
  return AcmeProof{std::string(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)),
                   *std::move(key)};
}

Result<void> check_issued_chain(std::string_view pem, const AcmeKey& key,
                                std::span<const std::string> names) {
  const bssl::UniquePtr<BIO> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const bssl::UniquePtr<X509> leaf(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr);
  ERR_clear_error();
  if (!leaf) return Error{ErrorKind::kInvalid, "what the CA issued is no certificate in PEM"};
  // RFC 8555 7.4.2: certificates and nothing else, or what came could bring a key along.
  if (pem.find("PRIVATE KEY") != std::string_view::npos)
    return Error{ErrorKind::kInvalid, "what the CA issued holds a private key"};
  const bool fits = X509_check_private_key(leaf.get(), key.handle()) == 1;
  ERR_clear_error();
  if (!fits) return Error{ErrorKind::kInvalid, "what the CA issued is for another key"};
  for (const std::string& name : names) {
    if (X509_check_host(leaf.get(), name.data(), name.size(), 0, nullptr) != 1)
      return Error{ErrorKind::kInvalid, fmt::format("what the CA issued is not for {}", name)};
  }
  return {};
}

}  // namespace mailstead
