// Works the queue off: what is due is taken to other hosts, and who has to be told is told.
//
// It owns the connections to other hosts (outgoing.h), the schedule of what is due, and the reports. Nothing
// is in memory only: what an attempt came to counts when the store has it. Ownership: one for the server.
// Threads: the reactor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "admin/config/config.h"
#include "server/log.h"
#include "server/net/connection_set.h"
#include "server/net/resolver.h"
#include "server/net/tls_client.h"
#include "server/outgoing/local_delivery.h"
#include "server/outgoing/outgoing.h"
#include "server/outgoing/queue_decisions.h"
#include "server/outgoing/queue_schedule.h"
#include "server/outgoing/reporter.h"
#include "server/outgoing/sts_policies.h"
#include "server/outgoing/tls_reporter.h"
#include "server/signing.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"

namespace mailstead {

class QueueRunner final : private OutgoingHouse {
 public:
  struct Context {
    uv_loop_t* loop;
    const Config& config;  // the newest
    Log& log;
    StorageThread& storage;
    WorkQueue& files;
    Resolver& resolver;
    Signing& signing;  // of reports
    // Could a server at this address be this one?
    std::function<bool(const IpAddress&)> is_ours;
  };

  QueueRunner(Context context);
  ~QueueRunner();
  QueueRunner(const QueueRunner&) = delete;
  QueueRunner& operator=(const QueueRunner&) = delete;

  void start();
  // The configuration has changed.
  void reload();
  // No new attempts; those under way end with their transactions. `stopped` runs when all have.
  void stop(std::function<void()> stopped);
  // Once: transactions are given up. Twice: connections are cut.
  void hurry();

  std::size_t connections() const { return outgoing_.size(); }
  // Of this run, recipients.
  std::uint64_t sent() const { return sent_; }
  std::uint64_t failed() const { return failed_; }
  std::size_t waiting() const { return schedule_.waiting(); }
  // Attempts that all failed for now, since the last that did not.
  struct Standstill {
    std::int64_t since = 0;         // Unix seconds; 0: there is none
    std::set<std::string> domains;  // that it was for, the first hundred: where no host can be asked, too
  };
  const Standstill& standstill() const { return standstill_; }

 private:
  // What an Outgoing needs.
  OutgoingHouse& house() { return *this; }
  uv_loop_t* loop() override { return context_.loop; }
  Log& log() override { return context_.log; }
  StorageThread& storage() override { return context_.storage; }
  WorkQueue& files() override { return context_.files; }
  Resolver& resolver() override { return context_.resolver; }
  ConnectionSet& connections_of() override { return connections_; }
  const TlsClientContext& tls() override { return tls_; }
  StsPolicies& sts_policies() override { return sts_policies_; }
  TlsReporter& tls_reporter() override { return tls_reporter_; }
  RoutingTerms routing_terms() const override;
  std::string hostname() const override { return context_.config.hostname; }
  bool is_stopping() const override { return stopping_; }
  std::optional<QueueSchedule::Work> next_work(const std::string& destination) override;
  bool is_wanted(RecipientRow recipient) override { return schedule_.waits(recipient); }
  void give_back(const std::vector<RecipientRow>& recipients) override;
  void put_off(const std::vector<RecipientRow>& recipients) override;
  void attempted(std::vector<QueueOutcome> outcomes) override;
  QueueOutcome decide_outcome(const QueuedMessage& message, const QueuedRecipient& recipient,
                              AttemptResult result) override;
  void set_suspect(const std::string& destination, bool suspect) override;
  bool leave_to_others(const std::string& destination) override;
  bool gives_way(const std::string& destination) override;
  void ended(Outgoing& outgoing) override;

  void load(QueueRow after);
  void load_later(QueueRow after, const std::string& why);
  void apply(const std::vector<QueueEntry>& changes);
  void pump();
  void pump_soon();
  WaysOut ways_out() const;
  std::optional<std::string> next_destination(std::int64_t now);
  std::uint64_t sleep_until_next(std::int64_t now) const;
  void begin(const std::string& destination);
  void begin_here();
  // The time; sees whether the clock was set back.
  std::int64_t clock();
  // Of these messages what waits for a time that no delay can have been meant for is tried now. What its
  // sender wants held stays.
  void try_those_put_off_too_far(std::vector<QueueRow> messages, std::int64_t latest);
  bool is_everything_noted() const { return not_noted_.empty(); }
  void watch_for_standstill(const QueueOutcome& outcome, const std::string& domain);
  void note(std::vector<QueueOutcome> outcomes);
  void try_to_note_again();
  void tell_not_noted(const std::string& why);
  QueueSchedule::DestinationOf destinations() const;
  OutgoingTerms terms_for(const std::string& destination) const;
  QueueTerms queue_terms() const;
  void check_stopped();

  Context context_;
  TlsClientContext tls_;
  StsPolicies sts_policies_;
  TlsReporter tls_reporter_;
  ConnectionSet connections_;
  QueueSchedule schedule_;
  Reporter reporter_;
  uv_timer_t timer_{};
  struct UnderWay {
    std::unique_ptr<Outgoing> outgoing;
    std::uint64_t silent_from = 0;  // of the loop's clock, unless somebody answers
  };
  std::unordered_map<Outgoing*, UnderWay> outgoing_;
  std::vector<std::unique_ptr<Outgoing>> ended_;  // to be destroyed in a later turn
  std::unordered_map<LocalDelivery*, std::unique_ptr<LocalDelivery>> here_;
  std::vector<std::unique_ptr<LocalDelivery>> ended_here_;
  Standstill standstill_;
  std::vector<QueueOutcome> not_noted_;  // nothing is begun until the store has it
  bool is_noting_again_ = false;
  bool is_trouble_told_ = false;
  std::vector<RecipientRow> put_off_;
  std::int64_t put_off_until_ = 0;
  std::int64_t clock_ = 0;
  bool look_at_all_ = false;  // for who is put off too far
  std::string password_;      // of the smarthost
  std::uint64_t sent_ = 0;
  std::uint64_t failed_ = 0;
  struct LoadAgain {
    QueueRow after = 0;
    std::uint64_t at = 0;  // of the loop's clock
  };
  std::optional<LoadAgain> load_again_;  // the store could not be read
  bool loaded_ = false;
  bool stopping_ = false;
  bool hurried_ = false;
  std::function<void()> stopped_;
};

}  // namespace mailstead
