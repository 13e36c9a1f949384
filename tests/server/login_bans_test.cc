// How logins lead to bans, and what a ban keeps out.
#include "login_fixture.h"

using namespace mailstead;
using namespace mailstead::login_test;

TEST_CASE("who guesses on is banned, whatever he guesses with, until a time", "[login][ban]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone, PasswordScope::kReadAndSend, ApopUse::kYes);
  constexpr const char* kGuesser = "192.0.2.1";
  CHECK(fixture.ask(kAnna, "one", kGuesser) == "wrong");
  CHECK(fixture.ask(kAnna, "one", kGuesser) == "wrong");  // the same again is no other guess
  CHECK(fixture.answer_to(fixture.check_proof(kAnna, kApopProof, LoginPurpose::kRead, kGuesser)) == "wrong");
  CHECK(fixture.answer_to(fixture.check_proof("bert@example.org", scram_proof(fixture.login(), kAnna, "two"),
                                              LoginPurpose::kSend, kGuesser)) == "wrong");
  CHECK(fixture.bans().bans().empty());
  CHECK(fixture.ask("nobody@example.org", "one", kGuesser) == "wrong");
  REQUIRE(fixture.bans().bans().size() == 1);
  CHECK(fixture.bans().bans()[0].network == kGuesser);
  CHECK(fixture.bans().bans()[0].wrong_logins == 4);
  CHECK(fixture.ask(kAnna, "right", kGuesser) == "banned");
  CHECK(fixture.ask(kAnna, "right", "192.0.2.2") == "right anna@example.org");
  CHECK(fixture.bans().lift(kGuesser));
  CHECK(fixture.ask(kAnna, "right", kGuesser) == "right anna@example.org");
}

TEST_CASE("who logs in well is not banned for what others behind his address do", "[login][ban]") {
  LoginFixture fixture;
  CHECK(fixture.ask(kAnna, "right", "192.0.2.1") == "right anna@example.org");
  for (const char* guess : {"one", "two", "three", "four"})
    CHECK(fixture.ask(kAnna, guess, "192.0.2.1") == "wrong");
  CHECK(fixture.bans().bans().empty());
}

TEST_CASE("a gateway's next password does not wait", "[login][ban]") {
  LoginFixture fixture;
  fixture.check(kAnna, "wrong", "198.51.100.1");
  fixture.check(kAnna, "wrong, too", "198.51.100.1");  // two are in work at a time
  const auto right = fixture.check(kAnna, "right", "198.51.100.1");
  CHECK(fixture.answer_to(right) == "right anna@example.org");
  CHECK(fixture.order.front() == right);
}

TEST_CASE("a revoked phone that goes on with SCRAM or APOP is no guesser", "[login][ban]") {
  LoginFixture fixture;
  for (int times = 0; times < 6; ++times) {
    fixture.ask(kAnna, "old", "192.0.2.11");
    fixture.answer_to(fixture.check_proof(kAnna,
                                          ApopProof{"<" + std::to_string(times) + ">", kApopProof.digest},
                                          LoginPurpose::kRead, "192.0.2.12"));
  }
  CHECK(fixture.bans().bans().empty());
}

TEST_CASE("in a ban a remembered password is no way in either", "[login][ban]") {
  LoginFixture fixture;
  CHECK(fixture.ask(kAnna, "right", "192.0.2.2") == "right anna@example.org");  // now remembered
  constexpr const char* kGuesser = "192.0.2.13";
  for (const char* guess : {"one", "two", "three", "four"})
    CHECK(fixture.ask(kAnna, guess, kGuesser) == "wrong");
  CHECK(fixture.ask(kAnna, "right", kGuesser) == "banned");
  CHECK(fixture.bans().bans().size() == 1);
}
