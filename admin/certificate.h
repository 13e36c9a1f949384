// The TLS certificate: where it is, what it says, and the self-signed one made at first start.
// Blocking file I/O and key generation; any thread, not the reactor after start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/config/config.h"
#include "protocols/result.h"

namespace mailstead {

struct CertificateFiles {
  std::string certificate;  // PEM, leaf first, then the chain
  std::string key;          // PEM
  bool own = false;         // the self-signed pair in DATA/tls
};

struct CertificateFacts {
  std::string subject, issuer;
  std::vector<std::string> names;              // DNS names of the subject alternative name
  std::int64_t not_before = 0, not_after = 0;  // Unix seconds
  std::string sha256;                          // of the DER form, "AB:CD:…"
  bool self_signed = false;
};

// One that a running server shows, whatever its files hold by now.
struct CertificateInUse {
  CertificateFiles files;
  CertificateFacts facts;
};

// The pair in force: the configured one; with [acme] the one that an authority issued, once it is there and
// good; else the self-signed one. Reads files in the second case.
CertificateFiles certificate_files(const Config& config, const std::string& data);
// DATA/tls/{certificate,key}.pem, the self-signed pair.
CertificateFiles own_certificate_files(const std::string& data);
// DATA/acme/certificate.pem: key and chain in one file, so that they change in one step.
CertificateFiles issued_certificate_files(const std::string& data);

// Makes the self-signed pair (ECDSA P-256, 10 years, names: hostname, localhost) when it is missing or its
// key does not fit. Returns true when one was made. Files are written beside and renamed, key mode 0600.
Result<bool> ensure_own_certificate(const CertificateFiles& files, const std::string& hostname);

// Reads and checks: that the key fits the certificate. The message names the file and what is wrong with it.
Result<CertificateFacts> read_certificate(const CertificateFiles& files);

}  // namespace mailstead
