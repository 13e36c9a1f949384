#include "server/login.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/storage/support.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

// "right", at the least cost that is read.
constexpr const char* kCheapHash =
    "$scrypt$ln=4,r=8,p=1$YSBzYWx0IGZvciB0ZXN0cw$ve6Tzn3VvsM22OBO1k3VyJeAJYJ5hUifqv1vxVwvL1o";

// The loop with all that a login needs, and a hashing thread that can be held up.
class LoginFixture {
 public:
  LoginFixture() : store_(store_with(scratch_.data(), {kAnna, "bert@example.org"})) {
    for (const char* mailbox : {kAnna, "bert@example.org"})
      REQUIRE(store_->set_password(address(mailbox), kCheapHash).has_value());
    uv_loop_init(&loop_);
    storage_ = std::make_unique<StorageThread>(&loop_, *store_, [](const std::string&) {});
    hashing_ = std::make_unique<WorkQueue>(&loop_, 1, 1'000);
    login_ = std::make_unique<Login>(&loop_, *storage_, *hashing_, bans_, log_);
  }

  ~LoginFixture() {
    release();
    login_->stop();
    hashing_->stop(WorkQueue::Waiting::kDrop, [this] { storage_->stop([] {}); });
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  // What `check` ends in goes to answers[its number]; the number is returned.
  std::size_t check(const std::string& user, const std::string& password,
                    const std::string& from = "127.0.0.1") {
    return check_proof(user, PasswordProof{password}, LoginPurpose::kRead, from);
  }

  std::size_t check_proof(const std::string& user, LoginProof proof,
                          LoginPurpose purpose = LoginPurpose::kRead, const std::string& from = "127.0.0.1") {
    const std::size_t number = answers.size();
    answers.push_back("");
    answered_at.push_back(0);
    PeerFacts peer;
    peer.address = from;
    peer.loopback = from == "127.0.0.1";
    LoginRequest request{user, std::move(proof), purpose, peer, "pop3"};
    tickets.push_back(login_->check(std::move(request), [this, number](const LoginResult& result) {
      results.resize(answers.size());
      results[number] = result;
      order.push_back(number);
      answered_at[number] = uv_now(&loop_);
      answers[number] = result.outcome == LoginOutcome::kRight    ? "right " + result.address
                        : result.outcome == LoginOutcome::kWrong  ? "wrong"
                        : result.outcome == LoginOutcome::kBanned ? "banned"
                                                                  : "unavailable";
    }));
    return number;
  }

  std::string answer_to(std::size_t number) {
    while (answers[number].empty()) uv_run(&loop_, UV_RUN_ONCE);
    return answers[number];
  }

  std::string ask(const std::string& user, const std::string& password,
                  const std::string& from = "127.0.0.1") {
    return answer_to(check(user, password, from));
  }

  // From now on no password is hashed, until release().
  void hold() {
    held_ = true;
    REQUIRE(hashing_->post(
        [this] {
          while (held_) std::this_thread::yield();
        },
        [] {}));
  }
  void release() { held_ = false; }

  Store& store() { return *store_; }
  Login& login() { return *login_; }
  Bans& bans() { return bans_; }
  void turn() { uv_run(&loop_, UV_RUN_NOWAIT); }
  std::uint64_t now() {
    uv_update_time(&loop_);
    return uv_now(&loop_);
  }

  std::vector<std::string> answers;
  std::vector<LoginResult> results;
  std::vector<std::uint64_t> answered_at;  // loop time, ms
  std::vector<std::size_t> order;
  std::vector<std::shared_ptr<LoginTicket>> tickets;

 private:
  Scratch scratch_;
  std::unique_ptr<Store> store_;
  uv_loop_t loop_{};
  Log log_{LogLevel::kError, LogFormat::kText};
  std::unique_ptr<StorageThread> storage_;
  std::unique_ptr<WorkQueue> hashing_;
  Bans bans_{{.after = 4, .time = std::chrono::seconds(60)}, {"198.51.100.1"}};
  std::unique_ptr<Login> login_;
  std::atomic<bool> held_ = false;
};

}  // namespace

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

namespace {

// The proof that a client with this password makes.
ScramProof scram_proof(Login& login, const std::string& user, const std::string& password) {
  const scram::Challenge challenge = login.scram_challenge(user);
  const scram::Keys keys = scram::derive_keys(password, challenge.salt, challenge.iterations);
  ScramProof proof;
  proof.proof.auth_message = "n=user,r=x," + challenge.nonce;
  // The client's key, which only the password gives, is made here as a client does it.
  std::array<std::uint8_t, 32> salted{};
  PKCS5_PBKDF2_HMAC(password.data(), password.size(),
                    reinterpret_cast<const std::uint8_t*>(challenge.salt.data()), challenge.salt.size(),
                    challenge.iterations, EVP_sha256(), salted.size(), salted.data());
  const auto hmac = [](const std::array<std::uint8_t, 32>& key, const std::string& text) {
    std::array<std::uint8_t, 32> digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), key.size(), reinterpret_cast<const std::uint8_t*>(text.data()),
         text.size(), digest.data(), &length);
    return digest;
  };
  const auto client_key = hmac(salted, "Client Key");
  const auto signature = hmac(keys.stored, proof.proof.auth_message);
  for (std::size_t i = 0; i < client_key.size(); ++i)
    proof.proof.client_proof[i] = static_cast<std::uint8_t>(client_key[i] ^ signature[i]);
  return proof;
}

// RFC 1939 7: of "<stamp>tanstaaf".
const ApopProof kApopProof{"<1896.697170952@dbc.mtview.ca.us>", "c4c9334bac560ecc979e58001b3e22fb"};

constexpr const char* kPhone = "abcde-fghjk-mnpqr-stuvw-xyz23-45678";
constexpr const char* kTablet = "bbbbb-fghjk-mnpqr-stuvw-xyz23-45678";

void add_app_password(Store& store, const std::string& name, const std::string& password,
                      PasswordScope scope = PasswordScope::kReadAndSend, ApopUse apop = ApopUse::kNo) {
  REQUIRE(store.add_app_password(address(kAnna), {name, scope, apop, password}).has_value());
}

}  // namespace

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
