// What an ACME server (RFC 8555) says: its resources as JSON, and its problems (RFC 7807). Input from the
// network; plain values, pure functions; any thread.
//
// URLs are those of https and printable; tokens are base64url (8.3). Errors: kInvalid, in words for the log.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"

namespace mailstead {

// More of an answer is not read. Octets; a chain of certificates has some 10,000.
inline constexpr std::size_t kMaxAcmeAnswer = 256 * 1024;

// RFC 8555 7.1.1
struct AcmeDirectory {
  std::string new_nonce, new_account, new_order;
  std::string terms;            // URL; may be empty
  bool binds_accounts = false;  // external account binding is required
};

// RFC 8555 7.1.6, of orders, authorizations and challenges alike.
enum class AcmeStatus {
  kPending,
  kProcessing,
  kReady,
  kValid,
  kInvalid,  // for good; deactivated, expired and revoked, too
};

// RFC 8555 6.7
struct AcmeProblem {
  std::string type;    // behind "urn:ietf:params:acme:error:", "rateLimited"; else empty
  std::string detail;  // the CA's words, one printable line
  std::string name;    // that the first subproblem is about; may be empty
  bool operator==(const AcmeProblem&) const = default;
};

struct AcmeOrder {
  AcmeStatus status = AcmeStatus::kPending;
  std::vector<std::string> authorizations;  // URLs
  std::string finalize;                     // URL
  std::string certificate;                  // URL, once it is valid
  std::optional<AcmeProblem> problem = {};
};

struct AcmeChallenge {
  std::string type;  // "http-01"
  std::string url;
  std::string token;
  AcmeStatus status = AcmeStatus::kPending;
  std::optional<AcmeProblem> problem = {};
};

struct AcmeAuthorization {
  AcmeStatus status = AcmeStatus::kPending;
  std::string name;
  std::vector<AcmeChallenge> challenges;  // those that are well formed
};

Result<AcmeDirectory> parse_acme_directory(std::string_view json);
Result<AcmeOrder> parse_acme_order(std::string_view json);
Result<AcmeAuthorization> parse_acme_authorization(std::string_view json);
// Never fails: what is no problem document is a problem without a type.
AcmeProblem parse_acme_problem(std::string_view json);

// RFC 9110 10.2.3: seconds, or a date; `now` in Unix seconds. nullopt: neither.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::int64_t now);

bool is_acme_url(std::string_view text);

}  // namespace mailstead
