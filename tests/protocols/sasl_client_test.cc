#include "protocols/auth/sasl_client.h"

#include <fmt/format.h>

#include <string>

#include "protocols/auth/scram.h"
#include "protocols/base64.h"
#include "tests/catch.h"

namespace mailstead::test {
namespace {

using sasl::ClientExchange;
using sasl::Mechanism;

// What a SCRAM exchange says to this first message of a server.
std::string answer_to(const std::string& server_first) {
  ClientExchange exchange(Mechanism::kScram, "user", "pencil", "abc");
  REQUIRE(exchange.initial_response().has_value());
  const auto response = exchange.respond(base64::encode(server_first));
  return response ? *response : exchange.why();
}

}  // namespace

TEST_CASE("our client and our server agree in each mechanism", "[smtp-client][sasl]") {
  for (const Mechanism mechanism : {Mechanism::kPlain, Mechanism::kLogin}) {
    ClientExchange client(mechanism, "user", "pass word", "");
    sasl::Exchange server(mechanism, {true, false, nullptr});
    auto step = server.begin(client.initial_response().value_or(""));
    while (step == sasl::Exchange::Step::kChallenge) {
      const auto response = client.respond(server.challenge());
      REQUIRE(response.has_value());
      step = server.respond(*response);
    }
    REQUIRE(step == sasl::Exchange::Step::kCredentials);
    CHECK(server.user() == "user");
    CHECK(server.password() == "pass word");
    CHECK(client.may_trust("OK"));
  }
}

TEST_CASE("our client and our server agree in SCRAM, with names that have to be written in another way",
          "[smtp-client][sasl]") {
  ClientExchange client(Mechanism::kScram, "a=b,c", "pencil", "abc");
  sasl::Exchange server(Mechanism::kScram, {true, true, nullptr});
  REQUIRE(server.begin(*client.initial_response()) == sasl::Exchange::Step::kScramChallenge);
  CHECK(server.user() == "a=b,c");
  REQUIRE(server.begin_scram({"salt", 4096, "def"}) == sasl::Exchange::Step::kChallenge);
  REQUIRE(server.respond(*client.respond(server.challenge())) == sasl::Exchange::Step::kScramProof);
  const auto signature = scram::check(server.scram_proof(), scram::derive_keys("pencil", "salt"));
  REQUIRE(signature.has_value());
  CHECK_FALSE(client.may_trust("OK"));
}

TEST_CASE("a server of SCRAM that cheats is not told the proof", "[smtp-client][sasl]") {
  CHECK(answer_to("r=abcdef,s=c2FsdA==,i=4096").size() > 60);
  CHECK(answer_to("r=abcdef,s=c2FsdA==,i=4096,x=y").size() > 60);
  CHECK(answer_to("r=abc,s=c2FsdA==,i=4096") == "the server's nonce does not begin with ours");
  CHECK(answer_to("r=abdef,s=c2FsdA==,i=4096") == "the server's nonce does not begin with ours");
  for (const char* count : {"0", "1", "4095", "200001", "4294967296"}) {
    CHECK(answer_to(fmt::format("r=abcdef,s=c2FsdA==,i={}", count)) ==
          "the server wants too few or too many iterations");
  }
  for (const char* message :
       {"", "m=x,r=abcdef,s=c2FsdA==,i=4096", "r=abcdef,s=,i=4096", "r=abcdef,s=!,i=4096",
        "r=abcdef,s=c2FsdA==", "r=abcdef,s=c2FsdA==,i=x", "r=abcdef,s=c2FsdA==,i=99999999999999999999999"}) {
    CHECK(answer_to(message) == "the server's first message is not one of SCRAM");
  }
}

TEST_CASE("a name or password that a mechanism cannot carry is not tried", "[smtp-client][sasl]") {
  CHECK(ClientExchange(Mechanism::kPlain, "user", "pencil", "").obstacle().empty());
  CHECK_FALSE(ClientExchange(Mechanism::kPlain, "", "pencil", "").obstacle().empty());
  CHECK_FALSE(ClientExchange(Mechanism::kPlain, "user", "", "").obstacle().empty());
  CHECK_FALSE(ClientExchange(Mechanism::kPlain, std::string("a\0b", 3), "pencil", "").obstacle().empty());
  CHECK_FALSE(ClientExchange(Mechanism::kPlain, "user", std::string(20000, 'a'), "").obstacle().empty());
}

TEST_CASE("a challenge that is no base64 ends the exchange", "[smtp-client][sasl]") {
  ClientExchange exchange(Mechanism::kScram, "user", "pencil", "abc");
  REQUIRE(exchange.initial_response().has_value());
  CHECK_FALSE(exchange.respond("!").has_value());
  CHECK(exchange.why() == "the server's challenge is not base64");
  CHECK_FALSE(exchange.may_trust("OK"));
}

}  // namespace mailstead::test
