// What a domain wants done with mail that is not from it (DMARC, RFC 7489 6.3, 6.4).
//
// Input from anybody. Plain values, pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/result.h"

namespace mailstead {

// Where reports go (RFC 7489 6.2).
struct DmarcReceiver {
  std::string uri;                    // "mailto:reports@example.org"
  std::optional<std::uint64_t> most;  // octets of a report

  bool operator==(const DmarcReceiver&) const = default;
};

struct DmarcRecord {
  enum class Policy { kNone, kQuarantine, kReject };
  enum class Alignment { kRelaxed, kStrict };
  // When to report a message at once ("fo").
  struct FailureOptions {
    bool all = true;   // "0": neither SPF nor DKIM passed and was aligned
    bool any = false;  // "1": one of them was not
    bool dkim = false;
    bool spf = false;

    bool operator==(const FailureOptions&) const = default;
  };

  Policy policy = Policy::kNone;            // "p"
  Policy subdomain_policy = Policy::kNone;  // "sp", or the same
  Alignment dkim = Alignment::kRelaxed;     // "adkim"
  Alignment spf = Alignment::kRelaxed;      // "aspf"
  unsigned percent = 100;                   // "pct": of the mail that fails the policy is for
  std::vector<DmarcReceiver> aggregate;     // "rua"
  std::vector<DmarcReceiver> failures;      // "ruf"
  FailureOptions failure_options;           // "fo"
  std::string failure_format = "afrf";      // "rf": what came first
  std::uint32_t interval = 86400;           // "ri": seconds between aggregate reports

  bool operator==(const DmarcRecord&) const = default;
};

// Those of a name's TXT records that are DMARC's (RFC 7489 6.6.3): none, one, or too many. They live as long
// as `records`.
std::vector<std::string_view> dmarc_records(std::span<const dns::Record> records);

// kInvalid: it is none that anything follows from; `message` says why, in printable ASCII. Tags that nobody
// knows, and values that a tag cannot have, are passed over (RFC 7489 6.3); but for "p" and "sp", without
// which the record only says where reports go, or nothing (6.6.3). A known tag that is there twice makes all
// of it invalid (RFC 6376 3.2).
Result<DmarcRecord> parse_dmarc_record(std::string_view text);

// "none", "quarantine", "reject"
std::string_view name_of(DmarcRecord::Policy policy);

}  // namespace mailstead
