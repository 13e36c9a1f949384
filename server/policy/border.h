// Where mail of other hosts comes in: tells whether it is from whom it says, writes that on top of it, and
// seals what an alias passes on. SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617), DMARC (RFC 7489),
// Authentication-Results (RFC 8601).
//
// A message is read on a file thread, then the DNS is asked for up to kPatience, then the signatures are
// verified on a file thread. What others have written in our name is renamed in place: the verdicts are of
// the message as it came. What they find refuses a message only with smtp.sender_checks = "reject", and
// trouble of the DNS never does. Whom a forged message says it is from hears no more of it.
// Ownership: one for the server. Threads: the reactor. Lifetime: what it borrows outlives it.
#pragma once

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "admin/config/config.h"
#include "admin/counters.h"
#include "protocols/smtp/envelope.h"
#include "server/log.h"
#include "server/net/resolver.h"
#include "server/signing.h"
#include "server/work_queue.h"
#include "storage/store.h"

namespace mailstead {

// Who brought it.
struct BorderClient {
  PeerFacts peer;
  std::string helo;  // as it was said
  // Becomes true, on the reactor, when nobody waits for the answer any more.
  std::shared_ptr<const bool> has_gone;
};

struct BorderMail {
  Delivery delivery;  // the message begins with our own trace line
  BorderClient client;
  bool is_converted = false;  // on its way in: see AskCommit
};

enum class Passage {
  kAdmitted,
  kForged,       // its author's domain wants it rejected, and so does the configuration
  kNoAuthor,     // likewise, where nobody can tell whose policy counts; reports, from <>, are not meant
  kAbsurd,       // it holds results in our name by the thousand
  kUnavailable,  // passing trouble: the client tries again
};

class Border {
 public:
  // RFC 7208 4.6.4: a check may end so, and not before 20 seconds. Clients wait for minutes (RFC 5321
  // 4.5.3.2.6).
  static constexpr std::chrono::seconds kPatience{20};

  struct Context {
    uv_loop_t* loop;
    const Config& config;  // the newest
    Log& log;
    const Store& store;
    WorkQueue& files;
    Resolver& resolver;
    Signing& signing;    // of seals
    Counters& counters;  // of what the checks found
  };
  // The delivery as it is to go on: with its tags and its seal.
  using Done = std::function<void(Passage, Delivery)>;

  explicit Border(const Context& context);
  Border(const Border&) = delete;
  Border& operator=(const Border&) = delete;

  // Is mail of this client looked at? Not that of this machine itself: what stands before us or behind us
  // here (a filter, a proxy that names nobody) has done so, or means us.
  bool guards(const PeerFacts& peer) const;

  // `done` runs later, and not at all when the client has gone before the verdict: nobody was told that we
  // have the message. false: too much waits; nothing will run.
  bool check(BorderMail mail, Done done);
  // The server ends: from now on nobody waits for the DNS for more than a few seconds.
  void hurry();
  // Nobody hears anything any more; its handle closes. Call it once, before the loop ends.
  void stop();

 private:
  struct Examined;
  struct Job;
  using JobPointer = std::shared_ptr<Job>;

  void ask(const JobPointer& job);
  void verify(const JobPointer& job);
  void conclude(const JobPointer& job);
  void seal(const JobPointer& job);
  void finish(const JobPointer& job, Passage passage);
  void tick();
  std::uint64_t deadline() const;  // of what is asked now, by the loop's clock

  Context context_;
  uv_timer_t timer_{};
  std::unordered_set<JobPointer> asking_;
  bool hurried_ = false;
  bool stopped_ = false;
};

}  // namespace mailstead
