// What a server offers in its reply to EHLO (RFC 5321 4.1.1.1), as its client sees it.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocols/reply_reader.h"

namespace mailstead {

struct ServerExtensions {
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool chunking = false;
  bool dsn = false;
  bool starttls = false;
  bool require_tls = false;
  bool size = false;
  std::optional<std::uint64_t> max_size;          // octets; nullopt: not told, or any
  std::optional<std::uint64_t> max_recipients;    // of one transaction, RFC 9422
  std::optional<std::uint64_t> max_transactions;  // of one connection
  std::vector<std::string> auth;                  // mechanisms, capital letters

  bool offers_auth(std::string_view mechanism) const;
};

ServerExtensions read_extensions(const ServerReply& reply);

}  // namespace mailstead
