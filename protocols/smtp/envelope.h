// The envelope of a message (RFC 5321 2.3.1) and the facts of the session that it came by.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocols/address.h"

namespace mailstead {

enum class BodyType { k7Bit, k8BitMime };  // RFC 6152

// What a sender wants to be told of a recipient (NOTIFY, RFC 3461 4.1); nothing of it: NEVER.
struct Notify {
  bool success = false;
  bool failure = false;
  bool delay = false;
};

struct Recipient {
  Recipient(Address forward_path) : address(std::move(forward_path)) {}

  Address address;
  std::optional<Notify> notify;  // nullopt: not said, which is failure, and delay if the server thinks so
  std::string original;          // ORCPT, "rfc822;Bob@example.org" with its xtext decoded; empty: not said
};

// How much of a message goes back in a report of its failure (RET, RFC 3461 4.3).
enum class ReturnedContent { kNotSaid, kFull, kHeaders };

// By when it is to be delivered, and what is to be done otherwise (RFC 2852).
struct DeliverBy {
  std::int64_t at = 0;   // Unix seconds
  bool returns = false;  // it is given up then (R); else its sender is told that it is late (N)
  bool traced = false;   // its sender is told of each host that passes it on (T)
};

struct Envelope {
  std::optional<Address> reverse_path;  // nullopt: the null reverse-path <>
  std::vector<Recipient> recipients;    // as accepted by RCPT, in order, without repeats
  BodyType body = BodyType::k7Bit;
  std::optional<std::uint64_t> declared_size;  // SIZE= of MAIL, octets (RFC 1870)
  bool smtputf8 = false;                       // the client said SMTPUTF8 (RFC 6531)
  bool require_tls = false;                    // it must go over TLS wherever it goes (RFC 8689)
  std::string envelope_id;                     // ENVID, its xtext decoded (RFC 3461 4.4); empty: not said
  ReturnedContent returned = ReturnedContent::kNotSaid;
  std::int64_t hold_until = 0;  // nobody gets it before, Unix seconds (RFC 4865); 0: at once
  std::optional<DeliverBy> deliver_by;
  std::optional<int> priority;  // from -9 to 9, larger goes first (RFC 6710); nullopt: not said, which is 0
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
  bool loopback = false;     // the address is the machine itself
  bool spoke_first = false;  // octets were there before anything was said to it
  bool proxy = false;        // the address is a proxy's, which named no client
  bool hidden = false;       // the address is a gateway's, say: anybody may be behind it
  bool own = false;          // the address is the machine's own, and not loopback's
  bool tls = false;          // the connection is encrypted now
  // Of a server that we send to: it is who should have the mail, as RFC 8689 4.2.1 wants that shown.
  bool identified = false;
  std::string tls_version;                          // "TLSv1.3", empty without TLS
  std::string tls_cipher;                           // RFC name, empty without TLS
  std::string tls_group;                            // "x25519", of the key exchange; may be empty
  std::shared_ptr<const ChannelBindings> bindings;  // null without TLS
};

}  // namespace mailstead
