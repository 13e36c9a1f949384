#include "server/login.h"

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

constexpr const char* kAnna = "anna@example.org";
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
    login_ = std::make_unique<Login>(&loop_, *storage_, *hashing_, log_);
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
    const std::size_t number = answers.size();
    answers.push_back("");
    answered_at.push_back(0);
    PeerFacts peer;
    peer.address = from;
    peer.loopback = from == "127.0.0.1";
    tickets.push_back(login_->check(user, password, peer, "pop3", [this, number](const LoginResult& result) {
      order.push_back(number);
      answered_at[number] = uv_now(&loop_);
      answers[number] = result.outcome == LoginOutcome::kRight   ? "right " + result.address
                        : result.outcome == LoginOutcome::kWrong ? "wrong"
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
  void turn() { uv_run(&loop_, UV_RUN_NOWAIT); }
  std::uint64_t now() {
    uv_update_time(&loop_);
    return uv_now(&loop_);
  }

  std::vector<std::string> answers;
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
  const auto next = fixture.check(kAnna, "wrong", "192.0.2.1");  // two are in work at a time
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
  fixture.check(kAnna, "wrong", "2001:db8:1:2:ffff::2");
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
