// Logins: is this the right password, proof or digest for this user? The same for SMTP and POP3.
//
// What it is checked with is looked up on the storage thread. A password is checked on a hashing thread
// against the mailbox's own and, when it has their form, its app passwords; an unknown user costs the same
// time. A verified password is remembered for a few minutes, as an HMAC under a key made at start, so that a
// client that polls every minute costs no hash; it is forgotten as soon as it opens the mailbox no more. A
// SCRAM proof and an APOP digest cost no hash.
//
// Names and passwords are compared as SASLprep leaves them (saslprep.h), and a password then as it came,
// where that is not the same: a second hash for those few, and still one guess. It is remembered and counted
// as it came.
//
// Guessing is slow, and slows nobody else. Each network (an IPv4 address, an IPv6 /64) has a queue of its own
// and at most two passwords in work; who hangs up is no longer worked for. After a wrong password the
// network's next one waits before it is looked at, and the answer to the wrong one comes as late: 0.5 s,
// doubled with each failure up to 15 s, forgotten after ten minutes or by a right one of the same user. Who
// goes on guessing is banned (bans.h). The next one of loopback, of a gateway and of a proxy that names
// nobody does not wait: everybody behind it would.
//
// Ownership: one for the server. Threads: the reactor.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>

#include "protocols/auth/hmac.h"
#include "protocols/auth/scram.h"
#include "protocols/smtp/envelope.h"
#include "server/log.h"
#include "server/policy/bans.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"

namespace mailstead {

enum class LoginOutcome { kRight, kWrong, kUnavailable, kBanned };

// What the client shows for his right to log in.
struct PasswordProof {
  std::string password;
};
struct ScramProof {
  scram::Proof proof;
};
struct ApopProof {
  std::string timestamp;  // of our greeting
  std::string digest;     // 32 hex digits in lower case
};
using LoginProof = std::variant<PasswordProof, ScramProof, ApopProof>;

enum class LoginPurpose { kRead, kSend };

struct LoginRequest {
  std::string user;
  LoginProof proof;
  LoginPurpose purpose = LoginPurpose::kRead;
  PeerFacts peer;
  std::string service;  // for the log: "pop3"
};

struct LoginResult {
  LoginOutcome outcome = LoginOutcome::kUnavailable;
  LoginKey key;
  std::string address;    // of the mailbox, for logs
  std::string device;     // name of the app password; empty: the mailbox's own password
  std::string signature;  // what the server shows in return to a SCRAM proof
};

// Held by who asked; set when nobody waits for the answer any more.
struct LoginTicket {
  std::atomic<bool> abandoned = false;
};

class Login {
 public:
  Login(uv_loop_t* loop, StorageThread& storage, WorkQueue& hashing, Bans& bans, Log& log);

  // `done` runs later, never inside the call, and not at all once abandoned or stopped.
  std::shared_ptr<LoginTicket> check(LoginRequest request, std::function<void(LoginResult)> done);

  // What a SCRAM exchange for this name begins with. The salt is the same each time, whether or not anybody
  // has the name.
  scram::Challenge scram_challenge(const std::string& user) const;

  // Answers at once what waits for its delay, and refuses what waits for its turn.
  void hurry();
  // No callback runs any more.
  void stop();

  std::uint64_t right() const { return right_; }
  std::uint64_t wrong() const { return wrong_; }

 private:
  struct Attempt;
  struct Delayed;
  using Digest = Sha256;
  struct Remembered {
    LoginKey key;
    PasswordScope scope = PasswordScope::kReadAndSend;
    std::string device;
    std::uint64_t until = 0;  // loop time, ms
  };
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const;
  };
  struct Network {
    unsigned failures = 0;  // but for the same guess again
    std::uint64_t last_guess = 0;
    std::string guessed_user;      // of all failures; empty: of several
    std::uint64_t forget_at = 0;   // loop time, ms
    std::uint64_t not_before = 0;  // loop time, ms: nothing is looked at earlier
    unsigned running = 0;
    bool timer_set = false;
    std::deque<std::shared_ptr<Attempt>> waiting;
  };

  Digest digest(MailboxId mailbox, std::string_view password) const;
  bool remembered(Attempt& attempt);
  void remember(const Attempt& attempt);
  Network& network(const std::string& name);
  void advance(const std::string& name);
  void look_up(const std::shared_ptr<Attempt>& attempt);
  void hash(const std::shared_ptr<Attempt>& attempt);
  void conclude(const std::shared_ptr<Attempt>& attempt);
  std::uint64_t note_failure(const Attempt& attempt);
  std::uint64_t guess_of(const Attempt& attempt) const;
  void log_outcome(const Attempt& attempt);
  void answer_after(std::uint64_t milliseconds, const std::shared_ptr<Attempt>& attempt);
  void later(std::uint64_t milliseconds, std::function<void()> action);

  uv_loop_t* loop_;
  StorageThread& storage_;
  WorkQueue& hashing_;
  Bans& bans_;
  Log& log_;
  Digest key_{};
  std::unordered_map<Digest, Remembered, DigestHash> remembered_;
  std::unordered_map<std::string, Network> networks_;
  std::unordered_set<Delayed*> delayed_;
  bool hurrying_ = false;
  bool stopped_ = false;
  std::uint64_t right_ = 0;
  std::uint64_t wrong_ = 0;
};

}  // namespace mailstead
