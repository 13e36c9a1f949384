// What a domain demands of those who send it mail (MTA-STS, RFC 8461): the DNS record that announces a
// policy, and the policy, which comes over HTTPS. Input from anybody. Plain values, pure functions; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"

namespace mailstead {

// RFC 8461 3.3: more of a policy need not be read. Octets.
inline constexpr std::size_t kMaxStsPolicy = 64 * 1024;

struct StsPolicy {
  enum class Mode {
    kNone,     // there is no policy any more
    kTesting,  // who breaks it is reported, and gets the mail
    kEnforce,
  };

  Mode mode = Mode::kNone;
  std::vector<std::string> hosts;  // its "mx" patterns, lower case: "mx.example.net", "*.example.net"
  std::int64_t max_age = 0;        // seconds, at most kMaxStsAge

  // Is it one of the domain's hosts (RFC 8461 4.1)? A name of A-labels, in any letter case.
  bool covers(std::string_view host) const;
  bool operator==(const StsPolicy&) const = default;
};

inline constexpr std::int64_t kMaxStsAge = 31'557'600;  // RFC 8461 3.2: a year

// The id in the TXT records of _mta-sts.DOMAIN (RFC 8461 3.1). nullopt: none announces a policy, or more than
// one does.
std::optional<std::string> sts_policy_id(std::span<const std::string> records);

// kInvalid: it is no policy (RFC 8461 3.2); `message` says why, for a report.
Result<StsPolicy> parse_sts_policy(std::string_view text);

// "none", "testing", "enforce"
std::string_view name_of(StsPolicy::Mode mode);

}  // namespace mailstead
