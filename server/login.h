// Logins: is this password right for this user? The same for SMTP and POP3.
//
// The hash is looked up on the storage thread and checked on a hashing thread; an unknown user costs the same
// time. A verified password is remembered for a few minutes, as an HMAC under a key made at start, so that a
// client that polls every minute costs no hash; it is forgotten as soon as the mailbox's credentials change.
//
// Guessing is slow, and slows nobody else. Each network (an IPv4 address, an IPv6 /64) has a queue of its own
// and at most two passwords in work; who hangs up is no longer worked for. After a wrong password the
// network's next one waits before it is looked at, and the answer to the wrong one comes as late: 0.5 s,
// doubled with each failure up to 15 s, forgotten after ten minutes or by a right one. Loopback's next one
// does not wait: everybody behind a local proxy would.
//
// Ownership: one for the server. Threads: the reactor.
#pragma once

#include <uv.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "protocols/envelope.h"
#include "server/log.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"

namespace mailstead {

enum class LoginOutcome { kRight, kWrong, kUnavailable };

struct LoginResult {
  LoginOutcome outcome = LoginOutcome::kUnavailable;
  MailboxId mailbox = 0;
  std::int64_t credentials_serial = 0;  // of the mailbox when the password was checked
  std::string address;                  // of the mailbox, for logs
};

// Held by who asked; set when nobody waits for the answer any more.
struct LoginTicket {
  std::atomic<bool> abandoned = false;
};

class Login {
 public:
  Login(uv_loop_t* loop, StorageThread& storage, WorkQueue& hashing, Log& log);

  // `done` runs later, never inside the call, and not at all once abandoned or stopped. `service` is for the
  // log: "pop3".
  std::shared_ptr<LoginTicket> check(std::string user, std::string password, const PeerFacts& peer,
                                     std::string_view service, std::function<void(LoginResult)> done);

  // Answers at once what waits for its delay, and refuses what waits for its turn.
  void hurry();
  // No callback runs any more.
  void stop();

  std::uint64_t right() const { return right_; }
  std::uint64_t wrong() const { return wrong_; }

 private:
  struct Attempt;
  struct Delayed;
  using Digest = std::array<std::uint8_t, 32>;
  struct Remembered {
    Digest digest{};
    std::int64_t credentials_serial = 0;
    std::uint64_t until = 0;  // loop time, ms
  };
  struct Network {
    unsigned failures = 0;
    std::uint64_t forget_at = 0;   // loop time, ms
    std::uint64_t not_before = 0;  // loop time, ms: nothing is looked at earlier
    unsigned running = 0;
    bool timer_set = false;
    std::deque<std::shared_ptr<Attempt>> waiting;
  };

  Digest digest(MailboxId mailbox, std::string_view password) const;
  bool remembered(const Attempt& attempt);
  Network& network(const std::string& name);
  void advance(const std::string& name);
  void look_up(const std::shared_ptr<Attempt>& attempt);
  void hash(const std::shared_ptr<Attempt>& attempt);
  void conclude(const std::shared_ptr<Attempt>& attempt);
  std::uint64_t note_failure(const Attempt& attempt);
  void log_outcome(const Attempt& attempt);
  void answer_after(std::uint64_t milliseconds, const std::shared_ptr<Attempt>& attempt);
  void later(std::uint64_t milliseconds, std::function<void()> action);

  uv_loop_t* loop_;
  StorageThread& storage_;
  WorkQueue& hashing_;
  Log& log_;
  Digest key_{};
  std::unordered_map<MailboxId, Remembered> remembered_;
  std::unordered_map<std::string, Network> networks_;
  std::unordered_set<Delayed*> delayed_;
  bool hurrying_ = false;
  bool stopped_ = false;
  std::uint64_t right_ = 0;
  std::uint64_t wrong_ = 0;
};

}  // namespace mailstead
