// The envelope of a message (RFC 5321 2.3.1) and the facts of the session that it came by.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocols/address.h"

namespace mailstead {

enum class BodyType { k7Bit, k8BitMime };  // RFC 6152

struct Envelope {
  std::optional<Address> reverse_path;  // nullopt: the null reverse-path <>
  std::vector<Address> recipients;      // as accepted by RCPT, in order, without repeats
  BodyType body = BodyType::k7Bit;
  std::optional<std::uint64_t> declared_size;  // SIZE= of MAIL, octets (RFC 1870)
  bool smtputf8 = false;                       // the client said SMTPUTF8 (RFC 6531)
  bool require_tls = false;                    // it must go over TLS wherever it goes (RFC 8689)
};

// What belongs to one TLS connection and to no other, for SCRAM-SHA-256-PLUS. Octets; empty: there is none.
struct ChannelBindings {
  std::string tls_exporter;          // RFC 9266
  std::string tls_unique;            // RFC 5929 3, before TLS 1.3
  std::string tls_server_end_point;  // RFC 5929 4: the hash of our certificate
};

// What a session has to know about its connection. Filled by the server, never by the client's words.
struct PeerFacts {
  // "192.0.2.1" or "2001:db8::1", without port or zone; empty for a Unix socket
  std::string address;
  bool loopback = false;                            // the address is the machine itself
  bool spoke_first = false;                         // octets were there before anything was said to it
  bool proxy = false;                               // the address is a proxy's, which named no client
  bool tls = false;                                 // the connection is encrypted now
  std::string tls_version;                          // "TLSv1.3", empty without TLS
  std::string tls_cipher;                           // RFC name, empty without TLS
  std::string tls_group;                            // "x25519", of the key exchange; may be empty
  std::shared_ptr<const ChannelBindings> bindings;  // null without TLS
};

}  // namespace mailstead
