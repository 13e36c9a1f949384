// A record by which a domain says who sends its mail (SPF, RFC 7208 4.5, 4.6, 5, 6, 12).
//
// Input from anybody: all of it is checked before anything of it is used. Plain values, pure functions; any
// thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/ip_address.h"
#include "protocols/origin/spf_macro.h"
#include "protocols/result.h"

namespace mailstead {

// Octets of a record and of one of its terms; ours, so that a check needs little memory and its macros little
// work. RFC 7208 3.4 wants what fits into a datagram, and a name of 253 octets needs no term that is longer.
inline constexpr std::size_t kMaxSpfRecord = 16 * 1024;
inline constexpr std::size_t kMaxSpfTerm = kMaxSpfMacroString;

struct SpfMechanism {
  enum class Kind { kAll, kInclude, kA, kMx, kPtr, kIp4, kIp6, kExists };
  enum class Qualifier { kPass, kFail, kSoftfail, kNeutral };  // "+" or nothing, "-", "~", "?"

  Kind kind = Kind::kAll;
  Qualifier qualifier = Qualifier::kPass;
  std::string domain_spec;   // with its macros (spf_macro.h); empty: the domain whose record it is
  IpNetwork network;         // of "ip4" and "ip6"
  unsigned ip4_length = 32;  // of "a" and "mx", in bits
  unsigned ip6_length = 128;
  std::string text;  // as it is written: "-ip4:192.0.2.0/24"

  bool operator==(const SpfMechanism&) const = default;
};

struct SpfRecord {
  // In their order, as they are written, with a blank behind each, for take_spf_mechanism(): so many small
  // ones need no more memory than their text. What is behind "all" is checked and left out.
  std::string mechanisms;
  std::optional<std::string> redirect;     // a domain-spec
  std::optional<std::string> explanation;  // "exp": a domain-spec

  bool operator==(const SpfRecord&) const = default;
};

// Those of a name's TXT records that are SPF's (RFC 7208 4.5): none, one, or too many. They live as long as
// `records`.
std::vector<std::string_view> spf_records(std::span<const dns::Record> records);

// kInvalid: RFC 7208 12 has no such record, or it is too long; `message` says which term is wrong, in
// printable ASCII.
Result<SpfRecord> parse_spf_record(std::string_view text);

// The first of SpfRecord::mechanisms, or of what is left of them; it goes out of `mechanisms`. nullopt: none
// is left.
std::optional<SpfMechanism> take_spf_mechanism(std::string_view& mechanisms);

}  // namespace mailstead
