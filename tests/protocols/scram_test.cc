#include "protocols/auth/scram.h"

#include <string>

#include "protocols/base64.h"
#include "tests/catch.h"

namespace mailstead::scram {
namespace {

using enum Exchange::Step;

// RFC 7677 3.
const std::string kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const Challenge kChallenge{base64::decode("W22ZaJ0SNY7soEsUEjb6gQ==").value(), 4096,
                           "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"};
const std::string kNonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string kServerFirst = "r=" + kNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const std::string kProof = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const std::string kClientFinal = "c=biws,r=" + kNonce + kProof;

Exchange plain_exchange() {
  return {Binding::kNone, nullptr};
}

std::shared_ptr<const ChannelBindings> bindings() {
  return std::make_shared<const ChannelBindings>(ChannelBindings{"exported", "", "hash"});
}

// How the exchange takes a last message after an ordinary first one.
Exchange::Step final_step(const std::string& message) {
  Exchange exchange = plain_exchange();
  REQUIRE(exchange.take_client_first(kClientFirst) == kOk);
  exchange.server_first(kChallenge);
  return exchange.take_client_final(message);
}

}  // namespace

TEST_CASE("the example of RFC 7677 goes through", "[scram]") {
  Exchange exchange = plain_exchange();
  REQUIRE(exchange.take_client_first(kClientFirst) == kOk);
  CHECK(exchange.user() == "user");
  CHECK(exchange.server_first(kChallenge) == kServerFirst);
  REQUIRE(exchange.take_client_final(kClientFinal) == kOk);
  const auto signature = check(exchange.proof(), derive_keys("pencil", kChallenge.salt));
  REQUIRE(signature);
  CHECK(Exchange::server_final(*signature) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST_CASE("a proof is good for its password, salt and count only", "[scram]") {
  Exchange exchange = plain_exchange();
  REQUIRE(exchange.take_client_first(kClientFirst) == kOk);
  exchange.server_first(kChallenge);
  REQUIRE(exchange.take_client_final(kClientFinal) == kOk);
  CHECK_FALSE(check(exchange.proof(), derive_keys("Pencil", kChallenge.salt)));
  CHECK_FALSE(check(exchange.proof(), derive_keys("pencil", "another salt")));
  CHECK_FALSE(check(exchange.proof(), derive_keys("pencil", kChallenge.salt, 4097)));
  CHECK_FALSE(check(exchange.proof(), Keys{}));
  CHECK(same_keys(derive_keys("pencil", kChallenge.salt), derive_keys("pencil", kChallenge.salt)));
  CHECK_FALSE(same_keys(derive_keys("pencil", kChallenge.salt), derive_keys("pencil", "another salt")));
}

TEST_CASE("a proof of another exchange is worth nothing", "[scram]") {
  Exchange exchange = plain_exchange();
  REQUIRE(exchange.take_client_first(kClientFirst) == kOk);
  Challenge later = kChallenge;
  later.nonce = "another";
  exchange.server_first(later);
  CHECK(exchange.take_client_final(kClientFinal) == kMalformed);
  const std::string nonce = "rOprNGfwEbeRWgbNEkqOanother";
  REQUIRE(exchange.take_client_final("c=biws,r=" + nonce + kProof) == kOk);
  CHECK_FALSE(check(exchange.proof(), derive_keys("pencil", kChallenge.salt)));
}

TEST_CASE("a first message has its attributes in order", "[scram]") {
  for (const char* message : {"",
                              "n",
                              "n,",
                              "n,,",
                              "n,,n=user",
                              "n,,n=user,",
                              "n,,n=user,r=",
                              "n,,n=,r=x",
                              "n,,r=x,n=user",
                              "n,,m=ext,n=user,r=x",
                              ",,n=user,r=x",
                              "x,,n=user,r=x",
                              "n,b=user,n=user,r=x",
                              "n,a=,r=x",
                              "n,,n=us=er,r=x",
                              "n,,n=user=2,r=x",
                              "n,,n=user=2c,r=x",
                              "n,,n=user,r=a b",
                              "n,,n=user,r=\x7f",
                              "p=,,n=user,r=x",
                              "p=tls-exporter,,n=user,r=x",
                              "n=,,n=user,r=x"}) {
    INFO(message);
    CHECK(plain_exchange().take_client_first(message) == kMalformed);
  }
  CHECK(plain_exchange().take_client_first(std::string("n,,n=us\0er,r=x", 14)) == kMalformed);
  Exchange exchange = plain_exchange();
  CHECK(exchange.take_client_first("y,,n=a=2Cb=3Dc,r=x,ext=1") == kOk);
  CHECK(exchange.user() == "a,b=c");
}

TEST_CASE("nobody acts for somebody else", "[scram]") {
  CHECK(plain_exchange().take_client_first("n,a=USER,n=user,r=x") == kOk);
  CHECK(plain_exchange().take_client_first("n,a=other,n=user,r=x") == kNotForOthers);
  CHECK(plain_exchange().take_client_first("n,a==2,n=user,r=x") == kMalformed);
}

TEST_CASE("names are prepared before they are compared", "[scram]") {
  Exchange exchange = plain_exchange();
  CHECK(exchange.take_client_first("n,a=user,n=\uFF55s\u00ADer,r=x") == kOk);
  CHECK(exchange.user() == "user");
  CHECK(plain_exchange().take_client_first("n,a=\uFF35ser,n=user,r=x") == kOk);
  CHECK(plain_exchange().take_client_first("n,a=us\u00E9r,n=use\u0301r,r=x") == kOk);
  for (const char* name : {"us\x07\x65r", "user\xff", "\u00AD", "\u0627\u0031"}) {
    INFO(name);
    CHECK(plain_exchange().take_client_first("n,,n=" + std::string(name) + ",r=x") == kMalformed);
    CHECK(plain_exchange().take_client_first("n,a=" + std::string(name) + ",n=user,r=x") == kMalformed);
  }
  // What the proof is made over is what the client has said.
  exchange.server_first({"salt", 4096, "y"});
  REQUIRE(exchange.take_client_final("c=" + base64::encode("n,a=user,") + ",r=xy" + kProof) == kOk);
  CHECK(exchange.proof().auth_message.starts_with("n=\uFF55s\u00ADer,r=x,"));
}

TEST_CASE("a last message has to fit the first", "[scram]") {
  CHECK(final_step(kClientFinal) == kOk);
  for (const std::string& message : {
           std::string(),
           std::string("c=biws"),
           std::string(",") + kProof,
           "c=eSws,r=" + kNonce + kProof,  // another header
           "c=,r=" + kNonce + kProof,
           "c=biws,r=rOprNGfwEbeRWgbNEkqO" + kProof,  // only the client's part
           "c=biws,r=" + kNonce + "x" + kProof,
           "r=" + kNonce + ",c=biws" + kProof,
           "c=biws,r=" + kNonce,
           "c=biws,r=" + kNonce + ",p=",
           "c=biws,r=" + kNonce + ",p=dHzb",
           "c=biws,r=" + kNonce + kProof + "==",
           "c=biws,r=" + kNonce + kProof + ",x=y",
       }) {
    INFO(message);
    CHECK(final_step(message) == kMalformed);
  }
}

TEST_CASE("-PLUS wants the binding that this connection has", "[scram]") {
  const auto first = [](const std::string& flag, Binding binding) {
    Exchange exchange(binding, bindings());
    return exchange.take_client_first(flag + ",,n=user,r=x");
  };
  CHECK(first("p=tls-exporter", Binding::kRequired) == kOk);
  CHECK(first("p=tls-server-end-point", Binding::kRequired) == kOk);
  CHECK(first("p=tls-unique", Binding::kRequired) == kMalformed);  // TLS 1.3 has none
  CHECK(first("p=tls-unique-for-telnet", Binding::kRequired) == kMalformed);
  CHECK(first("p=TLS-EXPORTER", Binding::kRequired) == kMalformed);
  CHECK(first("n", Binding::kRequired) == kMalformed);
  CHECK(first("y", Binding::kRequired) == kMalformed);
  CHECK(first("p=tls-exporter", Binding::kNone) == kMalformed);
  CHECK(first("n", Binding::kNone) == kOk);
  // The client has not seen that -PLUS is offered: somebody has taken it out of the list.
  CHECK(first("y", Binding::kNone) == kMalformed);
}

TEST_CASE("a proof bound to another connection is refused", "[scram]") {
  const auto final_of = [](const std::string& bound) {
    Exchange exchange(Binding::kRequired, bindings());
    REQUIRE(exchange.take_client_first("p=tls-exporter,,n=user,r=x") == kOk);
    exchange.server_first({"salt", 4096, "y"});
    return exchange.take_client_final("c=" + base64::encode(bound) + ",r=xy" + kProof);
  };
  CHECK(final_of("p=tls-exporter,,exported") == kOk);
  CHECK(final_of("p=tls-exporter,,exporteD") == kMalformed);
  CHECK(final_of("p=tls-exporter,,") == kMalformed);
  CHECK(final_of("p=tls-server-end-point,,hash") == kMalformed);
}

}  // namespace mailstead::scram
