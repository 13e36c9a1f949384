// Does a domain let this client send its mail? SPF, RFC 7208: check_host(), without DNS of its own.
//
//   SpfCheck check(client);
//   while (const auto question = check.question()) check.answer(ask(*question));
//   check.result()
//
// Whatever the DNS says, a check asks at most kMostSpfQuestions questions, one at a time. It keeps the text
// of the records that are under way, at most eleven of kMaxSpfRecord octets, which is less than 256 KiB in
// all, and of them nothing once the result is there. How long it may take is the caller's: RFC 7208 4.6.4
// wants at least 20 seconds before it is a temperror, and an answer of Verdict::kFailed makes it one.
//
// On a temperror a message may be put off, and must not be refused for good: another time the check may pass.
// Ownership: a value that refers to nothing. Threads: one at a time. Errors: are results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/dns_message.h"
#include "protocols/ip_address.h"
#include "protocols/origin/spf_macro.h"
#include "protocols/origin/spf_record.h"

namespace mailstead {

// RFC 7208 4.6.4: a record; ten terms, of which an "mx" asks most, for hosts and their addresses; the
// client's own names and their addresses; an explanation.
inline constexpr std::size_t kMostSpfQuestions = 1 + 10 * 11 + 11 + 1;

enum class SpfVerdict { kNone, kNeutral, kPass, kFail, kSoftfail, kTemperror, kPermerror };  // RFC 7208 2.6

// "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" (RFC 8601 2.7.2)
std::string_view name_of(SpfVerdict verdict);

struct SpfClient {
  IpAddress ip;
  std::string helo;  // as it was said; of more than dns::kMaxText octets it is no name
  // nullopt: "<>", so the identity is that of HELO: postmaster@helo (RFC 7208 2.4). So HELO itself is
  // checked, too (2.3).
  std::optional<Address> reverse_path;
  std::string host;      // our name, for explanations
  std::int64_t now = 0;  // Unix seconds, for explanations
};

struct SpfQuestion {
  std::string name;  // printable ASCII in lower case, blanks among it, without a dot at the end
  dns::Type type = dns::Type::kTxt;

  bool operator==(const SpfQuestion&) const = default;
};

struct SpfResult {
  SpfVerdict verdict = SpfVerdict::kNone;
  std::string domain;  // whose word it is, in lower case; empty: the identity has no name
  // The term that decided, as it is written: "-all", "ip4:192.0.2.0/24"; of an "include" the one that
  // included. Empty: none did.
  std::string mechanism;
  // Of kTemperror and kPermerror: why, for a log or a header; one line of printable ASCII.
  std::string problem;
  // Of kFail: what the domain has to say to the sender (RFC 7208 6.2), one line of printable ASCII, at most
  // kMaxSpfExplanation octets. Words of a stranger: say whose they are. Empty: none.
  std::string explanation;
};

class SpfCheck {
 public:
  explicit SpfCheck(const SpfClient& client);

  // nullopt: the result is there.
  const std::optional<SpfQuestion>& question() const { return question_; }
  // To the question.
  void answer(const dns::Answer& answer);
  // Once there is no question.
  const SpfResult& result() const { return result_; }

 private:
  // What the question is about.
  enum class Topic {
    kRecord,
    kAddresses,          // of "a" and "exists"
    kExchanges,          // of "mx"
    kExchangeAddresses,  // of one of them
    kOwnNames,           // of "ptr" and "%{p}"
    kOwnAddresses,       // of one of them
    kExplanation,
  };
  // A record that is under way; but for the last, each waits at an "include".
  struct Frame {
    std::string domain;
    SpfRecord record;
    std::size_t next = 0;  // where in its mechanisms
    bool counted = false;  // that one, among the terms that ask the DNS
  };

  void run();
  void enter(const std::optional<std::string>& domain);
  void evaluate();
  void evaluate(const SpfMechanism& mechanism);
  void end_of_record();
  bool read_mechanism();
  void matched();
  void not_matched();
  void finish_record(SpfVerdict verdict);
  void finish(SpfVerdict verdict, std::string problem = {});
  void explain();
  void no_record(std::string problem);
  bool spend_term();
  bool spend_void(const dns::Answer& answer);

  void ask(const std::string& name, dns::Type type, Topic topic);
  void ask_exchange();
  void ask_own_names();
  void ask_own_name();
  void take_record(const std::string& name, const dns::Answer& answer);
  void take_addresses(const std::string& name, const dns::Answer& answer);
  void take_exchanges(const std::string& name, const dns::Answer& answer);
  void take_exchange(const std::string& name, const dns::Answer& answer);
  void take_own_names(const dns::Answer& answer);
  void take_explanation(const dns::Answer& answer);

  std::optional<std::string> target(const std::string& domain_spec);
  void set_values();
  bool cannot_be_asked(const std::string& domain_spec) const;
  bool is_of_client(const dns::Answer& answer, unsigned ip4_length, unsigned ip6_length) const;
  dns::Type address_type() const;
  std::string reverse_name() const;

  SpfMacroValues values_;
  std::vector<Frame> frames_;
  SpfMechanism mechanism_;  // the next one of the innermost, once it was read
  std::optional<SpfQuestion> question_;
  Topic topic_ = Topic::kRecord;
  SpfResult result_;
  bool done_ = false;
  std::size_t terms_ = 0;  // that asked the DNS
  std::size_t voids_ = 0;  // of them, that found nothing

  std::vector<std::string> names_;      // whose addresses are still to be asked for
  std::vector<std::string> own_names_;  // of the client, that lead back to it (RFC 7208 5.5)
  bool own_names_known_ = false;

  bool explaining_ = false;
  std::optional<std::string> explanation_;  // before its macros are expanded
};

}  // namespace mailstead
