// DNS messages (RFC 1035): a question as it is sent, and what an answer says.
//
// An answer is input from anybody: names are bounded, compression can only point backwards, counts are not
// believed. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/ip_address.h"

namespace mailstead::dns {

enum class Type : std::uint16_t {
  kA = 1,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kTlsa = 52
};

struct Record {
  Type type = Type::kA;
  std::uint32_t ttl = 0;         // seconds
  IpAddress address;             // of A and AAAA
  std::uint16_t preference = 0;  // of MX; the priority of SRV (RFC 2782)
  std::uint16_t weight = 0;      // of SRV, as the next
  std::uint16_t port = 0;
  // Of MX, CNAME, PTR and SRV: lower case, without the dot at the end; empty: the root. Of TXT its strings
  // together. Of TLSA (RFC 6698 2.1) all octets: usage, selector, matching type, and the rest is data.
  std::string text;
};

enum class Verdict {
  kFound,      // at least one record
  kNoRecords,  // the name exists, but has none of this type
  kNoName,     // NXDOMAIN
  kFailed,     // SERVFAIL, REFUSED, nonsense: another time, or another server
};

struct Answer {
  Verdict verdict = Verdict::kFailed;
  std::vector<Record> records;  // of the type asked for, in the order they came
  std::string name;             // what the name asked for led to by CNAMEs; the same without
  std::uint32_t ttl = 0;        // seconds; the least of all, or how long there is nothing (RFC 2308)
  bool authenticated = false;   // the resolver says that it has validated it (RFC 4035 3.2.3)
};

// Octets of a name as it is written, with the dots between its labels (RFC 1035 2.3.4: 255 on the wire, of
// which the first label's length and the root are two).
inline constexpr std::size_t kMaxText = 253;

// May a question be of this name, and an answer to it be read? Labels of 1 to 63 printable characters of
// ASCII, blanks among them; at most kMaxText octets.
bool is_name(std::string_view name);

// Is it this domain, or below it? In any letter case.
bool is_within(std::string_view name, std::string_view domain);

// `name` in ASCII, without a dot at the end. nullopt: not a name. Its id is 0: whoever sends it gives one.
std::optional<std::string> question(std::string_view name, Type type);

// Of an answer to that question; CNAMEs in it are followed.
Answer read_answer(std::string_view message, std::string_view name, Type type);

}  // namespace mailstead::dns
