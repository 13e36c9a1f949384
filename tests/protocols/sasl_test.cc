#include "protocols/sasl.h"

#include "tests/catch.h"

namespace mailstead::sasl {

TEST_CASE("base64 is decoded whole and padded or not at all", "[sasl]") {
  CHECK(decode("") == "");
  CHECK(decode("YQ==") == "a");
  CHECK(decode("YWJj") == "abc");
  CHECK(decode("AGEAYg==") == std::string("\0a\0b", 4));
  for (const char* text :
       {"Y", "YQ", "YQ=", "YQ===", "=", "====", "YQ==YQ==", "Y Q=", "YQ==\n", "Y!==", "YW-_"}) {
    INFO(text);
    CHECK_FALSE(decode(text));
  }
}

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
  CHECK(decode(kLoginUserPrompt) == "Username:");
  CHECK(decode(kLoginPasswordPrompt) == "Password:");
}

TEST_CASE("an exchange ends in a name and a password, or in what is wrong with it", "[sasl]") {
  using enum Exchange::Step;
  CHECK_FALSE(Exchange::of("CRAM-MD5"));
  CHECK_FALSE(Exchange::of(""));
  auto plain = Exchange::of("plain");
  REQUIRE(plain);
  CHECK(plain->begin("") == kChallenge);
  CHECK(plain->challenge().empty());
  CHECK(plain->respond("AHUAcA==") == kCredentials);
  CHECK(plain->user() == "u");
  CHECK(plain->password() == "p");
  auto login = Exchange::of("LOGIN");
  REQUIRE(login);
  CHECK(login->begin("dQ==") == kChallenge);
  CHECK(login->challenge() == kLoginPasswordPrompt);
  CHECK(login->respond("cA==") == kCredentials);
  CHECK(login->user() == "u");
  CHECK(login->password() == "p");
  CHECK(Exchange::of("PLAIN")->begin("=") == kMalformed);
  CHECK(Exchange::of("PLAIN")->begin("dQ=") == kUndecodable);
  CHECK(Exchange::of("PLAIN")->begin("eAB1AHA=") == kNotForOthers);
  CHECK(Exchange::of("PLAIN")->begin("VQB1AHA=") == kCredentials);  // "U" and "u" are one
  CHECK(Exchange::of("LOGIN")->begin("=") == kMalformed);
  CHECK(Exchange::of("LOGIN")->begin("dQB1") == kMalformed);
}

}  // namespace mailstead::sasl
