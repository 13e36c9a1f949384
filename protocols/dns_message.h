// DNS messages: a question as octets, and what an answer says (RFC 1035 4, RFC 6891, RFC 6698).
//
// An answer comes from a network: it is read within its bounds, a compression pointer leads backwards only,
// and a message with anything malformed in it is no answer at all. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/ip_address.h"

namespace mailstead {

enum class DnsType : std::uint16_t { kA = 1, kPtr = 12, kMx = 15, kTxt = 16, kAaaa = 28, kTlsa = 52 };

std::string dns_type_name(DnsType type);  // "AAAA"

// Names are text without a dot at the end, in lower case; the root is ".". An octet that is no visible ASCII,
// and a dot or backslash within a label, stand as \DDD (RFC 1035 5.1), so that parse_domain() refuses it.
struct MxRecord {
  std::uint16_t preference = 0;
  std::string exchange;
  bool operator==(const MxRecord&) const = default;
};

struct TlsaRecord {  // RFC 6698 2.1
  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;  // octets
  bool operator==(const TlsaRecord&) const = default;
};

enum class DnsStatus {
  kFound,
  kNoRecords,  // the name exists, or something below it, and has none of this type
  kNoDomain,   // the name does not exist
  kTemporary   // no answer, or none that means anything: ask again later
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::kTemporary;
  std::string name;            // at the end of the aliases (CNAME): whose the records are
  bool authenticated = false;  // the resolver says that all of it is (AD, RFC 4035 3.2.3), absence too
  // Seconds for which the answer holds: the least of all that led to it; of an absence what RFC 2308 5 says.
  std::uint32_t ttl = 0;

  // Of these the question's type fills one, when found.
  std::vector<IpAddress> addresses;  // A, AAAA
  std::vector<MxRecord> exchanges;   // MX, as they came
  std::vector<TlsaRecord> tlsa;      // TLSA
  std::vector<std::string> texts;    // TXT, a record's strings put together (RFC 7208 3.3); any octets
  std::vector<std::string> names;    // PTR
  bool operator==(const DnsAnswer&) const = default;
};

struct DnsQuestion {
  std::string name;  // no escapes: letters, digits, hyphens, underscores
  DnsType type = DnsType::kA;
  bool operator==(const DnsQuestion&) const = default;
  auto operator<=>(const DnsQuestion&) const = default;
};

enum class Edns { kYes, kNo };

inline constexpr std::uint16_t kDnsUdpSize = 1232;  // octets that pass everywhere without fragments
inline constexpr std::size_t kEdnsOctets = 11;      // at a query's end

// Recursion desired, and AD: "tell me whether it is authentic", without the signatures that DO would bring
// (RFC 6840 5.7). nullopt: the name cannot be asked for.
std::optional<std::string> dns_query(const DnsQuestion& question, std::uint16_t id, Edns edns);

enum class DnsFault {
  kNone,
  kMalformed,  // or the answer to another question
  kFormat      // the server does not understand the query: without EDNS it might (RFC 6891 7)
};

struct DnsReading {
  DnsAnswer answer;  // kTemporary with any fault
  DnsFault fault = DnsFault::kNone;
};

// What the message says to the question. The id is the transport's to compare.
DnsReading read_dns_answer(std::string_view message, const DnsQuestion& question);

// Where an address's names are asked for: "1.2.0.192.in-addr.arpa", "….ip6.arpa" (RFC 1035 3.5, RFC 3596
// 2.5).
std::string reverse_name(const IpAddress& address);

}  // namespace mailstead
