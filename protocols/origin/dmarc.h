// Is a message from the domain that its From field names? DMARC, RFC 7489, without DNS of its own.
//
//   DmarcDiscovery discovery(author_domain);
//   while (const auto name = discovery.question()) discovery.answer(ask TXT of *name);
//   dmarc_result(discovery, identities)
//
// It asks about two names at most, and needs no other check's result for that. Which author a message has is
// the caller's to find out; one with several, or with none, has no author domain (RFC 7489 6.6.1). What
// becomes of a message, and of which of them `percent` lets pass (6.6.4), is the caller's, too. On a
// temperror it may be put off, and must not be refused for good. Ownership: values that refer to nothing.
// Threads: one at a time; the functions: any. Errors: are results.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/origin/dmarc_record.h"
#include "protocols/origin/spf.h"

namespace mailstead {

// The domain that somebody registered (RFC 7489 3.2), by the Public Suffix List: the one that this machine
// keeps (Debian's package publicsuffix), as it was at the first call, or the one that is built into libpsl,
// whichever is newer. "example.co.uk" of "a.b.example.co.uk". Of a public suffix, that itself. `domain`:
// A-labels in lower case, without a dot at the end, as Address::domain has it.
std::string organizational_domain(std::string_view domain);

// RFC 7489 3.1: the same domain, or (relaxed) one of the same organization. Both as above.
bool is_aligned(std::string_view domain, std::string_view author_domain, DmarcRecord::Alignment alignment);

// Finds what an author domain publishes (RFC 7489 6.6.3).
class DmarcDiscovery {
 public:
  enum class Outcome {
    kNone,  // there is no record, or several, or the domain is none
    kFound,
    kTemperror,  // the DNS does not answer
    kPermerror,  // there is a record that cannot be read
  };

  // `author_domain`: of the one address in From, as Address::domain has it.
  explicit DmarcDiscovery(std::string_view author_domain);

  // Of which the TXT records are asked for. nullopt: the outcome is there.
  const std::optional<std::string>& question() const { return question_; }
  void answer(const dns::Answer& answer);

  Outcome outcome() const { return outcome_; }
  const std::string& author_domain() const { return author_domain_; }
  // Of kFound.
  const DmarcRecord& record() const { return record_; }
  // Whose record it is: the author domain, or its organizational domain.
  const std::string& domain() const { return domain_; }
  // RFC 7489 6.3: "sp" where the record is the organization's.
  DmarcRecord::Policy policy() const;
  // Of kTemperror and kPermerror: why, in one line of printable ASCII.
  const std::string& problem() const { return problem_; }

 private:
  void ask(const std::string& domain);
  void turn_to_organization();

  std::string author_domain_;
  std::string domain_;
  std::optional<std::string> question_;
  Outcome outcome_ = Outcome::kNone;
  DmarcRecord record_;
  std::string problem_;
};

// What the other checks found out, with domains as Address::domain has them.
struct DmarcIdentities {
  SpfVerdict spf = SpfVerdict::kNone;
  std::string spf_domain;                 // SpfResult::domain
  std::vector<std::string> dkim_domains;  // "d=" of each signature that is good
  std::vector<std::string> dkim_unknown;  // "d=" of each whose key the DNS did not tell for now
};

enum class DmarcVerdict { kNone, kPass, kFail, kTemperror, kPermerror };

// "none", "pass", "fail", "temperror", "permerror" (RFC 7489 11.2)
std::string_view name_of(DmarcVerdict verdict);

struct DmarcResult {
  // kTemperror also where an identity that would be aligned may be good, and nobody could look: another time
  // the message may pass. It may be put off, and must not be refused for good.
  DmarcVerdict verdict = DmarcVerdict::kNone;
  // What the domain wants done with what fails; kNone unless a record was found. For kFail.
  DmarcRecord::Policy policy = DmarcRecord::Policy::kNone;
  unsigned percent = 100;     // of such mail that is meant
  bool spf_aligned = false;   // SPF passed for a domain that is aligned
  bool dkim_aligned = false;  // so did a signature
};

// `discovery`: at its end.
DmarcResult dmarc_result(const DmarcDiscovery& discovery, const DmarcIdentities& identities);

}  // namespace mailstead
