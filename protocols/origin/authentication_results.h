// What our checks of a message found, as a field for its readers: Authentication-Results, RFC 8601. Fields of
// that name that others may have written in ours: results_border.h.
//
// Plain values, pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/origin/arc_verifier.h"
#include "protocols/origin/dkim_verifier.h"
#include "protocols/origin/dmarc.h"
#include "protocols/origin/spf.h"

namespace mailstead {

// RFC 8601 2.7.2
struct SpfOutcome {
  SpfVerdict result = SpfVerdict::kNone;
  // What was looked at, each empty where it was not: an address or a domain, of A-labels.
  std::string mail_from;
  std::string helo;
  std::string reason;  // in words; may be empty
};

// RFC 7489 11.2
struct DmarcOutcome {
  DmarcVerdict result = DmarcVerdict::kNone;
  std::string from_domain;                    // of the From field, of A-labels
  std::optional<DmarcRecord::Policy> policy;  // that the domain asks for
  std::string reason;                         // in words; may be empty
};

struct AuthenticationResults {
  std::string host;                              // who says so, the "authserv-id": a domain of A-labels
  std::vector<SpfOutcome> spf;                   // empty: not checked; so the others without a value
  std::optional<std::vector<DkimVerdict>> dkim;  // without a signature: "none"
  std::optional<ArcVerdict> arc;
  std::string arc_remote_ip;  // of the client, RFC 8617 10.2; empty: it is not told
  std::optional<DmarcOutcome> dmarc;
};

// The whole field, folded, with CRLF; no line is longer than RFC 5322 2.1.1 has it. Texts from the message
// are quoted where they need it, and harmless: they hold neither line ends nor other control characters.
// Domains, selectors and addresses are never cut or changed, so that none looks like another: a domain that
// cannot stand there as it is is left out, of an address its local part. `letters`: kUtf8 where the header is
// one of RFC 6532; domains are U-labels there (RFC 8616), unless these can be mistaken for others or are
// longer than a domain may be. Else a local part beyond ASCII is left out.
std::string write_authentication_results(const AuthenticationResults& results, Letters letters);
// The same in one line without the name of the field, as ArcSealer::finish() takes it.
std::string authentication_results_line(const AuthenticationResults& results, Letters letters);

struct ToldResult {
  std::string method;  // "dkim"
  std::string result;  // "pass"
  std::string domain;  // of DKIM, header.d; empty: not told
  std::string text;    // all of it: "dkim=pass header.d=example.org", in one line
};
// What such a field tells. What it ends with is left out where it is cut.
std::vector<ToldResult> results_told(std::string_view field);

}  // namespace mailstead
