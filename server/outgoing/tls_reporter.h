// Counts how TLS with other hosts came out, and tells their domains once a day, where they ask for it (RFC
// 8460).
//
// Counts are written down once a minute: a crash takes those of the last one. A report of a day goes out some
// time within the first hours of the next (UTC), by mail of ours, signed, that needs no TLS to arrive, or by
// HTTPS. What cannot be told for kReportPatienceDays is given up. Ownership: the queue runner's. Threads: the
// reactor.
#pragma once

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "admin/config/config.h"
#include "protocols/tls/tls_report.h"
#include "server/log.h"
#include "server/net/resolver.h"
#include "server/outgoing/https_exchange.h"
#include "server/signing.h"
#include "server/storage_thread.h"
#include "storage/database/tls_facts.h"

namespace mailstead {

inline constexpr std::int64_t kReportPatienceDays = 3;

class TlsReporter {
 public:
  struct Context {
    uv_loop_t* loop;
    const Config& config;  // the newest
    Log& log;
    StorageThread& storage;
    Signing& signing;
    Resolver& resolver;
    const TlsClientContext& tls;
  };

  explicit TlsReporter(Context context);

  // One connection. `count.day` and `count.sessions` are set here.
  void count(TlsCount count);
  // Call it once a minute or so: writes down, and begins what is due.
  void tend();
  // Writes down what there is; nothing new begins.
  void stop();

 private:
  struct Job;

  void write_down();
  void look_for_due();
  void next();
  void on_places(const dns::Answer& answer);
  void on_counts(const std::shared_ptr<Job>& job);
  void send(const std::shared_ptr<Job>& job);
  void send_mail(const std::shared_ptr<Job>& job, const std::string& to);
  void post(const std::shared_ptr<Job>& job, const std::string& url);
  void told(const std::shared_ptr<Job>& job, const std::string& place, const Result<void>& result);
  void settle(const std::shared_ptr<Job>& job);
  void put_off();

  Context context_;
  const std::int64_t delay_;  // seconds after midnight: not everybody reports at the same time
  std::vector<TlsCount> counts_;
  std::int64_t written_at_ = 0;  // Unix seconds, as the next
  std::int64_t looked_at_ = 0;
  bool looking_ = false;
  bool stopped_ = false;
  std::deque<DueTlsReport> due_;
  std::shared_ptr<Job> job_;  // under way; null: none
};

}  // namespace mailstead
