// The record of a key that verifies signatures, as a domain publishes it: RFC 6376 3.6.1 (RSA) and RFC 8463
// (Ed25519). Input from anybody.
//
// Ownership: a value; copies share the key, which never changes. Threads: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocols/origin/dkim_key.h"
#include "protocols/result.h"

namespace mailstead {

class DkimRecord {
 public:
  // A TXT record's strings together. kNotFound: it is no key's record at all, but something else of that
  // name. kDenied: the key was revoked. kInvalid: it is one, with a fault; or its key is of a kind that we do
  // not know, or an RSA key of fewer than 1024 or more than 4096 bits (RFC 8301 3.2). The message says which.
  static Result<DkimRecord> parse(std::string_view text);

  DkimAlgorithm algorithm() const { return algorithm_; }
  bool is_for_mail() const { return is_for_mail_; }          // s=
  bool takes_sha256() const { return takes_sha256_; }        // h=
  bool is_testing() const { return is_testing_; }            // t=y: no failure is to count
  bool wants_exact_domain() const { return exact_domain_; }  // t=s: of i= and d=
  bool verifies(const Sha256& digest, std::string_view signature) const;

 private:
  DkimRecord() = default;
  Result<void> take_key(std::string_view octets);

  std::shared_ptr<evp_pkey_st> key_;
  DkimAlgorithm algorithm_ = DkimAlgorithm::kRsaSha256;
  bool is_for_mail_ = true;
  bool takes_sha256_ = true;
  bool is_testing_ = false;
  bool exact_domain_ = false;
};

}  // namespace mailstead
