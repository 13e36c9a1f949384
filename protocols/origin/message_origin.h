// Is a message from whom it says? What SPF, DKIM, ARC and DMARC found, put together as a whole: for the
// message's readers (Authentication-Results, RFC 8601), and for whoever decides what becomes of it.
//
// Plain values, pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocols/address.h"
#include "protocols/origin/arc_verifier.h"
#include "protocols/origin/authentication_results.h"
#include "protocols/origin/dkim_verifier.h"
#include "protocols/origin/dmarc.h"
#include "protocols/origin/spf.h"

namespace mailstead {

struct OriginEvidence {
  std::string host;  // ours, A-labels
  std::string client_address;
  std::string helo;                     // as it was said
  std::optional<Address> reverse_path;  // nullopt: <>
  // nullopt: it could not be checked, because the client's address is not one of the Internet's, or hidden.
  std::optional<SpfResult> spf;
  std::vector<DkimVerdict> dkim;
  ArcVerdict arc;
  bool is_converted = false;  // by us, on its way in: what its body's hashes were of is gone
  // nullopt: the message has no author, or several, or nobody can tell (RFC 7489 6.6.1).
  std::optional<DmarcDiscovery> dmarc;
};

struct OriginVerdict {
  AuthenticationResults results;
  DmarcResult dmarc;  // kPermerror where nobody can tell the author
  // There is reason to think that its reverse-path is not who sent it: SPF or DMARC says so, and neither SPF
  // nor a signature of the reverse-path's domain says that it is. Whoever that is has no use for reports
  // about it.
  bool is_disowned = false;
};

OriginVerdict judge_origin(const OriginEvidence& evidence);

// Each check's result in a word or two, for a log: "pass", "fail", "none"; of DKIM "pass example.org" with
// the domains whose signatures hold, else the result of the first; of DMARC "fail example.net" with the
// author's domain. Texts may hold what a stranger wrote.
struct OriginWords {
  std::string spf, dkim, arc, dmarc;
};
OriginWords words_of(const AuthenticationResults& results);

}  // namespace mailstead
