// What a server has counted since its start. A plain value: the reactor counts, and copies it for who asks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace mailstead {

struct Counters {
  std::uint64_t accepted = 0;    // messages
  std::uint64_t retrieved = 0;   // messages sent whole by RETR
  std::uint64_t expired = 0;     // messages deleted because their time was over
  std::uint64_t read_ahead = 0;  // octets in memory, of all sessions: messages that were not asked for yet

  std::map<std::string, std::uint64_t> accepted_by;         // messages, by service
  std::uint64_t accepted_octets = 0;                        // of messages
  std::uint64_t retrieved_octets = 0;                       // likewise
  std::map<std::string, std::uint64_t> connections;         // that were admitted, by service
  std::map<std::string, std::uint64_t> connections_denied;  // by reason: "ban", …
  std::map<std::string, std::uint64_t>
      connections_hidden;                               // by the gateway's address (server/net/gateways.h)
  std::map<std::string, std::uint64_t> tls_handshakes;  // by version; "failed"
  // By check and result, both words of RFC 8601 or ours.
  std::map<std::pair<std::string, std::string>, std::uint64_t> sender_checks;
  // Refused senders, recipients, messages: by class and reason (refusal_reason.h).
  std::map<std::pair<std::string, std::string>, std::uint64_t> refused_because;

  std::uint64_t refused() const {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : refused_because) sum += count;
    return sum;
  }
};

}  // namespace mailstead
