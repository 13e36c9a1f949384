#include "server/policy/login.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/md5.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "protocols/auth/saslprep.h"
#include "protocols/base64.h"
#include "server/net/network.h"
#include "storage/accounts/password.h"

namespace mailstead {
namespace {

constexpr std::uint64_t kRememberMs = 5 * 60'000;
constexpr std::uint64_t kFailuresMs = 10 * 60'000;
constexpr std::uint64_t kFirstDelayMs = 500;
constexpr std::uint64_t kMaxDelayMs = 15'000;
constexpr std::size_t kMaxWaitingNetworks = 10'000;
constexpr std::size_t kMaxRemembered = 10'000;
constexpr unsigned kMaxRunning = 2;  // of one network
constexpr std::size_t kMaxWaiting =
    250;  // of one network; the last one's client is still there when its turn comes

bool opens(PasswordScope scope, LoginPurpose purpose) {
  return scope == PasswordScope::kReadAndSend ||
         (scope == PasswordScope::kRead) == (purpose == LoginPurpose::kRead);
}

// RFC 1939 7, in constant time.
bool apop_matches(std::string_view timestamp, std::string_view secret, std::string_view digest) {
  std::string text(timestamp);
  text += secret;
  std::array<std::uint8_t, MD5_DIGEST_LENGTH> octets{};
  MD5(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), octets.data());
  OPENSSL_cleanse(text.data(), text.size());
  const std::string hex = fmt::format("{:02x}", fmt::join(octets, ""));
  return digest.size() == hex.size() && CRYPTO_memcmp(digest.data(), hex.data(), hex.size()) == 0;
}

}  // namespace

struct Login::Attempt {
  LoginRequest request;
  std::string network;
  std::function<void(LoginResult)> done;
  std::shared_ptr<LoginTicket> ticket = std::make_shared<LoginTicket>();
  bool known = false;
  std::string salt;  // of the mailbox's app passwords, or what a stranger's would be
  LoginResult result;
  // What was found to check it with, and which it was.
  Credentials credentials;
  PasswordScope scope = PasswordScope::kReadAndSend;
  std::string_view why = {};  // for the log, when it is wrong: a literal

  ~Attempt() {
    if (auto* proof = password()) OPENSSL_cleanse(proof->data(), proof->size());
  }

  std::string* password() {
    auto* proof = std::get_if<PasswordProof>(&request.proof);
    return proof == nullptr ? nullptr : &proof->password;
  }
  void judge();

 private:
  bool try_password(const std::string& password);
  bool try_proof(const PasswordProof& proof);
  bool try_proof(const ScramProof& proof);
  bool try_proof(const ApopProof& proof);
  bool is_opened_by(const AppPasswordKeys& keys);
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

Login::Login(uv_loop_t* loop, StorageThread& storage, WorkQueue& hashing, Bans& bans, Log& log)
    : loop_(loop), storage_(storage), hashing_(hashing), bans_(bans), log_(log) {
  RAND_bytes(key_.data(), key_.size());
}

std::shared_ptr<LoginTicket> Login::check(LoginRequest request, std::function<void(LoginResult)> done) {
  auto attempt = std::make_shared<Attempt>();
  attempt->request = std::move(request);
  // RFC 4616 2, RFC 6856 2.2. One that cannot be prepared is nobody's: such a mailbox cannot be made.
  std::string& user = attempt->request.user;
  if (auto prepared = saslprep::prepare(user, saslprep::Use::kQuery)) user = *std::move(prepared);
  attempt->network = network_of(attempt->request.peer.address);
  attempt->done = std::move(done);
  const auto directory = storage_.store().directory();
  if (const auto address = parse_address(attempt->request.user); address.has_value()) {
    if (const MailboxEntry* entry = directory->find(*address); entry != nullptr && entry->enabled) {
      attempt->known = true;
      attempt->result.key = {entry->id, entry->credentials_serial, 0};
      attempt->result.address = entry->address.text();
    }
  }
  if (bans_.is_banned(attempt->request.peer)) {
    attempt->result.outcome = LoginOutcome::kBanned;
    answer_after(0, attempt);
    return attempt->ticket;
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

scram::Challenge Login::scram_challenge(const std::string& user) const {
  std::array<std::uint8_t, 18> random{};
  RAND_bytes(random.data(), random.size());
  return {storage_.store().scram_salt(user), scram::kIterations,
          base64::encode({reinterpret_cast<const char*>(random.data()), random.size()})};
}

Login::Digest Login::digest(MailboxId mailbox, std::string_view password) const {
  std::string message(reinterpret_cast<const char*>(&mailbox), sizeof mailbox);
  message += password;
  const Digest result = hmac_sha256(octets_of(key_), message);
  OPENSSL_cleanse(message.data(), message.size());
  return result;
}

// The digest is random to everybody but us.
std::size_t Login::DigestHash::operator()(const Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

bool Login::remembered(Attempt& attempt) {
  const std::string* password = attempt.password();
  if (!attempt.known || password == nullptr) return false;
  const auto found = remembered_.find(digest(attempt.result.key.mailbox, *password));
  if (found == remembered_.end()) return false;
  const Remembered& entry = found->second;
  if (entry.until < uv_now(loop_) || !storage_.store().directory()->admits(entry.key)) {
    remembered_.erase(found);
    return false;
  }
  if (!opens(entry.scope, attempt.request.purpose)) return false;
  attempt.result.key = entry.key;
  attempt.result.device = entry.device;
  return true;
}

void Login::remember(const Attempt& attempt) {
  const auto* proof = std::get_if<PasswordProof>(&attempt.request.proof);
  if (proof == nullptr) return;
  const std::uint64_t now = uv_now(loop_);
  if (remembered_.size() >= kMaxRemembered) {
    std::erase_if(remembered_, [now](const auto& each) { return each.second.until < now; });
    if (remembered_.size() >= kMaxRemembered) remembered_.clear();
  }
  remembered_[digest(attempt.result.key.mailbox, proof->password)] = {
      attempt.result.key, attempt.scope, attempt.result.device, now + kRememberMs};
}

Login::Network& Login::network(const std::string& name) {
  const std::uint64_t now = uv_now(loop_);
  if (networks_.size() >= kMaxWaitingNetworks && !networks_.contains(name)) {
    const auto idle = [](const Network& each) { return each.running == 0 && each.waiting.empty(); };
    std::erase_if(networks_,
                  [&](const auto& each) { return idle(each.second) && each.second.forget_at < now; });
    // An attack from everywhere at once: what was learnt of it is forgotten rather than kept without bound.
    if (networks_.size() >= kMaxWaitingNetworks) {
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
    if (!hurrying_ && from.not_before > now && !bans_.is_shared(attempt->request.peer)) {
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
    if (bans_.is_banned(attempt->request.peer)) {
      attempt->result.outcome = LoginOutcome::kBanned;
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
    const auto address = parse_address(attempt->request.user);
    auto credentials = store.credentials(address.has_value() ? *address : Address{});
    if (credentials.has_value()) attempt->credentials = *std::move(credentials);
    attempt->salt = store.scram_salt(attempt->request.user);
    if (attempt->password() == nullptr) attempt->judge();
  };
  const auto done = [this, attempt] { attempt->password() == nullptr ? conclude(attempt) : hash(attempt); };
  if (!storage_.post(work, done)) conclude(attempt);
}

void Login::hash(const std::shared_ptr<Attempt>& attempt) {
  const auto work = [attempt] {
    if (!attempt->ticket->abandoned) attempt->judge();
  };
  if (!hashing_.post(work, [this, attempt] { conclude(attempt); })) conclude(attempt);
}

// On the storage thread, or for a password on a hashing thread.
void Login::Attempt::judge() {
  const bool right = std::visit([this](const auto& proof) { return try_proof(proof); }, request.proof);
  result.outcome = right ? LoginOutcome::kRight : LoginOutcome::kWrong;
  credentials = {};
}

// RFC 6856 2.2, RFC 4616 2: prepared, as it is set today. Then as it came, which is another octet string for
// hardly anybody: hashes of before, and those of other servers, are of whatever was typed.
bool Login::Attempt::try_proof(const PasswordProof& proof) {
  auto prepared = saslprep::prepare(proof.password, saslprep::Use::kQuery);
  const bool right = prepared && *prepared != proof.password && try_password(*prepared);
  if (prepared) OPENSSL_cleanse(prepared->data(), prepared->size());
  return right || try_password(proof.password);
}

// The work done depends on what was said, and not on who was named.
bool Login::Attempt::try_password(const std::string& password) {
  if (is_like_app_password(password)) {
    const scram::Keys given = scram::derive_keys(password, salt);
    for (const AppPasswordKeys& keys : credentials.app_passwords) {
      const bool usual = keys.salt == salt && keys.iterations == scram::kIterations;
      const scram::Keys own = usual ? given : scram::derive_keys(password, keys.salt, keys.iterations);
      if (scram::same_keys(own, keys.keys)) return is_opened_by(keys);
    }
  }
  return known && !credentials.password_hash.empty() ? verify_password(password, credentials.password_hash)
                                                     : verify_nobody(password);
}

bool Login::Attempt::try_proof(const ScramProof& proof) {
  if (credentials.app_passwords.empty()) static_cast<void>(scram::check(proof.proof, scram::Keys{}));
  for (const AppPasswordKeys& keys : credentials.app_passwords) {
    const auto signature = scram::check(proof.proof, keys.keys);
    if (!signature) continue;
    result.signature = *signature;
    return is_opened_by(keys);
  }
  if (known && credentials.app_passwords.empty())
    why = "SCRAM works with app passwords only, and there are none";
  return false;
}

bool Login::Attempt::try_proof(const ApopProof& proof) {
  bool any = false;
  for (const AppPasswordKeys& keys : credentials.app_passwords) {
    if (keys.apop_secret.empty()) continue;
    any = true;
    if (apop_matches(proof.timestamp, keys.apop_secret, proof.digest)) return is_opened_by(keys);
  }
  if (known && !any) why = "APOP works with app passwords that were added for it only, and there are none";
  return false;
}

bool Login::Attempt::is_opened_by(const AppPasswordKeys& keys) {
  if (!opens(keys.scope, request.purpose)) {
    why = request.purpose == LoginPurpose::kRead ? "the app password is for sending only"
                                                 : "the app password is for reading only";
    return false;
  }
  result.key.app_password = keys.id;
  result.device = keys.name;
  scope = keys.scope;
  return true;
}

void Login::conclude(const std::shared_ptr<Attempt>& attempt) {
  std::uint64_t delay = 0;
  if (attempt->result.outcome == LoginOutcome::kRight) {
    remember(*attempt);
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
  const std::uint64_t guess = guess_of(attempt);
  // The same guess again, of a phone with an old password, say, makes nobody wait longer.
  if (from.failures == 0 || guess != from.last_guess) ++from.failures;
  from.last_guess = guess;
  if (from.failures == 1) from.guessed_user = attempt.request.user;
  if (from.guessed_user != attempt.request.user) from.guessed_user.clear();
  const unsigned doublings = std::min(from.failures - 1, 5U);
  const std::uint64_t delay = std::min(kFirstDelayMs << doublings, kMaxDelayMs);
  from.forget_at = now + kFailuresMs;
  from.not_before = now + delay;
  if (const auto ban = bans_.note_wrong(attempt.request.peer, guess)) {
    log_.warning("banned",
                 {{"network", ban->network},
                  {"wrong_logins", fmt::format("{}", ban->wrong_logins)},
                  {"seconds", fmt::format("{}", ban->until - ban->since)},
                  {"what", "nobody from there can log in until then; `mailstead ban remove` ends it"}});
  }
  return delay;
}

// A SCRAM proof and an APOP digest are new each time, whatever password they are made of. They are good for
// app passwords only, which nobody guesses: so all of one kind for one user are one guess.
std::uint64_t Login::guess_of(const Attempt& attempt) const {
  std::string text = attempt.request.user + '\0' + static_cast<char>(attempt.request.proof.index());
  if (const auto* proof = std::get_if<PasswordProof>(&attempt.request.proof)) {
    text += proof->password;
  }
  const Digest made = digest(0, text);
  OPENSSL_cleanse(text.data(), text.size());
  return DigestHash()(made);
}

void Login::log_outcome(const Attempt& attempt) {
  static constexpr const char* kBy[] = {"password", "scram", "apop"};
  const bool right = attempt.result.outcome == LoginOutcome::kRight;
  const PeerFacts& peer = attempt.request.peer;
  std::vector<LogField> fields = {{"user", right ? attempt.result.address : attempt.request.user},
                                  {"service", attempt.request.service},
                                  {"peer", peer.address},
                                  {"tls", peer.tls ? peer.tls_version : "none"},
                                  {"by", kBy[attempt.request.proof.index()]}};
  if (!attempt.result.device.empty()) fields.push_back({"device", attempt.result.device});
  if (!attempt.why.empty()) fields.push_back({"why", std::string(attempt.why)});
  if (right) {
    ++right_;
    log_.info("login", fields);
  } else if (attempt.result.outcome == LoginOutcome::kWrong) {
    ++wrong_;
    log_.warning("login-failed", fields);
  } else if (attempt.result.outcome == LoginOutcome::kUnavailable && !attempt.ticket->abandoned) {
    log_.warning("login-refused-busy", fields);
  }
}

void Login::answer_after(std::uint64_t milliseconds, const std::shared_ptr<Attempt>& attempt) {
  log_outcome(*attempt);
  if (attempt->result.outcome == LoginOutcome::kRight) {
    Network& from = network(attempt->network);
    // Who guesses another's password gains nothing by having one of his own.
    if (from.guessed_user == attempt->request.user) {
      from.failures = 0;
      from.not_before = 0;
    }
    bans_.note_right(attempt->request.peer);
  }
  later(hurrying_ ? 0 : milliseconds, [this, attempt] {
    // What opened the mailbox may have been changed or revoked while it was checked.
    LoginOutcome& outcome = attempt->result.outcome;
    if (outcome == LoginOutcome::kRight && !storage_.store().directory()->admits(attempt->result.key)) {
      outcome = LoginOutcome::kWrong;
    }
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
