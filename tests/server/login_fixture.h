// What the tests of logins share: the loop with all that a login needs, and proofs as clients make them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/policy/login.h"
#include "tests/catch.h"
#include "tests/storage/support.h"

namespace mailstead::login_test {

using storage_test::address;
using storage_test::kAnna;
using storage_test::Scratch;
using storage_test::store_with;

// "right", at the least cost that is read.
inline constexpr const char* kCheapHash =
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
    peer.hidden = from == "198.51.100.1";
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
  Bans bans_{{.after = 4, .time = std::chrono::seconds(60)}};
  std::unique_ptr<Login> login_;
  std::atomic<bool> held_ = false;
};

// The proof that a client with this password makes.
ScramProof scram_proof(Login& login, const std::string& user, const std::string& password);

// RFC 1939 7: of "<stamp>tanstaaf".
inline const ApopProof kApopProof{"<1896.697170952@dbc.mtview.ca.us>", "c4c9334bac560ecc979e58001b3e22fb"};

inline constexpr const char* kPhone = "abcde-fghjk-mnpqr-stuvw-xyz23-45678";
inline constexpr const char* kTablet = "bbbbb-fghjk-mnpqr-stuvw-xyz23-45678";

// For anna.
void add_app_password(Store& store, const std::string& name, const std::string& password,
                      PasswordScope scope = PasswordScope::kReadAndSend, ApopUse apop = ApopUse::kNo);

}  // namespace mailstead::login_test
