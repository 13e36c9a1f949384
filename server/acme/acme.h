// Keeps a certificate of an authority in force (ACME, RFC 8555): looks when one is needed, gets it, and has
// it put to use.
//
// One attempt at a time. It is counted before it begins, so that a server that dies in it does not come back
// to the authority at once, and the counts outlast restarts. What the authority says about when to come again
// is obeyed, also by renew(). Nothing else ever waits for it, and nothing of it fails the start.
//
// Ownership: one for the server. Threads: the reactor; files and keys are for `files`' threads.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "admin/acme_facts.h"
#include "admin/config/config.h"
#include "protocols/acme/acme_session.h"
#include "server/acme/acme_challenges.h"
#include "server/acme/acme_files.h"
#include "server/acme/acme_tools.h"
#include "server/log.h"
#include "server/net/resolver.h"
#include "server/outgoing/https_exchange.h"
#include "server/work_queue.h"

namespace mailstead {

class Acme {
 public:
  enum class Renewal { kIfNeeded, kInAnyCase };

  struct Context {
    uv_loop_t* loop;
    const Config& config;  // the newest
    Log& log;
    WorkQueue& files;
    Resolver& resolver;
    std::shared_ptr<AcmeChallenges> challenges;
    std::string data;
    std::function<void()> renewed;  // the file of the certificate is a new one
  };

  explicit Acme(Context context);
  ~Acme();
  Acme(const Acme&) = delete;
  Acme& operator=(const Acme&) = delete;

  void start();
  // The configuration has changed: an attempt under other settings ends.
  void reload();
  // Now, unless the authority wants to be left alone.
  void renew(Renewal renewal);
  // Nothing happens any more; its handle closes. Call it once, before the loop ends.
  void stop();

  AcmeFacts facts() const;

 private:
  struct Certificate {
    std::int64_t not_before = 0, not_after = 0;  // Unix seconds
    std::string fingerprint;                     // empty: there is no certificate
  };
  struct Attempt;  // that is under way, once it has its tools

  std::vector<std::string> names() const;
  std::string settings() const;
  std::string attempted() const;
  std::int64_t due_at() const;
  std::int64_t by_hand_at() const;  // renew() begins none before; 0: at once
  std::int64_t next_at() const;
  bool clock_was_set_back() const;
  bool must_wait() const;

  void look();
  void arm(std::int64_t seconds, void (Acme::*then)());
  void begin();
  void count_attempt(std::int64_t now);
  void begin_session(AcmeTools& tools);
  void advance();
  void ask();
  void tell(const Result<HttpsAnswer>& answer);
  void resume();
  void record();
  void finish();
  void end(const AcmeFailure& failure);
  void end_attempt();
  // On another thread; `done` runs only if the attempt is still the same one.
  void work(std::function<void()> job, std::function<void()> done);
  void write_down();

  Context context_;
  uv_timer_t timer_{};
  void (Acme::*then_)() = &Acme::look;  // when the timer fires
  AcmeState state_;
  Certificate certificate_;
  std::unique_ptr<Attempt> attempt_;
  std::uint64_t number_ = 0;  // of the attempt; changes when one ends
  std::uint64_t renewals_ = 0;
  std::mt19937 random_{std::random_device{}()};
  unsigned jobs_ = 0;  // on other threads
  bool loaded_ = false;
  bool is_busy_ = false;    // with an attempt
  bool is_forced_ = false;  // the next attempt is wanted, needed or not
  bool stopped_ = false;
};

}  // namespace mailstead
