#include "protocols/auth/sasl.h"

#include "protocols/base64.h"
#include "tests/catch.h"

namespace mailstead::sasl {

TEST_CASE("PLAIN is three fields between two NULs", "[sasl]") {
  using namespace std::string_view_literals;
  const auto plain = parse_plain("z\0user\0pass word"sv);
  REQUIRE(plain);
  CHECK(plain->authzid == "z");
  CHECK(plain->authcid == "user");
  CHECK(plain->password == "pass word");
  CHECK(parse_plain("\0u\0p"sv));
  for (const auto message :
       {""sv, "u"sv, "\0u"sv, "\0u\0"sv, "\0\0p"sv, "\0u\0p\0"sv, "\0u\0p\0q"sv, "\0\0"sv}) {
    CHECK_FALSE(parse_plain(message));
  }
}

TEST_CASE("the prompts of LOGIN are its words", "[sasl]") {
  CHECK(base64::decode(kLoginUserPrompt) == "Username:");
  CHECK(base64::decode(kLoginPasswordPrompt) == "Password:");
}

namespace {

const Offer kPasswords{true, false, nullptr};

Exchange exchange(Mechanism mechanism) {
  return {mechanism, kPasswords};
}

}  // namespace

TEST_CASE("a mechanism is found by its name", "[sasl]") {
  CHECK(find_mechanism("plain") == Mechanism::kPlain);
  CHECK(find_mechanism("SCRAM-SHA-256-plus") == Mechanism::kScramPlus);
  for (const char* name : {"", "CRAM-MD5", "SCRAM-SHA-1", "PLAINER", "SCRAM-SHA-256-"})
    CHECK_FALSE(find_mechanism(name));
}

TEST_CASE("a password is said over TLS, or where the configuration lets it", "[sasl]") {
  PeerFacts peer;
  CHECK_FALSE(offer_to(peer, PlaintextAuth::kLoopback, Scram::kAbsent).passwords);
  CHECK_FALSE(offer_to(peer, PlaintextAuth::kNever, Scram::kAbsent).passwords);
  CHECK(offer_to(peer, PlaintextAuth::kAlways, Scram::kAbsent).passwords);
  peer.loopback = true;
  CHECK(offer_to(peer, PlaintextAuth::kLoopback, Scram::kAbsent).passwords);
  CHECK_FALSE(offer_to(peer, PlaintextAuth::kNever, Scram::kAbsent).passwords);
  peer.loopback = false;
  peer.tls = true;
  CHECK(offer_to(peer, PlaintextAuth::kNever, Scram::kAbsent).passwords);
}

TEST_CASE("what is offered is what works here", "[sasl]") {
  PeerFacts peer;
  CHECK(offer_to(peer, PlaintextAuth::kNever, Scram::kAbsent).names().empty());
  CHECK(offer_to(peer, PlaintextAuth::kNever, Scram::kAvailable).names() == "SCRAM-SHA-256");
  CHECK(offer_to(peer, PlaintextAuth::kAlways, Scram::kAvailable).names() == "PLAIN LOGIN SCRAM-SHA-256");
  peer.tls = true;
  peer.bindings = std::make_shared<const ChannelBindings>(ChannelBindings{"exporter", "", ""});
  CHECK(offer_to(peer, PlaintextAuth::kNever, Scram::kAbsent).names() == "PLAIN LOGIN");
  const Offer all = offer_to(peer, PlaintextAuth::kNever, Scram::kAvailable);
  CHECK(all.names() == "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
  CHECK(all.has(Mechanism::kScramPlus));
}

TEST_CASE("an exchange ends in a name and a password, or in what is wrong with it", "[sasl]") {
  using enum Exchange::Step;
  Exchange plain = exchange(Mechanism::kPlain);
  CHECK(plain.begin("") == kChallenge);
  CHECK(plain.challenge().empty());
  CHECK(plain.respond("AHUAcA==") == kCredentials);
  CHECK(plain.user() == "u");
  CHECK(plain.password() == "p");
  Exchange login = exchange(Mechanism::kLogin);
  CHECK(login.begin("dQ==") == kChallenge);
  CHECK(login.challenge() == kLoginPasswordPrompt);
  CHECK(login.respond("cA==") == kCredentials);
  CHECK(login.user() == "u");
  CHECK(login.password() == "p");
  CHECK(exchange(Mechanism::kPlain).begin("=") == kMalformed);
  CHECK(exchange(Mechanism::kPlain).begin("dQ=") == kUndecodable);
  CHECK(exchange(Mechanism::kPlain).begin("eAB1AHA=") == kNotForOthers);
  CHECK(exchange(Mechanism::kPlain).begin("VQB1AHA=") == kCredentials);  // "U" and "u" are one
  const auto acting = [](const std::string& authzid) {
    return exchange(Mechanism::kPlain)
        .begin(base64::encode(authzid + std::string(1, '\0') + "u\u00E9" + std::string(1, '\0') + "p"));
  };
  CHECK(acting("ue\u0301") == kCredentials);  // RFC 4616 2: one name in two forms
  CHECK(acting("ue") == kNotForOthers);
  CHECK(exchange(Mechanism::kLogin).begin("=") == kMalformed);
  CHECK(exchange(Mechanism::kLogin).begin("dQB1") == kMalformed);
}

}  // namespace mailstead::sasl
