// One way out: from what is due for a destination over its route to a connection, and messages on that, one
// after the other, until nothing is due for it.
//
// Ownership: the queue runner's; ended() is its last call. A Connection's driver outlives it by answers that
// are on their way, and forgets it then. Threads: the reactor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocols/smtp/smtp_client_session.h"
#include "server/driver.h"
#include "server/log.h"
#include "server/net/connection_set.h"
#include "server/net/dialer.h"
#include "server/net/resolver.h"
#include "server/net/tls_client.h"
#include "server/outgoing/queue_decisions.h"
#include "server/outgoing/queue_schedule.h"
#include "server/outgoing/routing.h"
#include "server/outgoing/sts_policies.h"
#include "server/outgoing/tls_plan.h"
#include "server/outgoing/tls_reporter.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"

namespace mailstead {

class Outgoing;

// What an Outgoing asks of the queue runner.
class OutgoingHouse {
 public:
  virtual uv_loop_t* loop() = 0;
  virtual Log& log() = 0;
  virtual StorageThread& storage() = 0;
  virtual WorkQueue& files() = 0;
  virtual Resolver& resolver() = 0;
  virtual ConnectionSet& connections_of() = 0;
  virtual const TlsClientContext& tls() = 0;
  virtual StsPolicies& sts_policies() = 0;
  virtual TlsReporter& tls_reporter() = 0;
  virtual RoutingTerms routing_terms() const = 0;
  virtual std::string hostname() const = 0;
  virtual bool is_stopping() const = 0;
  virtual std::optional<QueueSchedule::Work> next_work(const std::string& destination) = 0;
  // False: somebody has held or dropped it since.
  virtual bool is_wanted(RecipientRow recipient) = 0;
  // They were not tried.
  virtual void give_back(const std::vector<RecipientRow>& recipients) = 0;
  // Their message could not be read: not to be tried again at once.
  virtual void put_off(const std::vector<RecipientRow>& recipients) = 0;
  virtual void attempted(std::vector<QueueOutcome> outcomes) = 0;
  virtual QueueOutcome decide_outcome(const QueuedMessage& message, const QueuedRecipient& recipient,
                                      AttemptResult result) = 0;
  virtual void set_suspect(const std::string& destination, bool suspect) = 0;
  // Nobody let it in. True: the destination has other connections, which take what is due.
  virtual bool leave_to_others(const std::string& destination) = 0;
  // One of its connections has been used for a while. True: others wait for room, and it is to end.
  virtual bool gives_way(const std::string& destination) = 0;
  // Destroys it.
  virtual void ended(Outgoing& outgoing) = 0;

 protected:
  ~OutgoingHouse() = default;
};

struct OutgoingTerms {
  std::string destination;  // of the schedule
  std::string domain;       // that is looked up
  Routing::By by = Routing::By::kMx;
  std::uint16_t port = 25;
  SmtpClientOptions::TlsUse tls = SmtpClientOptions::TlsUse::kIfOffered;
  TlsVerification verification = TlsVerification::kNone;
  // What the domain demands of TLS (MTA-STS, DANE) is kept; else what the configuration says is all.
  bool follows_policies = true;
  std::string user;  // to log in
  std::string password;
};

// Octets of a message that are read at a time.
inline constexpr std::size_t kContentPiece = 64u << 10;

// Hosts of a route that have let us in: so many are asked in one attempt, however many a domain has.
inline constexpr std::size_t kMostHostsAsked = 3;

// A connection is used for so long, whoever waits for room meanwhile.
inline constexpr std::chrono::seconds kTurnOfConnection{5};

// A message on its way, with those of its recipients that are tried now.
struct Consignment {
  QueueSchedule::Work work;
  QueuedMessage message;
  std::vector<QueuedRecipient> recipients;
  std::unique_ptr<MessageReader> reader;
  std::string first;     // of a small one all octets, until they have been sent
  std::uint64_t at = 0;  // octets that are read
  bool is_being_read = false;
  std::function<void()> when_read;  // who waits for that to end
  std::optional<Error> error;
};

// Its next piece, up to kContentPiece octets. kCorrupt: the message has become shorter. Any thread, one at a
// time.
Result<std::string> read_piece(Consignment& consignment);

class OutgoingDriver;

class Outgoing {
 public:
  Outgoing(OutgoingHouse& house, OutgoingTerms terms);
  ~Outgoing();
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  void start();
  // Ends what is no connection yet; connections are the ConnectionSet's to end.
  void give_up();
  const std::string& destination() const { return terms_.destination; }
  // Some host has let it in.
  bool is_answered() const { return was_connected_ || has_left_host_; }

 private:
  friend class OutgoingDriver;

  void load_next(std::function<void()> then);
  void find_policy();
  void find_route();
  void on_routed(RouteResult result);
  void try_target();
  // Asks for the host's TLSA records at the n-th of its names.
  void ask_tlsa(std::size_t name);
  void on_tlsa(std::size_t name, const dns::Answer& answer);
  void plan_tls(TlsPlan plan);
  void dial();
  void on_dialled(Result<int> socket);
  void connect(int socket);
  void next_target();
  void on_connection_gone();
  void on_host_left();
  bool tries_without_tls();
  bool serves_one_message() const { return plan_.waives_policy || has_left_host_; }
  bool gives_way();
  void count(TlsVerdict verdict, std::string reason = {});
  void count_connection();
  // For the driver.
  std::optional<ClientTransaction> next_transaction();
  void report(const SmtpClientSession& session);
  // May the next host be asked for this recipient?
  bool is_for_others(const Consignment& consignment, const RecipientOutcome& outcome) const;
  bool has_other_host() const;
  void leave_host(std::shared_ptr<Consignment> consignment, std::vector<QueuedRecipient> recipients,
                  const std::string& why);
  // Of the host that is connected to, for this recipient. All answers to it until now.
  RouteAnswers& note_answer(RecipientRow recipient, const RecipientOutcome& outcome,
                            const AttemptResult& result);
  void remember(const SmtpClientFailure& failure);
  // Nobody took what is in hand.
  void all_failed();
  // What was held or dropped while the way was looked for stays here; with all of its recipients the message.
  void leave_unwanted();
  void suspend_others(const AttemptResult& result);
  void refuse_all(Consignment& consignment, const AttemptResult& result);
  void refuse_each(Consignment& consignment,
                   const std::function<AttemptResult(const QueuedRecipient&)>& result_for);
  void log_outcome(const Consignment& consignment, const QueuedRecipient& recipient,
                   const QueueOutcome& outcome) const;
  void finish();

  OutgoingHouse& house_;
  const OutgoingTerms terms_;
  std::shared_ptr<Outgoing*> self_;  // for callbacks that may come late
  StsPolicies::Question sts_question_;
  StsVerdict sts_;
  std::unique_ptr<Routing> routing_;
  Resolver::Question tlsa_question_;
  std::unique_ptr<Dialer> dialer_;
  std::shared_ptr<OutgoingDriver> driver_;
  Route route_;
  std::size_t target_ = 0;
  TlsPlan plan_;  // for it
  std::shared_ptr<TlsFinding> finding_;
  bool in_the_clear_ = false;  // TLS was tried with this target, in vain
  bool tls_failed_ = false;
  bool policy_failed_ = false;                // a policy of the domain stood in the way
  bool leads_to_us_ = false;                  // the host that was connected to
  bool was_connected_ = false;                // a session got so far that it could send
  std::uint64_t let_in_at_ = 0;               // of the loop's clock, when that was
  bool connecting_ = false;                   // a connection is open
  std::shared_ptr<Consignment> consignment_;  // in hand; null: none
  bool leaves_host_ = false;                  // the one in hand is for the route's next one
  bool has_left_host_ = false;                // for another
  std::size_t hosts_asked_ = 0;               // that have let us in
  AttemptResult last_failure_;
  RouteAnswers answers_;                              // of hosts that did not let us in
  std::map<RecipientRow, RouteAnswers> answers_for_;  // theirs, and what others said to the one in hand
  std::set<RecipientRow> put_off_;                    // of those: some host that let us in has not, now
};

}  // namespace mailstead
