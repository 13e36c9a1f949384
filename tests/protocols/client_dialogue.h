// Dialogue files of the client's side: what another server says, what it must hear, and what came of it.
// tests/dialogues/README.md describes the format.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "protocols/smtp/smtp_client_session.h"
#include "tests/protocols/client_world.h"
#include "tests/protocols/dialogue.h"

namespace mailstead::test {

struct ClientDialogue {
  SmtpClientOptions options;
  PeerFacts peer;
  ClientWorld world;  // as it is before the session
  bool only_whole = false;
  bool also_at_once = false;  // never: a client waits for its replies
  std::vector<Turn> turns;    // the server's bytes, and what the client says to all of them
  std::vector<Outcome> outcomes;

  std::size_t input_octets() const;
};

// Throws std::runtime_error with file and line when the file is not a dialogue.
ClientDialogue read_client_dialogue(const std::string& path);

// Empty when all went as written; else what did not.
std::string play(const ClientDialogue& dialogue, Cut cut);

}  // namespace mailstead::test
