// Mail over many connections at once, as other servers bring it: EHLO, then MAIL, RCPT and DATA in one piece
// where the server says PIPELINING, the message, and the next one when the reply has come.
//
// A connection on which a command was refused, or that the server ended, is left, and another one takes its
// place a moment later.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bench/smtp_mail.h"

namespace mailstead::bench {

struct FloodOrder {
  sockaddr_in server{};
  std::uint32_t connections = 1;
  std::uint64_t messages_each = 0;  // on a connection, then QUIT; 0: as many as there are
  std::uint64_t count = 0;          // messages in all, or 0: as many as begin in `seconds`
  double seconds = 0;
  double pause = 0;             // milliseconds from a reply to the next message
  std::uint32_t greetings = 0;  // so many connections at most wait to be greeted at a time; 0: all of them
  std::uint32_t patience = 60;  // seconds without an answer to any message, after which it gives up
};

struct FloodResult {
  std::uint64_t accepted = 0;     // 250 after the message
  std::uint64_t refused = 0;      // by a command or at its end
  std::uint64_t turned_away = 0;  // connections without a greeting or a 250 to EHLO
  std::uint64_t broken = 0;       // messages without an answer: the connection ended
  std::string first_trouble;      // what was said to the first of the three
  double seconds = 0;             // from the first connection to the last reply to a message
  std::vector<float> latencies;   // milliseconds from the end of a message to its 250
};

FloodResult flood(const FloodOrder& order, const SmtpMail& mail);

}  // namespace mailstead::bench
