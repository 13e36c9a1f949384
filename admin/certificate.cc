#include "admin/certificate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "admin/certificate_maker.h"
#include "admin/file.h"
#include "admin/text.h"

namespace mailstead {

using namespace admin;

namespace {

constexpr std::size_t kMaxPem = 1u << 20;                 // octets
constexpr std::int64_t kRenewBefore = 30 * 24 * 60 * 60;  // seconds

Error bad_certificate(std::string message) {
  return Error{ErrorKind::kInvalid, std::move(message)};
}

bssl::UniquePtr<BIO> memory_of(const std::string& text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The leaf; the certificates after it have to be readable too.
Result<bssl::UniquePtr<X509>> parse_certificate(const std::string& path, const std::string& text) {
  const bssl::UniquePtr<BIO> memory = memory_of(text);
  bssl::UniquePtr<X509> leaf;
  ERR_clear_error();
  while (memory) {
    bssl::UniquePtr<X509> next(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    if (!leaf) leaf = std::move(next);
  }
  const auto error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!leaf) return bad_certificate(fmt::format("{} is not a PEM certificate", path));
  if (!at_end) return bad_certificate(fmt::format("{} has a broken certificate after the first one", path));
  return leaf;
}

Result<bssl::UniquePtr<EVP_PKEY>> parse_key(const std::string& path, const std::string& text) {
  if (text.find("-----BEGIN ENCRYPTED PRIVATE KEY") != std::string::npos ||
      text.find("Proc-Type: 4,ENCRYPTED") != std::string::npos) {
    return bad_certificate(fmt::format(
        "{} is encrypted: store the key without a passphrase, readable by the server alone", path));
  }
  const bssl::UniquePtr<BIO> memory = memory_of(text);
  bssl::UniquePtr<EVP_PKEY> key(memory ? PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr)
                                       : nullptr);
  ERR_clear_error();
  if (!key) return bad_certificate(fmt::format("{} is not a PEM private key", path));
  return key;
}

std::string name_text(const X509_NAME* name) {
  const bssl::UniquePtr<BIO> memory(BIO_new(BIO_s_mem()));
  const std::uint8_t* bytes = nullptr;
  std::size_t length = 0;
  constexpr unsigned long kFlags = XN_FLAG_ONELINE & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!memory || X509_NAME_print_ex(memory.get(), name, 0, kFlags) < 0 ||
      !BIO_mem_contents(memory.get(), &bytes, &length)) {
    return {};
  }
  return printable(std::string_view(reinterpret_cast<const char*>(bytes), length));
}

std::vector<std::string> dns_names(const X509* certificate) {
  std::vector<std::string> found;
  const bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(const_cast<X509*>(certificate), NID_subject_alt_name, nullptr, nullptr)));
  for (std::size_t i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    found.push_back(printable(std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                               static_cast<std::size_t>(ASN1_STRING_length(text)))));
  }
  return found;
}

std::int64_t unix_time(const ASN1_TIME* time) {
  const bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0, seconds = 0;
  if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) return 0;
  return std::int64_t{days} * 86400 + seconds;
}

std::string fingerprint(const X509* certificate) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  if (!X509_digest(certificate, EVP_sha256(), digest.data(), &length)) return {};
  return fmt::format("{:02X}", fmt::join(digest.begin(), digest.begin() + length, ":"));
}

Result<void> make_folder_of(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return Error{errno == EACCES ? ErrorKind::kDenied : ErrorKind::kIo,
               fmt::format("cannot make {}: {}", folder, std::strerror(errno))};
}

// What stood there may be somebody's own certificate: it is set aside, not lost.
Result<void> set_aside(const std::string& path) {
  if (::rename(path.c_str(), (path + ".old").c_str()) == 0 || errno == ENOENT) return {};
  return Error{ErrorKind::kIo, fmt::format("cannot rename {}: {}", path, std::strerror(errno))};
}

}  // namespace

CertificateFiles certificate_files(const Config& config, const std::string& data) {
  if (!config.tls.certificate.empty()) return {config.tls.certificate, config.tls.key, false};
  if (!config.acme.is_on()) return own_certificate_files(data);
  CertificateFiles issued = issued_certificate_files(data);
  return read_certificate(issued) ? issued : own_certificate_files(data);
}

CertificateFiles own_certificate_files(const std::string& data) {
  return {data + "/tls/certificate.pem", data + "/tls/key.pem", true};
}

CertificateFiles issued_certificate_files(const std::string& data) {
  const std::string file = data + "/acme/certificate.pem";
  return {file, file, false};
}

Result<bool> ensure_own_certificate(const CertificateFiles& files, const std::string& hostname) {
  const Result<CertificateFacts> now = read_certificate(files);
  if (now) {
    const bool stale = now->self_signed && now->not_after - kRenewBefore < std::time(nullptr);
    if (!stale) return false;
  } else if (now.error().kind != ErrorKind::kNotFound && now.error().kind != ErrorKind::kInvalid) {
    return now.error();  // it may be good, and we cannot see it
  }
  Result<PemPair> pair = make_self_signed(hostname);
  if (!pair) return std::move(pair).error();
  if (Result<void> made = make_folder_of(files.certificate); !made) return std::move(made).error();
  for (const std::string& path : {files.certificate, files.key}) {
    if (Result<void> aside = set_aside(path); !aside) return std::move(aside).error();
  }
  // A crash in between leaves a pair that does not fit, or half of one: the next start comes here again.
  if (Result<void> key = write_file(files.key, pair->key, 0600); !key) return std::move(key).error();
  if (Result<void> leaf = write_file(files.certificate, pair->certificate, 0600); !leaf) {
    return std::move(leaf).error();
  }
  return true;
}

Result<CertificateFacts> read_certificate(const CertificateFiles& files) {
  const Result<std::string> certificate_text = read_file(files.certificate, kMaxPem);
  if (!certificate_text) return certificate_text.error();
  const Result<std::string> key_text = read_file(files.key, kMaxPem);
  if (!key_text) return key_text.error();
  const Result<bssl::UniquePtr<X509>> certificate = parse_certificate(files.certificate, *certificate_text);
  if (!certificate) return certificate.error();
  const Result<bssl::UniquePtr<EVP_PKEY>> key = parse_key(files.key, *key_text);
  if (!key) return key.error();

  X509* leaf = certificate.value().get();
  const bool fits = X509_check_private_key(leaf, key.value().get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return bad_certificate(
        fmt::format("the key {} does not belong to the certificate {}", files.key, files.certificate));
  }
  const auto* subject = X509_get_subject_name(leaf);
  const auto* issuer = X509_get_issuer_name(leaf);
  CertificateFacts facts;
  facts.subject = name_text(subject);
  facts.issuer = name_text(issuer);
  facts.names = dns_names(leaf);
  facts.not_before = unix_time(X509_get0_notBefore(leaf));
  facts.not_after = unix_time(X509_get0_notAfter(leaf));
  facts.sha256 = fingerprint(leaf);
  facts.self_signed = X509_NAME_cmp(subject, issuer) == 0;
  return facts;
}

}  // namespace mailstead
