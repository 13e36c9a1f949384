// The newest mail that a running server refused: what the commands see of it.
// Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "protocols/address.h"
#include "storage/database/refused_mail.h"

namespace mailstead {

// What doctor says in EHLO when it tries whether this is an open relay. From this machine itself that is no
// mail which somebody will miss: such refusals are neither remembered nor counted.
inline constexpr const char* kRelayTestHelo = "relay-test.example.com";

class RefusalList {
 public:
  virtual ~RefusalList() = default;
  // To or from this address, or handed in by it; the newest first. The case of letters makes no difference.
  virtual std::vector<RefusedMail> about(const Address& address) const = 0;
  // Messages that had this Message-ID, with or without its angle brackets; the newest first.
  virtual std::vector<RefusedMail> of_message(const std::string& message_id) const = 0;
};

}  // namespace mailstead
