// What is kept of ACME in the data folder, all of it mode 0600 and written whole or not at all:
//
//     acme/account-HASH.json   the account's key and URL, one file for each directory
//     acme/state.json          how the last attempt went, and the order that is under way with its key
//     acme/certificate.pem     the certificate that is in force: its key and its chain in one file
//
// A file that cannot be read is set aside (".bad") and made anew: the worst that is lost is an account, which
// costs nothing. Blocking; any thread, one at a time for one folder.
#pragma once

#include <cstdint>
#include <string>

#include "protocols/result.h"

namespace mailstead {

struct AcmeAccount {
  std::string key;  // PEM; empty: there is none
  std::string url;  // empty: the CA has not told it yet
};

struct AcmeState {
  std::string issued_for;       // the settings that the certificate was got with
  std::string tried_for;        // those of the last attempt
  std::uint32_t failures = 0;   // one after the other
  std::int64_t failed_at = 0;   // Unix seconds, likewise all below
  std::int64_t next_at = 0;     // after a failure: not before
  std::int64_t wait_until = 0;  // the authority of `waits_for` said so
  std::string waits_for;        // URL of a directory
  std::int64_t renewed_at = 0;
  std::string problem, advice;   // of the last failure
  std::string order, order_key;  // URL and PEM; empty: none is under way
  std::string order_for;         // the settings that it was begun with
};

class AcmeFiles {
 public:
  explicit AcmeFiles(const std::string& data) : folder_(data + "/acme") {}

  // A new state when there is none; `complaint` is then empty, or says that one was unreadable.
  AcmeState read_state(std::string& complaint) const;
  AcmeAccount read_account(const std::string& directory, std::string& complaint) const;
  Result<void> write_state(const AcmeState& state) const;
  Result<void> write_account(const std::string& directory, const AcmeAccount& account) const;
  // PEM both.
  Result<void> write_certificate(const std::string& key, const std::string& chain) const;

 private:
  std::string account_path(const std::string& directory) const;
  Result<void> write(const std::string& path, const std::string& text) const;

  std::string folder_;
};

}  // namespace mailstead
