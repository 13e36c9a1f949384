// Mail that this server refused. A plain value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mailstead {

struct RefusedMail {
  std::int64_t serial = 0;  // larger than those of earlier ones
  std::int64_t at = 0;      // Unix seconds
  std::string service;      // "smtp"
  std::string peer;         // the client's address
  std::string helo;         // what it called itself
  std::string user;         // who had logged in; may be empty
  std::string command;      // "RCPT": this recipient; "MAIL": this sender; else the message
  // As they were said, which need not be addresses.
  std::string from;
  std::vector<std::string> to;
  std::string message_id;  // of its header, without angle brackets; empty: not known
  std::string reply;       // "550 5.1.1 ..."
};

// What changed in a list of it since the last time.
struct RefusedMailChanges {
  std::vector<RefusedMail> added;
  std::vector<std::int64_t> removed;  // serials
};

}  // namespace mailstead
