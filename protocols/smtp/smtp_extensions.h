// What another server says to EHLO: RFC 5321 4.1.1.1 and the extensions that we can use. Plain value; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

struct SmtpExtensions {
  bool pipelining = false;                  // RFC 2920
  bool eight_bit_mime = false;              // RFC 6152
  bool smtputf8 = false;                    // RFC 6531
  bool chunking = false;                    // RFC 3030
  bool dsn = false;                         // RFC 3461
  bool starttls = false;                    // RFC 3207
  bool require_tls = false;                 // RFC 8689
  bool enhanced_codes = false;              // RFC 2034
  bool deliver_by = false;                  // RFC 2852
  std::int64_t least_deliver_by = 0;        // its min-by-time, seconds
  bool priority = false;                    // RFC 6710
  bool size = false;                        // RFC 1870: MAIL may have SIZE=
  std::optional<std::uint64_t> size_limit;  // octets; nullopt: not told
  // RFC 9422; nullopt: not told
  std::optional<std::uint64_t> recipients;         // RCPTMAX, of a transaction
  std::optional<std::uint64_t> recipient_domains;  // RCPTDOMAINMAX, different ones in a transaction
  std::optional<std::uint64_t> transactions;       // MAILMAX, of a session
  // AUTH, RFC 4954: the mechanisms that we have
  bool auth_plain = false;
  bool auth_login = false;
  bool auth_scram = false;

  bool operator==(const SmtpExtensions&) const = default;
};

// The lines of a reply to EHLO without their codes; the first is the server's name and greeting. What is
// unknown or badly written is as if it were not there.
SmtpExtensions parse_extensions(const std::vector<std::string>& lines);

}  // namespace mailstead
