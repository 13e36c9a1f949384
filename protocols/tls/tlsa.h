// What DANE says of a server's certificate: TLSA records (RFC 6698) as mail uses them (RFC 7672).
//
// Plain values, pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/dns_message.h"

namespace mailstead {

struct Tlsa {
  enum class Usage : std::uint8_t { kTrustAnchor = 2, kEndEntity = 3 };
  enum class Selector : std::uint8_t { kCertificate = 0, kPublicKey = 1 };
  enum class Matching : std::uint8_t { kExact = 0, kSha256 = 1, kSha512 = 2 };

  Usage usage = Usage::kEndEntity;
  Selector selector = Selector::kCertificate;
  Matching matching = Matching::kExact;
  std::string data;  // DER, or its hash

  bool operator==(const Tlsa&) const = default;
};

// Those that mail servers can be known by (RFC 7672 3.1): PKIX's usages 0 and 1, what nobody knows, and what
// cannot match are left out. None may be left of some: then TLS is wanted, whoever answers (2.2).
std::vector<Tlsa> usable_tlsa(std::span<const dns::Record> records);

// Is it this one? `certificate`, `public_key`: DER, of the certificate and of its SubjectPublicKeyInfo.
bool matches(const Tlsa& record, std::string_view certificate, std::string_view public_key);

// "3 1 1 0123…", for a report.
std::string text_of(const dns::Record& tlsa);

// "_25._tcp.mx.example.net"
std::string tlsa_name(std::string_view host, std::uint16_t port);

}  // namespace mailstead
