// Dialogue files: what a client says, what the server answers, and what came of it. tests/dialogues/README.md
// describes the format.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "protocols/pop3/pop3_session.h"
#include "protocols/smtp/smtp_session.h"
#include "tests/protocols/world.h"

namespace mailstead::test {

enum class Protocol { kSmtp, kPop3 };

// Client bytes and the reply to all of them, or an event and what is said because of it.
struct Turn {
  std::string event;   // "tls", "timeout", "shutdown", "closed", "open"; empty: client bytes
  std::string client;  // bytes
  std::string server;  // bytes
  std::size_t line = 0;
};

// "stored 1": what is checked when all has been said.
struct Outcome {
  std::string what;
  std::string argument;
  std::size_t line = 0;
};

struct Dialogue {
  Protocol protocol = Protocol::kSmtp;
  SmtpOptions smtp;
  Pop3Options pop3;
  PeerFacts peer;
  World world;  // as it is before the session
  bool only_whole = false;
  bool also_at_once = false;
  std::vector<Turn> turns;
  std::vector<Outcome> outcomes;

  std::size_t input_octets() const;
};

// How the client's bytes are cut into packets. A turn's bytes are never joined with the next turn's, but for
// kAtOnce.
struct Cut {
  enum class How { kWhole, kBytes, kSplit, kAtOnce };
  How how = How::kWhole;
  std::size_t position = 0;  // kSplit: octets of the whole dialogue before the cut
};

// Throws std::runtime_error with file and line when the file is not a dialogue.
Dialogue read_dialogue(const std::string& path);

// Empty when all went as written; else what did not.
std::string play(const Dialogue& dialogue, Cut cut);

}  // namespace mailstead::test
