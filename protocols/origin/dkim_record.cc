#include "protocols/origin/dkim_record.h"

#include <fmt/format.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <cstdint>
#include <utility>

#include "protocols/origin/tag_list.h"

namespace mailstead {
namespace {

const std::uint8_t* octets_in(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

Error bad_key_record(std::string why) {
  return {ErrorKind::kInvalid, std::move(why)};
}

using OwnedKey = bssl::UniquePtr<EVP_PKEY>;

// RFC 6376 3.6.1 says RSAPublicKey, its example is a SubjectPublicKeyInfo (erratum 3017): both are published.
OwnedKey read_rsa(std::string_view octets) {
  CBS info;
  CBS_init(&info, octets_in(octets), octets.size());
  OwnedKey key(EVP_parse_public_key(&info));
  if (key && CBS_len(&info) == 0) return EVP_PKEY_id(key.get()) == EVP_PKEY_RSA ? std::move(key) : nullptr;
  CBS bare;
  CBS_init(&bare, octets_in(octets), octets.size());
  const bssl::UniquePtr<RSA> rsa(RSA_parse_public_key(&bare));
  key.reset(rsa && CBS_len(&bare) == 0 ? EVP_PKEY_new() : nullptr);
  if (key && !EVP_PKEY_set1_RSA(key.get(), rsa.get())) key.reset();
  return key;
}

}  // namespace

Result<DkimRecord> DkimRecord::parse(std::string_view text) {
  const auto tags = TagList::parse(text);
  if (!tags || (!tags->find("p") && !tags->find("v"))) {
    // What says that it is one is one with a fault.
    if (without_space(text).starts_with("v=DKIM1")) return bad_key_record("key record is malformed");
    return Error{ErrorKind::kNotFound, "not a key record"};
  }
  // RFC 6376 3.6.1: v= stands first, or not at all, and another version is no record of ours.
  const auto version = tags->value("v");
  if (version && *version != "DKIM1") return Error{ErrorKind::kNotFound, "not a key record"};
  if (version && tags->tags().front().name != "v") return bad_key_record("key record does not begin with v=");
  const auto key = tags->value("p");
  if (!key) return bad_key_record("key record without a key");
  if (key->empty()) return Error{ErrorKind::kDenied, "key revoked"};

  DkimRecord record;
  const std::string_view kind = tags->value("k").value_or("rsa");
  if (kind == "ed25519") {
    record.algorithm_ = DkimAlgorithm::kEd25519Sha256;
  } else if (kind != "rsa") {
    return bad_key_record("key of an unknown type");
  }
  if (const auto hashes = tags->value("h")) record.takes_sha256_ = has_part(*hashes, "sha256");
  if (const auto services = tags->value("s")) {
    record.is_for_mail_ = has_part(*services, "*") || has_part(*services, "email");
  }
  const std::string_view flags = tags->value("t").value_or("");
  record.is_testing_ = has_part(flags, "y");
  record.exact_domain_ = has_part(flags, "s");
  const auto octets = folded_base64(*key);
  if (!octets) return bad_key_record("key is not base64");
  if (const auto taken = record.take_key(*octets); !taken) return taken.error();
  return record;
}

Result<void> DkimRecord::take_key(std::string_view octets) {
  OwnedKey key;
  if (algorithm_ == DkimAlgorithm::kEd25519Sha256) {
    // RFC 8463 4.2: the key itself, and no structure around it.
    key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets_in(octets), octets.size()));
  } else {
    key = read_rsa(octets);
  }
  ERR_clear_error();
  if (!key) return bad_key_record("key cannot be read");
  if (algorithm_ == DkimAlgorithm::kRsaSha256) {
    const unsigned bits = RSA_bits(EVP_PKEY_get0_RSA(key.get()));
    // RFC 8301 3.2
    if (bits < kLeastRsaBits) return bad_key_record(fmt::format("key of only {} bits", bits));
    if (bits > kMostRsaBits) return bad_key_record(fmt::format("key of {} bits", bits));
  }
  key_ = {key.release(), [](EVP_PKEY* last) { EVP_PKEY_free(last); }};
  return {};
}

bool DkimRecord::verifies(const Sha256& digest, std::string_view signature) const {
  bool good = false;
  if (algorithm_ == DkimAlgorithm::kRsaSha256) {
    good = RSA_verify(NID_sha256, digest.data(), digest.size(), octets_in(signature), signature.size(),
                      EVP_PKEY_get0_RSA(key_.get())) == 1;
  } else {
    // RFC 8463 3: PureEdDSA over the SHA-256 hash.
    bssl::ScopedEVP_MD_CTX context;
    good = EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) &&
           EVP_DigestVerify(context.get(), octets_in(signature), signature.size(), digest.data(),
                            digest.size()) == 1;
  }
  ERR_clear_error();
  return good;
}

}  // namespace mailstead
