#include "server/policy/login.h"

#include "login_fixture.h"

using namespace mailstead;
using namespace mailstead::login_test;

TEST_CASE("the right password is right, any other is wrong, and so is anybody else", "[login]") {
  LoginFixture fixture;
  CHECK(fixture.ask(kAnna, "right") == "right anna@example.org");
  CHECK(fixture.ask("ANNA@Example.ORG", "right") == "right anna@example.org");
  CHECK(fixture.ask(kAnna, "Right") == "wrong");
  CHECK(fixture.ask(kAnna, "") == "wrong");
  CHECK(fixture.ask("nobody@example.org", "right") == "wrong");
  CHECK(fixture.ask("no address", "right") == "wrong");
  CHECK(fixture.ask("", "") == "wrong");
  CHECK(fixture.login().right() == 2);
  CHECK(fixture.login().wrong() == 5);
}

TEST_CASE("a verified password costs no hash until the credentials change", "[login]") {
  LoginFixture fixture;
  CHECK(fixture.ask(kAnna, "right") == "right anna@example.org");
  fixture.hold();
  CHECK(fixture.ask(kAnna, "right") == "right anna@example.org");
  fixture.release();
  CHECK(fixture.ask(kAnna, "wrong") == "wrong");
  REQUIRE(fixture.store().set_password(address(kAnna), "$x$").has_value());
  CHECK(fixture.ask(kAnna, "right") == "wrong");
  REQUIRE(fixture.store().set_password(address(kAnna), kCheapHash).has_value());
  CHECK(fixture.ask(kAnna, "right") == "right anna@example.org");
  REQUIRE(fixture.store().set_enabled(address(kAnna), false).has_value());
  CHECK(fixture.ask(kAnna, "right") == "wrong");
}

TEST_CASE("after a wrong password its network waits, and nobody else does", "[login]") {
  LoginFixture fixture;
  const std::uint64_t began = fixture.now();
  const auto guess = fixture.check(kAnna, "wrong", "192.0.2.1");
  const auto next = fixture.check(kAnna, "wrong, too", "192.0.2.1");  // two are in work at a time
  const auto third = fixture.check(kAnna, "right", "192.0.2.1");
  const auto other = fixture.check(kAnna, "right", "192.0.2.2");
  CHECK(fixture.answer_to(third) == "right anna@example.org");
  CHECK(fixture.answers[guess] == "wrong");
  CHECK(fixture.answers[next] == "wrong");
  CHECK(fixture.answers[other] == "right anna@example.org");
  CHECK(fixture.order.front() == other);
  CHECK(fixture.answered_at[guess] - began >= 500);
  CHECK(fixture.answered_at[third] - began >= 1'000);  // the delay has doubled
}

TEST_CASE("a /64 is one network", "[login]") {
  LoginFixture fixture;
  const std::uint64_t began = fixture.now();
  fixture.check(kAnna, "wrong", "2001:db8:1:2::1");
  fixture.check(kAnna, "wrong, too", "2001:db8:1:2:ffff::2");
  const auto same = fixture.check(kAnna, "right", "2001:db8:1:2::3");
  const auto other = fixture.check(kAnna, "right", "2001:db8:1:3::3");
  CHECK(fixture.answer_to(same) == "right anna@example.org");
  CHECK(fixture.order.front() == other);
  CHECK(fixture.answered_at[same] - began >= 1'000);
}

TEST_CASE("behind a proxy on this machine nobody waits for another's wrong password", "[login]") {
  LoginFixture fixture;
  const auto wrong = fixture.check(kAnna, "wrong");
  const auto right = fixture.check("bert@example.org", "right");
  CHECK(fixture.answer_to(wrong) == "wrong");
  CHECK(fixture.answers[right] == "right bert@example.org");
  CHECK(fixture.order.front() == right);
}

TEST_CASE("no password is worked on for those who hung up", "[login]") {
  LoginFixture fixture;
  fixture.hold();
  for (int i = 0; i < 200; ++i) fixture.check(kAnna, "guess");
  for (const auto& ticket : fixture.tickets) ticket->abandoned = true;
  const auto anna = fixture.check(kAnna, "right");
  fixture.release();
  CHECK(fixture.answer_to(anna) == "right anna@example.org");
  CHECK(fixture.login().wrong() == 0);
  for (std::size_t i = 0; i < 200; ++i) CHECK(fixture.answers[i].empty());
}

TEST_CASE("more than may wait from one network are refused, and only those", "[login]") {
  LoginFixture fixture;
  fixture.hold();
  for (int i = 0; i < 252; ++i) fixture.check(kAnna, "right", "192.0.2.1");
  const auto refused = fixture.check(kAnna, "right", "192.0.2.1");
  const auto other = fixture.check(kAnna, "right", "192.0.2.2");
  CHECK(fixture.answer_to(refused) == "unavailable");
  fixture.release();
  CHECK(fixture.answer_to(other) == "right anna@example.org");
  for (std::size_t i = 0; i < 252; ++i) CHECK(fixture.answer_to(i) == "right anna@example.org");
}

TEST_CASE("when the server ends, delays end and what waits is refused", "[login]") {
  LoginFixture fixture;
  const auto wrong = fixture.check(kAnna, "wrong", "192.0.2.1");
  const auto also = fixture.check(kAnna, "wrong", "192.0.2.1");
  while (fixture.login().wrong() < 2) fixture.turn();
  const auto waiting = fixture.check(kAnna, "right", "192.0.2.1");
  fixture.login().hurry();
  CHECK(fixture.answer_to(wrong) == "wrong");
  CHECK(fixture.answers[also] == "wrong");
  CHECK(fixture.answer_to(waiting) == "unavailable");
  // Nobody is called once it has stopped.
  const auto last = fixture.check(kAnna, "right", "192.0.2.1");
  fixture.login().stop();
  for (int i = 0; i < 10; ++i) fixture.turn();
  CHECK(fixture.answers[last].empty());
}

TEST_CASE("an app password opens its mailbox, beside the mailbox's own", "[login]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone);
  add_app_password(fixture.store(), "tablet", kTablet);
  for (int times = 0; times < 2; ++times) {  // the second time it is remembered
    CHECK(fixture.ask(kAnna, kPhone) == "right anna@example.org");
    CHECK(fixture.results.back().device == "phone");
    CHECK(fixture.ask(kAnna, kTablet) == "right anna@example.org");
    CHECK(fixture.results.back().device == "tablet");
    CHECK(fixture.results.back().key.app_password != 0);
    CHECK(fixture.ask(kAnna, "right") == "right anna@example.org");
    CHECK(fixture.results.back().device.empty());
    CHECK(fixture.results.back().key.app_password == 0);
  }
  CHECK(fixture.ask("bert@example.org", kPhone) == "wrong");
  CHECK(fixture.ask("nobody@example.org", kPhone) == "wrong");
}

TEST_CASE("a revoked app password opens nothing, at once", "[login]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone);
  CHECK(fixture.ask(kAnna, kPhone) == "right anna@example.org");
  REQUIRE(fixture.store().revoke_app_password(address(kAnna), "phone").has_value());
  CHECK(fixture.ask(kAnna, kPhone) == "wrong");
  // The mailbox's new password is nothing to the tablet.
  add_app_password(fixture.store(), "tablet", kTablet);
  CHECK(fixture.ask(kAnna, kTablet) == "right anna@example.org");
  REQUIRE(fixture.store().set_password(address(kAnna), kCheapHash).has_value());
  CHECK(fixture.ask(kAnna, kTablet) == "right anna@example.org");
}

TEST_CASE("an app password is good for what it is made for", "[login]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone, PasswordScope::kRead);
  add_app_password(fixture.store(), "scanner", kTablet, PasswordScope::kSend);
  const auto ask = [&](const char* password, LoginPurpose purpose) {
    return fixture.answer_to(fixture.check_proof(kAnna, PasswordProof{password}, purpose));
  };
  CHECK(ask(kPhone, LoginPurpose::kRead) == "right anna@example.org");
  CHECK(ask(kPhone, LoginPurpose::kSend) == "wrong");  // also when it is remembered
  CHECK(ask(kTablet, LoginPurpose::kSend) == "right anna@example.org");
  CHECK(ask(kTablet, LoginPurpose::kRead) == "wrong");
  const auto prove = [&](const char* password, LoginPurpose purpose) {
    return fixture.answer_to(
        fixture.check_proof(kAnna, scram_proof(fixture.login(), kAnna, password), purpose));
  };
  CHECK(prove(kPhone, LoginPurpose::kSend) == "wrong");
  CHECK(prove(kPhone, LoginPurpose::kRead) == "right anna@example.org");
}

TEST_CASE("a SCRAM proof of any of the app passwords is right, and answered in kind", "[login]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone);
  add_app_password(fixture.store(), "tablet", kTablet);
  Login& login = fixture.login();
  const auto prove = [&](const std::string& user, const std::string& password) {
    return fixture.answer_to(fixture.check_proof(user, scram_proof(login, user, password)));
  };
  CHECK(prove(kAnna, kTablet) == "right anna@example.org");
  CHECK(fixture.results.back().device == "tablet");
  CHECK(fixture.results.back().signature.size() == 32);
  CHECK(prove(kAnna, kPhone) == "right anna@example.org");
  CHECK(prove(kAnna, "right") == "wrong");  // the mailbox's own password has no keys
  CHECK(fixture.results.back().signature.empty());
  CHECK(prove("bert@example.org", kPhone) == "wrong");
  CHECK(prove("nobody@example.org", kPhone) == "wrong");
  // A proof is good once: another exchange has another nonce.
  CHECK(login.scram_challenge(kAnna).nonce != login.scram_challenge(kAnna).nonce);
  CHECK(login.scram_challenge(kAnna).salt == login.scram_challenge(kAnna).salt);
}

TEST_CASE("an APOP digest is right for app passwords that were made for it", "[login]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "old phone", "tanstaaf", PasswordScope::kRead, ApopUse::kYes);
  const auto prove = [&](const std::string& user, const ApopProof& proof) {
    return fixture.answer_to(fixture.check_proof(user, proof));
  };
  CHECK(prove(kAnna, kApopProof) == "right anna@example.org");
  CHECK(fixture.results.back().device == "old phone");
  CHECK(prove(kAnna, {"<other>", kApopProof.digest}) == "wrong");
  CHECK(prove(kAnna, {kApopProof.timestamp, "c4c9334bac560ecc979e58001b3e22fc"}) == "wrong");
  CHECK(prove("bert@example.org", kApopProof) == "wrong");
  REQUIRE(fixture.store().revoke_app_password(address(kAnna), "old phone").has_value());
  add_app_password(fixture.store(), "new phone", "tanstaaf");
  CHECK(prove(kAnna, kApopProof) == "wrong");
}

TEST_CASE("wrong proofs and digests delay like wrong passwords", "[login]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone, PasswordScope::kRead, ApopUse::kYes);
  const auto begin = fixture.now();
  const auto first = fixture.check_proof(kAnna, kApopProof, LoginPurpose::kRead, "192.0.2.1");
  CHECK(fixture.answer_to(first) == "wrong");
  CHECK(fixture.answered_at[first] - begin >= 500);
  const auto second = fixture.check_proof(kAnna, scram_proof(fixture.login(), kAnna, "guess"),
                                          LoginPurpose::kRead, "192.0.2.1");
  CHECK(fixture.answer_to(second) == "wrong");
  CHECK(fixture.answered_at[second] - fixture.answered_at[first] >= 1000);
}

TEST_CASE("one's own right password gives no more guesses at another's", "[login]") {
  LoginFixture fixture;
  constexpr const char* kInside = "192.0.2.9";
  const auto begin = fixture.now();
  CHECK(fixture.ask("bert@example.org", "guess one", kInside) == "wrong");
  CHECK(fixture.ask(kAnna, "right", kInside) == "right anna@example.org");
  const auto second = fixture.check("bert@example.org", "guess two", kInside);
  CHECK(fixture.answer_to(second) == "wrong");
  CHECK(fixture.answered_at[second] - begin >= 1'500);  // 0.5 s, then 1 s
}

TEST_CASE("the same wrong password again makes nobody wait longer", "[login]") {
  LoginFixture fixture;
  const auto begin = fixture.now();
  for (int times = 0; times < 4; ++times) CHECK(fixture.ask(kAnna, "old", "192.0.2.10") == "wrong");
  CHECK(fixture.answered_at.back() - begin < 7'500);  // what it would be, doubled each time
}

namespace {

// Hashes at the least cost that is read.
constexpr const char* kComposedHash =  // "caf\u00E9", as it is set today
    "$scrypt$ln=4,r=8,p=1$YSBzYWx0IGZvciB0ZXN0cw$Gqvd225OKzy6fJ2HwdO+GarQet/+Jhcawx+cvMsb7ps";
constexpr const char* kDecomposedHash =  // "cafe\u0301", as an older version took it
    "$scrypt$ln=4,r=8,p=1$YSBzYWx0IGZvciB0ZXN0cw$+TlJxF2nCN5lza67PB+Zg8cUcLedyjZtNcyVRRxdJIw";
constexpr const char* kControlHash =  // "caf\u00E9\x07", likewise
    "$scrypt$ln=4,r=8,p=1$YSBzYWx0IGZvciB0ZXN0cw$L/5bpdsN0VjDO1cP2dCpk4ucB2UbNZea7xebeW5D1As";
constexpr const char* kUnassignedHash =  // "\U0001F600e\u0301", likewise
    "$scrypt$ln=4,r=8,p=1$YSBzYWx0IGZvciB0ZXN0cw$pbaeeipih2rkf9ME+brW/zNCUkWVmjmjlRsBX8zK4LI";

}  // namespace

TEST_CASE("a password is right in each Unicode form of it", "[login][saslprep]") {
  LoginFixture fixture;
  REQUIRE(fixture.store().set_password(address(kAnna), kComposedHash).has_value());
  for (const char* password : {"caf\u00E9", "cafe\u0301", "\uFF43\uFF41f\u00ADe\u0301"}) {
    INFO(password);
    CHECK(fixture.ask(kAnna, password) == "right anna@example.org");
    fixture.hold();  // remembered in the form that came
    CHECK(fixture.ask(kAnna, password) == "right anna@example.org");
    fixture.release();
  }
  CHECK(fixture.ask(kAnna, "cafe") == "wrong");
  CHECK(fixture.ask(kAnna, "Caf\u00E9") == "wrong");
  CHECK(fixture.ask(kAnna, "cafe\u0301\xff") == "wrong");
  CHECK(fixture.ask("nobody@example.org", "cafe\u0301") == "wrong");
}

TEST_CASE("a password that was set before passwords were prepared goes on working", "[login][saslprep]") {
  LoginFixture fixture;
  const auto opens = [&](const char* hash, const char* password) {
    REQUIRE(fixture.store().set_password(address(kAnna), hash).has_value());
    return fixture.ask(kAnna, password) == "right anna@example.org";
  };
  CHECK(opens(kDecomposedHash, "cafe\u0301"));
  CHECK_FALSE(opens(kDecomposedHash, "caf\u00E9"));  // as before
  CHECK(opens(kControlHash, "caf\u00E9\x07"));
  CHECK(opens(kUnassignedHash, "\U0001F600e\u0301"));
}

TEST_CASE("an app password is known in letters of full width", "[login][saslprep]") {
  LoginFixture fixture;
  add_app_password(fixture.store(), "phone", kPhone);
  CHECK(fixture.ask(kAnna, "\uFF41" + std::string(kPhone).substr(1)) == "right anna@example.org");
  CHECK(fixture.results.back().device == "phone");
}

TEST_CASE("a name is looked up as it is prepared", "[login][saslprep]") {
  LoginFixture fixture;
  constexpr const char* kFullWidth = "\uFF41nna@example.org";
  CHECK(fixture.ask(kFullWidth, "right") == "right anna@example.org");
  CHECK(fixture.ask("an\u00ADna@example.org", "right") == "right anna@example.org");
  CHECK(fixture.ask("\u00E0nna@example.org", "right") == "wrong");
  CHECK(fixture.ask("anna@example.org\x07", "right") == "wrong");
  CHECK(fixture.ask("anna@example.org\xff", "right") == "wrong");
  CHECK(fixture.ask("\u00AD", "right") == "wrong");
  add_app_password(fixture.store(), "old phone", "tanstaaf", PasswordScope::kRead, ApopUse::kYes);
  CHECK(fixture.answer_to(fixture.check_proof(kFullWidth, kApopProof)) == "right anna@example.org");
}

TEST_CASE("a wrong password in two forms is tried twice and counts once", "[login][saslprep][ban]") {
  LoginFixture fixture;
  constexpr const char* kFrom = "192.0.2.20";
  const auto begin = fixture.now();
  CHECK(fixture.ask(kAnna, "e\u0301 one", kFrom) == "wrong");
  CHECK(fixture.answered_at.back() - begin < 1'000);  // the first delay, not doubled
  CHECK(fixture.ask(kAnna, "e\u0301 one", kFrom) == "wrong");
  CHECK(fixture.ask("\uFF41nna@example.org", "e\u0301 one", kFrom) == "wrong");  // the same guess
  CHECK(fixture.login().wrong() == 3);
  CHECK(fixture.ask(kAnna, "e\u0301 two", kFrom) == "wrong");
  CHECK(fixture.ask(kAnna, "e\u0301 three", kFrom) == "wrong");
  CHECK(fixture.bans().bans().empty());
  CHECK(fixture.ask(kAnna, "e\u0301 four", kFrom) == "wrong");
  REQUIRE(fixture.bans().bans().size() == 1);
  CHECK(fixture.bans().bans()[0].wrong_logins == 4);
}
