// doctor: the certificate. look_at_tls() reads files; judge_tls() is pure. Threads: one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/certificate.h"
#include "admin/doctor/doctor_finding.h"

namespace mailstead::admin {

// Whether others can follow a certificate to an authority that they trust.
enum class ChainVerdict {
  kTrusted,
  kIncomplete,  // the certificates between are missing in the file
  kUntrusted,   // it ends at somebody that this machine does not trust
  kCannotTell,  // this machine knows no authorities, or the file cannot be read
};

struct TlsFacts {
  CertificateFiles files;
  std::optional<CertificateFacts> certificate;
  ErrorKind failure = ErrorKind::kNotFound;  // without one
  std::string failure_words = {};
  ChainVerdict chain = ChainVerdict::kCannotTell;
  std::string chain_words = {};  // what the verification says
  std::optional<mode_t> key_mode = {};
  std::string hostname;
  bool is_acme = false;           // the server gets and renews it by itself
  std::string acme_problem = {};  // why that failed the last time; empty: it did not
  std::string acme_advice = {};
  std::vector<std::string> other_names = {};  // at which programs look for their settings over HTTPS
  std::int64_t now = 0;                       // Unix seconds
  bool is_default = true;                     // not one of [tls] more_certificates
  // Why the server goes on with what it had before, which `certificate` is then; empty: it does not.
  std::string kept_because = {};
};

TlsFacts look_at_tls(const CertificateFiles& files, const std::string& hostname, std::int64_t now);

// By the machine's authorities, or those in the file that the environment's SSL_CERT_FILE names. Names and
// times are not looked at. `words`: what is wrong.
ChainVerdict verify_chain(const std::string& certificate_file, std::string& words);

// RFC 6125 6.4.3: "*.example.org" covers one label.
bool covers(const std::vector<std::string>& names, std::string_view host);

void judge_tls(const TlsFacts& facts, DoctorFindings& into);

}  // namespace mailstead::admin
