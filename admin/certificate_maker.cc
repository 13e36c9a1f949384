#include "admin/certificate_maker.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace mailstead::admin {
namespace {

constexpr int kDays = 3653;                 // ten years
constexpr long kBackdate = -3600;           // seconds: clients whose clocks are slow
constexpr std::size_t kMaxCommonName = 64;  // characters, RFC 5280 A.1

bssl::UniquePtr<EVP_PKEY> make_key() {
  bssl::UniquePtr<EC_KEY> curve(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!curve || !key || !EC_KEY_generate_key(curve.get()) || !EVP_PKEY_set1_EC_KEY(key.get(), curve.get())) {
    return nullptr;
  }
  return key;
}

// RFC 5280 4.1.2.2: positive, at most 20 octets; random, so that a remade certificate is another one.
bool set_serial(X509* certificate) {
  std::array<std::uint8_t, 16> bytes;
  RAND_bytes(bytes.data(), bytes.size());
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x3F) | 0x40);
  bssl::UniquePtr<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_names(X509* certificate, const std::string& hostname) {
  const std::string common = hostname.size() <= kMaxCommonName ? hostname : "Mailstead";
  bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  return name &&
         X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const std::uint8_t*>(common.data()),
                                    static_cast<int>(common.size()), -1, 0) &&
         X509_set_subject_name(certificate, name.get()) && X509_set_issuer_name(certificate, name.get());
}

bssl::UniquePtr<GENERAL_NAME> general_name(int type, const void* bytes, std::size_t length) {
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  bssl::UniquePtr<ASN1_STRING> value(
      ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING));
  if (!name || !value || !ASN1_STRING_set(value.get(), bytes, static_cast<int>(length))) return nullptr;
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  return name;
}

// A host name, or an address literal as SMTP writes it: "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3).
bssl::UniquePtr<GENERAL_NAME> name_of_host(const std::string& hostname) {
  if (!hostname.starts_with('[')) return general_name(GEN_DNS, hostname.data(), hostname.size());
  std::string literal = hostname.substr(1, hostname.size() - 2);
  std::array<std::uint8_t, 16> address{};
  if (inet_pton(AF_INET, literal.c_str(), address.data()) == 1)
    return general_name(GEN_IPADD, address.data(), 4);
  literal.erase(0, std::min(literal.find(':') + 1, literal.size()));
  if (inet_pton(AF_INET6, literal.c_str(), address.data()) == 1)
    return general_name(GEN_IPADD, address.data(), 16);
  return nullptr;
}

bool add_host_names(X509* certificate, const std::string& hostname) {
  bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  if (!names) return false;
  bssl::UniquePtr<GENERAL_NAME> host = name_of_host(hostname);
  if (host && !bssl::PushToStack(names.get(), std::move(host))) return false;
  if (hostname != "localhost") {
    bssl::UniquePtr<GENERAL_NAME> local = general_name(GEN_DNS, "localhost", 9);
    if (!local || !bssl::PushToStack(names.get(), std::move(local))) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_purposes(X509* certificate) {
  bssl::UniquePtr<BASIC_CONSTRAINTS> constraints(BASIC_CONSTRAINTS_new());
  bssl::UniquePtr<ASN1_BIT_STRING> usage(ASN1_BIT_STRING_new());
  bssl::UniquePtr<EXTENDED_KEY_USAGE> extended(EXTENDED_KEY_USAGE_new());
  bssl::UniquePtr<ASN1_OBJECT> server(OBJ_dup(OBJ_nid2obj(NID_server_auth)));
  if (!constraints || !usage || !extended || !server) return false;
  constraints->ca = 0;
  return ASN1_BIT_STRING_set_bit(usage.get(), 0, 1) &&  // digitalSignature
         bssl::PushToStack(extended.get(), std::move(server)) &&
         X509_add1_ext_i2d(certificate, NID_basic_constraints, constraints.get(), 1, X509V3_ADD_DEFAULT) ==
             1 &&
         X509_add1_ext_i2d(certificate, NID_key_usage, usage.get(), 1, X509V3_ADD_DEFAULT) == 1 &&
         X509_add1_ext_i2d(certificate, NID_ext_key_usage, extended.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

// RFC 5280 4.2.1.1 and 4.2.1.2: verifiers find the issuer, here itself, by these.
bool add_key_identifiers(X509* certificate) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  bssl::UniquePtr<ASN1_OCTET_STRING> subject(ASN1_OCTET_STRING_new());
  bssl::UniquePtr<AUTHORITY_KEYID> authority(AUTHORITY_KEYID_new());
  if (!subject || !authority || !X509_pubkey_digest(certificate, EVP_sha1(), digest.data(), &length) ||
      !ASN1_STRING_set(subject.get(), digest.data(), static_cast<int>(length))) {
    return false;
  }
  authority->keyid = ASN1_STRING_dup(subject.get());
  return authority->keyid != nullptr &&
         X509_add1_ext_i2d(certificate, NID_subject_key_identifier, subject.get(), 0, X509V3_ADD_DEFAULT) ==
             1 &&
         X509_add1_ext_i2d(certificate, NID_authority_key_identifier, authority.get(), 0,
                           X509V3_ADD_DEFAULT) == 1;
}

std::string text_of(BIO* memory) {
  const std::uint8_t* bytes = nullptr;
  std::size_t length = 0;
  if (!BIO_mem_contents(memory, &bytes, &length)) return {};
  return std::string(reinterpret_cast<const char*>(bytes), length);
}

}  // namespace

Result<PemPair> make_self_signed(const std::string& hostname) {
  const Error error{ErrorKind::kIo, "cannot make a self-signed certificate for " + hostname};
  const bssl::UniquePtr<EVP_PKEY> key = make_key();
  const bssl::UniquePtr<X509> certificate(X509_new());
  if (!key || !certificate) return error;
  X509* made = certificate.get();
  const bool filled = X509_set_version(made, X509_VERSION_3) && set_serial(made) &&
                      set_names(made, hostname) &&
                      X509_gmtime_adj(X509_getm_notBefore(made), kBackdate) != nullptr &&
                      X509_time_adj_ex(X509_getm_notAfter(made), kDays, 0, nullptr) != nullptr &&
                      X509_set_pubkey(made, key.get()) && add_purposes(made) &&
                      add_host_names(made, hostname) && add_key_identifiers(made);
  if (!filled || X509_sign(made, key.get(), EVP_sha256()) == 0) return error;

  const bssl::UniquePtr<BIO> certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  if (!certificate_text || !key_text || !PEM_write_bio_X509(certificate_text.get(), made) ||
      !PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr)) {
    return error;
  }
  return PemPair{text_of(certificate_text.get()), text_of(key_text.get())};
}

}  // namespace mailstead::admin
