// SMTP TLS reporting (TLSRPT, RFC 8460): how connections to a domain's mail servers came out, and the daily
// report of it that the domain asks for.
//
// Plain values, pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

// What was asked of a server's TLS, "policy-type" of RFC 8460 4.4. The numbers are stored.
enum class TlsPolicyKind : std::uint8_t { kNone = 0, kSts = 1, kTlsa = 2 };

// How a connection came out: well, or what RFC 8460 4.3 calls it. The numbers are stored.
enum class TlsVerdict : std::uint8_t {
  kSuccess = 0,
  kStartTlsNotSupported = 1,
  kHostMismatch = 2,
  kExpired = 3,
  kNotTrusted = 4,
  kValidationFailure = 5,  // whatever has no name of its own: the handshake
  kTlsaInvalid = 6,        // no certificate that the records name
  kDnssecInvalid = 7,      // no records could be had
  kPolicyFetchError = 8,
  kPolicyInvalid = 9,
  kStsWebPkiInvalid = 10,  // the certificate of the policy's own host
};
// "starttls-not-supported"; of kSuccess "".
std::string_view name_of(TlsVerdict verdict);
std::string_view name_of(TlsPolicyKind kind);

// The lines of a policy as a report wants them, in one text: each ends with a line feed.
struct TlsPolicyFacts {
  TlsPolicyKind kind = TlsPolicyKind::kNone;
  std::string domain;   // the recipients', of A-labels
  std::string strings;  // "policy-string"
  std::string hosts;    // "mx-host": the patterns of an MTA-STS policy

  auto operator<=>(const TlsPolicyFacts&) const = default;
};

inline constexpr std::int64_t kTlsCountDay = 24 * 3600;  // seconds

// Connections of one day that came out alike.
struct TlsCount {
  std::int64_t day = 0;  // days since 1970, UTC
  TlsPolicyFacts policy;
  TlsVerdict verdict = TlsVerdict::kSuccess;
  std::string host;     // "receiving-mx-hostname"; empty of success, as the next
  std::string address;  // "receiving-ip"
  std::string reason;   // in words, may be empty
  std::uint64_t sessions = 0;

  bool same_but_for_number(const TlsCount& other) const;
};

// Where a domain wants its reports, from the TXT records of _smtp._tls.DOMAIN (RFC 8460 3): the URIs of rua,
// in order, "mailto:a@b.example" and "https://b.example/x". Empty: it wants none.
std::vector<std::string> tls_report_places(std::span<const std::string> records);
// The address of a mailto: URI, its percent-encoding undone; nullopt: of another scheme, or none.
std::optional<std::string> mailto_address(std::string_view uri);

struct TlsReport {
  std::string organization;
  std::string contact;  // an e-mail address
  std::string domain;   // that is reported on and to
  std::int64_t day = 0;
  std::vector<TlsCount> counts;  // all of that day and domain
};

// "2026-11-28T00:00:00Z_example.net@mail.example.org": the same for the same report.
std::string report_id(const TlsReport& report, std::string_view host);
// RFC 8460 4.4
std::string write_tls_report(const TlsReport& report, std::string_view host);

// RFC 8460 5.3: the message that takes it there. `gzipped`: the report, compressed; `now` in Unix seconds.
struct TlsReportMail {
  std::string from;
  std::string to;
  std::string host;  // ours
  std::string id;    // of the message
  std::int64_t now = 0;
};
std::string write_tls_report_mail(const TlsReport& report, const TlsReportMail& mail,
                                  std::string_view gzipped);
// RFC 8460 5.1: "host!example.net!1795737600!1795823999!001.json.gz"
std::string tls_report_file(const TlsReport& report, std::string_view host);

}  // namespace mailstead
