// Drives the exchanges of PLAIN, LOGIN and SCRAM with any responses, and looks at what must always hold:
// names and passwords without NUL, challenges that can be read, and an end.
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/ascii.h"
#include "protocols/auth/sasl.h"
#include "protocols/base64.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

using Step = sasl::Exchange::Step;

sasl::Offer offer(Choices& choices) {
  sasl::Offer made;
  made.passwords = made.scram = true;
  if (choices.draw(2) == 1) {
    ChannelBindings bindings;
    bindings.tls_exporter = "exporter";
    if (choices.draw(2) == 1) bindings.tls_server_end_point = "end point";
    made.bindings = std::make_shared<const ChannelBindings>(std::move(bindings));
  }
  return made;
}

bool is_over(Step step) {
  return step == Step::kAccepted || step == Step::kUndecodable || step == Step::kMalformed ||
         step == Step::kNotForOthers || step == Step::kCredentials;
}

// Up to what the client has to answer, or the end.
Step settle(sasl::Exchange& exchange, Step step) {
  if (step == Step::kScramChallenge) {
    require(!exchange.user().empty(), "somebody is asked about");
    step = exchange.begin_scram({"salt", 4096, "nonce"});
  }
  if (step == Step::kScramProof) {
    const scram::Proof& proof = exchange.scram_proof();
    require(proof.auth_message.find("nonce") != std::string::npos, "what is proved holds our nonce");
    step = exchange.accept("signature");
  }
  if (step == Step::kCredentials) {
    require(!exchange.user().empty() && !exchange.password().empty(), "there is a name and a password");
    require(exchange.user().find('\0') == std::string::npos, "a name has no NUL");
    require(exchange.password().find('\0') == std::string::npos, "nor a password");
  }
  if (step == Step::kChallenge) {
    require(base64::decode(exchange.challenge()).has_value(), "a challenge can be read");
    require(exchange.challenge().size() < sasl::kMaxLine, "and is no longer than a line");
  }
  return step;
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using namespace mailstead::fuzz;
  const Input input = split_input(data, size);
  Choices choices(input.choices);
  const auto mechanism = static_cast<sasl::Mechanism>(choices.draw(4));
  const sasl::Offer offered = offer(choices);
  if (!offered.has(mechanism)) return 0;
  const bool initial = choices.draw(2) == 1;
  sasl::Exchange exchange(mechanism, offered);
  std::string_view wire = input.wire;
  const auto line = [&wire] { return ascii::take_until(wire, '\n'); };
  Step step = settle(exchange, exchange.begin(initial ? line() : std::string_view()));
  int turns = 0;
  while (!is_over(step) && !wire.empty()) {
    step = settle(exchange, exchange.respond(line()));
    require(++turns <= 4, "an exchange ends");
  }
  return 0;
}
