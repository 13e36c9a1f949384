#include "server/login.h"

#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "server/network.h"
#include "storage/password.h"

namespace mailstead {
namespace {

constexpr std::uint64_t kRememberMs = 5 * 60'000;
constexpr std::uint64_t kFailuresMs = 10 * 60'000;
constexpr std::uint64_t kFirstDelayMs = 500;
constexpr std::uint64_t kMaxDelayMs = 15'000;
constexpr std::size_t kMaxNetworks = 10'000;
constexpr unsigned kMaxRunning = 2;  // of one network
constexpr std::size_t kMaxWaiting =
    250;  // of one network; the last one's client is still there when its turn comes

}  // namespace

struct Login::Attempt {
  std::string user;
  std::string password;
  PeerFacts peer;
  std::string network;
  std::string service;
  std::function<void(LoginResult)> done;
  std::shared_ptr<LoginTicket> ticket = std::make_shared<LoginTicket>();
  LoginResult result;
  std::string hash;  // empty: nobody's
  bool known = false;

  ~Attempt() { OPENSSL_cleanse(password.data(), password.size()); }
};

// Something that waits for its time. Freed in its timer's close callback.
struct Login::Delayed {
  uv_timer_t timer{};
  Login* login = nullptr;
  std::function<void()> action;

  void run() {
    login->delayed_.erase(this);
    action();
    close();
  }
  void close() {
    action = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&timer),
             [](uv_handle_t* handle) { delete static_cast<Delayed*>(handle->data); });
  }
};

Login::Login(uv_loop_t* loop, StorageThread& storage, WorkQueue& hashing, Log& log)
    : loop_(loop), storage_(storage), hashing_(hashing), log_(log) {
  RAND_bytes(key_.data(), key_.size());
}

std::shared_ptr<LoginTicket> Login::check(std::string user, std::string password, const PeerFacts& peer,
                                          std::string_view service, std::function<void(LoginResult)> done) {
  auto attempt = std::make_shared<Attempt>();
  attempt->user = std::move(user);
  attempt->password = std::move(password);
  attempt->peer = peer;
  attempt->network = network_of(peer.address);
  attempt->service = service;
  attempt->done = std::move(done);
  const auto directory = storage_.store().directory();
  if (const auto address = parse_address(attempt->user); address.has_value()) {
    if (const MailboxEntry* entry = directory->find(*address); entry != nullptr && entry->enabled) {
      attempt->known = true;
      attempt->result.mailbox = entry->id;
      attempt->result.credentials_serial = entry->credentials_serial;
      attempt->result.address = entry->address.text();
    }
  }
  if (remembered(*attempt)) {
    attempt->result.outcome = LoginOutcome::kRight;
    answer_after(0, attempt);
    return attempt->ticket;
  }
  Network& from = network(attempt->network);
  std::erase_if(from.waiting, [](const auto& waiting) { return waiting->ticket->abandoned.load(); });
  if (from.waiting.size() >= kMaxWaiting) {
    answer_after(0, attempt);
  } else {
    from.waiting.push_back(attempt);
    advance(attempt->network);
  }
  return attempt->ticket;
}

Login::Digest Login::digest(MailboxId mailbox, std::string_view password) const {
  std::string message(reinterpret_cast<const char*>(&mailbox), sizeof mailbox);
  message += password;
  Digest result{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key_.data(), key_.size(), reinterpret_cast<const std::uint8_t*>(message.data()),
       message.size(), result.data(), &length);
  OPENSSL_cleanse(message.data(), message.size());
  return result;
}

bool Login::remembered(const Attempt& attempt) {
  if (!attempt.known) return false;
  const auto found = remembered_.find(attempt.result.mailbox);
  if (found == remembered_.end()) return false;
  const Remembered& entry = found->second;
  if (entry.until < uv_now(loop_) || entry.credentials_serial != attempt.result.credentials_serial) {
    remembered_.erase(found);
    return false;
  }
  const Digest given = digest(attempt.result.mailbox, attempt.password);
  return CRYPTO_memcmp(given.data(), entry.digest.data(), given.size()) == 0;
}

Login::Network& Login::network(const std::string& name) {
  const std::uint64_t now = uv_now(loop_);
  if (networks_.size() >= kMaxNetworks && !networks_.contains(name)) {
    const auto idle = [](const Network& each) { return each.running == 0 && each.waiting.empty(); };
    std::erase_if(networks_,
                  [&](const auto& each) { return idle(each.second) && each.second.forget_at < now; });
    // An attack from everywhere at once: what was learnt of it is forgotten rather than kept without bound.
    if (networks_.size() >= kMaxNetworks) {
      std::erase_if(networks_, [&](const auto& each) { return idle(each.second); });
    }
  }
  Network& found = networks_[name];
  if (found.forget_at < now) found.failures = 0;
  return found;
}

// Takes up what may be worked on now.
void Login::advance(const std::string& name) {
  if (stopped_) return;
  Network& from = network(name);
  while (from.running < kMaxRunning && !from.waiting.empty()) {
    const auto attempt = from.waiting.front();
    const std::uint64_t now = uv_now(loop_);
    if (!hurrying_ && from.not_before > now && !attempt->peer.loopback) {
      if (!std::exchange(from.timer_set, true)) {
        later(from.not_before - now, [this, name] {
          network(name).timer_set = false;
          advance(name);
        });
      }
      return;
    }
    from.waiting.pop_front();
    if (attempt->ticket->abandoned) continue;
    if (hurrying_) {
      answer_after(0, attempt);
      continue;
    }
    ++from.running;
    look_up(attempt);
  }
}

void Login::look_up(const std::shared_ptr<Attempt>& attempt) {
  const auto work = [attempt](Store& store) {
    // An unknown user makes the same way through the house.
    const auto address = parse_address(attempt->user);
    auto hash = store.password_hash(address.has_value() ? *address : Address{});
    if (hash.has_value()) attempt->hash = *hash;
  };
  if (!storage_.post(work, [this, attempt] { hash(attempt); })) conclude(attempt);
}

void Login::hash(const std::shared_ptr<Attempt>& attempt) {
  const auto work = [attempt] {
    if (attempt->ticket->abandoned) return;
    const bool right = attempt->known && !attempt->hash.empty()
                           ? verify_password(attempt->password, attempt->hash)
                           : verify_nobody(attempt->password);
    attempt->result.outcome = right ? LoginOutcome::kRight : LoginOutcome::kWrong;
  };
  if (!hashing_.post(work, [this, attempt] { conclude(attempt); })) conclude(attempt);
}

void Login::conclude(const std::shared_ptr<Attempt>& attempt) {
  std::uint64_t delay = 0;
  if (attempt->result.outcome == LoginOutcome::kRight) {
    remembered_[attempt->result.mailbox] = {digest(attempt->result.mailbox, attempt->password),
                                            attempt->result.credentials_serial, uv_now(loop_) + kRememberMs};
  } else if (attempt->result.outcome == LoginOutcome::kWrong) {
    delay = note_failure(*attempt);
  }
  answer_after(delay, attempt);
  --network(attempt->network).running;
  // Never deeper than one call, however many wait.
  later(0, [this, name = attempt->network] { advance(name); });
}

// The delay in milliseconds.
std::uint64_t Login::note_failure(const Attempt& attempt) {
  const std::uint64_t now = uv_now(loop_);
  Network& from = network(attempt.network);
  const unsigned doublings = std::min(from.failures++, 5U);
  const std::uint64_t delay = std::min(kFirstDelayMs << doublings, kMaxDelayMs);
  from.forget_at = now + kFailuresMs;
  from.not_before = now + delay;
  return delay;
}

void Login::log_outcome(const Attempt& attempt) {
  const bool right = attempt.result.outcome == LoginOutcome::kRight;
  const std::vector<LogField> fields = {{"user", right ? attempt.result.address : attempt.user},
                                        {"service", attempt.service},
                                        {"peer", attempt.peer.address},
                                        {"tls", attempt.peer.tls ? attempt.peer.tls_version : "none"}};
  if (right) {
    ++right_;
    log_.info("login", fields);
  } else if (attempt.result.outcome == LoginOutcome::kWrong) {
    ++wrong_;
    log_.warning("login-failed", fields);
  } else if (!attempt.ticket->abandoned) {
    log_.warning("login-refused-busy", fields);
  }
}

void Login::answer_after(std::uint64_t milliseconds, const std::shared_ptr<Attempt>& attempt) {
  log_outcome(*attempt);
  if (attempt->result.outcome == LoginOutcome::kRight) {
    Network& from = network(attempt->network);
    from.failures = 0;
    from.not_before = 0;
  }
  later(hurrying_ ? 0 : milliseconds, [attempt] {
    if (!attempt->ticket->abandoned) attempt->done(attempt->result);
  });
}

void Login::later(std::uint64_t milliseconds, std::function<void()> action) {
  if (stopped_) return;
  auto* delayed = new Delayed;
  delayed->login = this;
  delayed->action = std::move(action);
  delayed_.insert(delayed);
  uv_timer_init(loop_, &delayed->timer);
  delayed->timer.data = delayed;
  uv_timer_start(
      &delayed->timer, [](uv_timer_t* timer) { static_cast<Delayed*>(timer->data)->run(); }, milliseconds, 0);
}

void Login::hurry() {
  hurrying_ = true;
  const auto due = delayed_;
  for (Delayed* delayed : due) {
    uv_timer_stop(&delayed->timer);
    delayed->run();
  }
}

void Login::stop() {
  stopped_ = true;
  for (Delayed* delayed : delayed_) delayed->close();
  delayed_.clear();
}

}  // namespace mailstead
