// What our checks of a message found, as a field for its readers: Authentication-Results, RFC 8601; and the
// fields of that name that others may have written in ours.
//
// Plain values, pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/arc_verifier.h"
#include "protocols/dkim_verifier.h"

namespace mailstead {

// RFC 8601 2.7.2
struct SpfOutcome {
  enum class Result { kNone, kNeutral, kPass, kFail, kSoftFail, kTemporaryError, kPermanentError };

  Result result = Result::kNone;
  // What was looked at, each empty where it was not: an address or a domain, of A-labels.
  std::string mail_from;
  std::string helo;
  std::string reason;  // in words; may be empty
};

// RFC 7489 11.2
struct DmarcOutcome {
  enum class Result { kNone, kPass, kFail, kTemporaryError, kPermanentError };
  enum class Policy { kNone, kQuarantine, kReject };

  Result result = Result::kNone;
  std::string from_domain;       // of the From field, of A-labels
  std::optional<Policy> policy;  // that the domain asks for
  std::string reason;            // in words; may be empty
};

struct AuthenticationResults {
  std::string host;                              // who says so, the "authserv-id": a domain of A-labels
  std::vector<SpfOutcome> spf;                   // empty: not checked; so the others without a value
  std::optional<std::vector<DkimVerdict>> dkim;  // without a signature: "none"
  std::optional<ArcVerdict> arc;
  std::string arc_remote_ip;  // of the client, RFC 8617 10.2; empty: it is not told
  std::optional<DmarcOutcome> dmarc;
};

// The whole field, folded, with CRLF. Texts from the message are quoted where they need it, and harmless:
// they hold neither line ends nor other control characters. `letters`: kUtf8 where the header is one of RFC
// 6532; domains are U-labels there (RFC 8616). Else a local part beyond ASCII is left out.
std::string write_authentication_results(const AuthenticationResults& results, Letters letters);
// The same in one line without the name of the field, as ArcSealer::finish() takes it.
std::string authentication_results_line(const AuthenticationResults& results, Letters letters);

// Does this field, whole as it came, say that `host` has written it? One that has that name and cannot be
// read counts: some reader may see in it what we do not. RFC 8601 5: such a field must not pass the border.
bool claims_results_of(std::string_view field, std::string_view host);
// All such fields of a header with CRLF line ends, from the top down; they point into it. Linear.
std::vector<std::string_view> results_claimed_for(std::string_view host, std::string_view header);

}  // namespace mailstead
