#include "server/outgoing/tls_identity.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdint>

#include "protocols/ip_address.h"

namespace mailstead {

namespace {

std::string der_of(const X509* certificate) {
  std::uint8_t* octets = nullptr;
  const int length = i2d_X509(const_cast<X509*>(certificate), &octets);
  if (length <= 0) return {};
  const bssl::UniquePtr<std::uint8_t> kept(octets);
  return {reinterpret_cast<const char*>(octets), static_cast<std::size_t>(length)};
}

std::string key_der_of(const X509* certificate) {
  std::uint8_t* octets = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &octets);
  if (length <= 0) return {};
  const bssl::UniquePtr<std::uint8_t> kept(octets);
  return {reinterpret_cast<const char*>(octets), static_cast<std::size_t>(length)};
}

bool is_named_by(const X509* certificate, std::span<const Tlsa> records, Tlsa::Usage usage) {
  const std::string der = der_of(certificate);
  const std::string key = key_der_of(certificate);
  return std::ranges::any_of(
      records, [&](const Tlsa& record) { return record.usage == usage && matches(record, der, key); });
}

// What RFC 8460 4.3 calls it.
TlsVerdict verdict_of(int error) {
  switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return TlsVerdict::kHostMismatch;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsVerdict::kExpired;
    default:
      return TlsVerdict::kNotTrusted;
  }
}

std::string words_of(TlsVerdict verdict, int error, const std::string& host) {
  switch (verdict) {
    case TlsVerdict::kHostMismatch:
      return fmt::format("its certificate is not for the name {}", host);
    case TlsVerdict::kExpired:
      return error == X509_V_ERR_CERT_NOT_YET_VALID ? "its certificate is not valid yet"
                                                    : "its certificate has expired";
    default:
      return fmt::format("its certificate is by nobody who is trusted ({})",
                         X509_verify_cert_error_string(error));
  }
}

// How a chain is verified, whoever is trusted.
struct Terms {
  X509_STORE* trusted;
  std::vector<std::string> names;  // one of them
};

TlsFinding verify(X509* certificate, STACK_OF(X509) * chain, const Terms& terms) {
  TlsFinding finding{true, TlsVerdict::kValidationFailure, "its certificate could not be verified"};
  const bssl::UniquePtr<X509_STORE_CTX> work(X509_STORE_CTX_new());
  if (!work || X509_STORE_CTX_init(work.get(), terms.trusted, certificate, chain) != 1) return finding;
  X509_STORE_CTX_set_default(work.get(), "ssl_server");
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(work.get());
  // Who is trusted need not be an authority of authorities, nor sign itself.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  for (const std::string& name : terms.names) {
    if (parse_ip(name)) {
      X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str());
    } else {
      X509_VERIFY_PARAM_add1_host(parameters, name.data(), name.size());
    }
  }
  if (X509_verify_cert(work.get()) == 1) return {true, TlsVerdict::kSuccess, ""};
  const int error = X509_STORE_CTX_get_error(work.get());
  finding.verdict = verdict_of(error);
  finding.words = words_of(finding.verdict, error, terms.names.front());
  return finding;
}

// RFC 7672 3.1.2: trusted is who a record names, and nobody else.
TlsFinding verify_by_anchor(X509* certificate, STACK_OF(X509) * chain, const TlsExpectation& expectation) {
  const bssl::UniquePtr<X509_STORE> anchors(X509_STORE_new());
  std::size_t found = 0;
  for (std::size_t i = 0; i < sk_X509_num(chain); ++i) {
    X509* const each = sk_X509_value(chain, i);
    if (is_named_by(each, expectation.tlsa, Tlsa::Usage::kTrustAnchor)) {
      X509_STORE_add_cert(anchors.get(), each);
      ++found;
    }
  }
  // A record may hold the anchor itself, which the server then need not send.
  for (const Tlsa& record : expectation.tlsa) {
    if (record.usage != Tlsa::Usage::kTrustAnchor || record.selector != Tlsa::Selector::kCertificate ||
        record.matching != Tlsa::Matching::kExact)
      continue;
    const auto* octets = reinterpret_cast<const std::uint8_t*>(record.data.data());
    const bssl::UniquePtr<X509> anchor(d2i_X509(nullptr, &octets, static_cast<long>(record.data.size())));
    if (anchor && X509_STORE_add_cert(anchors.get(), anchor.get()) == 1) ++found;
  }
  if (found == 0) return {true, TlsVerdict::kTlsaInvalid, "its certificate is not the one that DNS names"};
  std::vector<std::string> names = {expectation.host};
  names.insert(names.end(), expectation.other_names.begin(), expectation.other_names.end());
  return verify(certificate, chain, {anchors.get(), std::move(names)});
}

}  // namespace

TlsFinding look_at_certificates(SSL* ssl, X509_STORE* authorities, const TlsExpectation& expectation) {
  STACK_OF(X509)* const chain = SSL_get_peer_full_cert_chain(ssl);
  if (chain == nullptr || sk_X509_num(chain) == 0)
    return {true, TlsVerdict::kValidationFailure, "it has no certificate"};
  X509* const certificate = sk_X509_value(chain, 0);
  TlsFinding finding;
  if (expectation.verification != TlsVerification::kDane) {
    finding = verify(certificate, chain, {authorities, {expectation.host}});
  } else if (is_named_by(certificate, expectation.tlsa, Tlsa::Usage::kEndEntity)) {
    // RFC 7672 3.1.1: neither its name nor its time matters.
    finding = {true, TlsVerdict::kSuccess, ""};
  } else {
    finding = verify_by_anchor(certificate, chain, expectation);
  }
  ERR_clear_error();
  return finding;
}

}  // namespace mailstead
