// Tells the postmaster by mail what will stop mail, or lose it, when nobody looks (admin/alerts.h).
//
// Looks once a minute. What was told outlasts restarts. A mail that cannot be delivered is tried again after
// ten minutes; the log has each trouble in any case. Ownership: one for the server. Threads: the reactor; the
// store's thread remembers.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "admin/alerts.h"
#include "admin/config/config.h"
#include "server/acme/acme.h"
#include "server/log.h"
#include "server/net/certificates.h"
#include "server/outgoing/queue_runner.h"
#include "server/signing.h"
#include "server/storage_thread.h"

namespace mailstead {

class Alerter {
 public:
  struct Context {
    const Config& config;  // the newest
    Log& log;
    StorageThread& storage;
    Signing& signing;
    const QueueRunner& queue;
    const Certificates& certificates;
    const Acme& acme;
  };

  explicit Alerter(const Context& context) : context_(context) {}

  // Call it once a minute or so. Nothing of it runs any more after stop().
  void tend();
  void stop() { stopped_ = true; }

 private:
  struct Look;  // one, from the facts to what was told

  void take_certificates(admin::AlertFacts& facts) const;
  void ask_store(const std::shared_ptr<Look>& look);
  void judge(const std::shared_ptr<Look>& look);
  void send(const std::shared_ptr<Look>& look);
  void keep(const std::shared_ptr<Look>& look);
  void end(const std::string& trouble);

  Context context_;
  bool is_looking_ = false;
  bool stopped_ = false;
  std::int64_t not_before_ = 0;        // after a mail that could not be delivered
  std::set<std::string> logged_ = {};  // of this run
};

}  // namespace mailstead
