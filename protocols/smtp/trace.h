// The trace lines that a message gets on its way in: RFC 5321 4.4 (Received, Return-Path), RFC 3848 and
// 6531 4.3 (the "with" words), and Delivered-To, by which a loop is known. Each ends in CRLF. Pure functions;
// any thread.
#pragma once

#include <optional>
#include <string>

#include "protocols/address.h"
#include "protocols/smtp/envelope.h"

namespace mailstead {

enum class Greeting { kHelo, kEhlo };

struct ReceivedTrace {
  std::string_view protocol = "ESMTP";  // or "LMTP"
  bool smtputf8 = false;
  Greeting greeting = Greeting::kEhlo;
  std::string helo;  // as the client said it, any octets
  PeerFacts peer;
  bool authenticated = false;  // then the client's network address stays out: it is a person's
  std::string host;            // ours
  std::string id;
  std::string date;  // RFC 5322 3.3
  // Only when it is the only one: others must not learn of it (RFC 5321 7.2).
  std::optional<Address> recipient;
};

// Folded before column 78 where it can be (RFC 5322 2.1.1).
std::string received_line(const ReceivedTrace& trace);

// nullopt: the null reverse-path.
std::string return_path_line(const std::optional<Address>& reverse_path);
std::string delivered_to_line(const Address& mailbox);
// "X-Original-To", by which other servers call it, too.
std::string original_to_line(const Address& recipient);

}  // namespace mailstead
