// What domains demand of TLS (MTA-STS, RFC 8461): asked of DNS, fetched by HTTPS, remembered in the store.
//
// A policy that was fetched once holds until its max_age is over, also when nobody can be asked any more: who
// stands between us and the domain cannot make us forget it. While a domain is written to, its policy is
// fetched again once a day. A fetch that fails is not repeated for kStsPause. Ownership: the queue runner's.
// Threads: the reactor.
#pragma once

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocols/tls/mta_sts.h"
#include "protocols/tls/tls_report.h"
#include "server/log.h"
#include "server/net/resolver.h"
#include "server/outgoing/https_exchange.h"
#include "server/storage_thread.h"

namespace mailstead {

inline constexpr std::chrono::seconds kStsPause{300};      // RFC 8461 3.3: five minutes and more
inline constexpr std::chrono::seconds kStsRenewal{86400};  // RFC 8461 5.1 and 10.2

// A domain's policy, or why there is none.
struct StsVerdict {
  std::shared_ptr<const StsPolicy> policy;  // null: none
  std::string text;                         // of the policy
  // kSuccess, or how the newest policy that is announced could not be had; then `policy` may be an older one.
  TlsVerdict fetched = TlsVerdict::kSuccess;
  std::string why = {};
};

class StsPolicies {
 public:
  struct Context {
    uv_loop_t* loop;
    Resolver& resolver;
    const TlsClientContext& tls;
    StorageThread& storage;
    Log& log;
  };
  using Done = std::function<void(const StsVerdict&)>;
  // Who waits keeps it, and hears nothing once it has let go of it.
  using Question = std::shared_ptr<Done>;

  explicit StsPolicies(Context context) : context_(context) {}

  // Reads what the store remembers; `done` runs when it is there.
  void load(std::function<void()> done);
  // `domain` of A-labels. `done` runs later, never inside the call.
  [[nodiscard]] Question find(const std::string& domain, Done done);
  // Nobody hears anything any more.
  void stop();

 private:
  struct Known {
    std::string id;
    std::string text;
    std::shared_ptr<const StsPolicy> policy;
    std::int64_t fetched_at = 0;  // Unix seconds
    bool is_good(std::int64_t now) const { return now < fetched_at + policy->max_age; }
  };
  struct Trouble {
    std::int64_t until = 0;  // Unix seconds: not before it is tried again
    TlsVerdict verdict = TlsVerdict::kSuccess;
    std::string why;
  };
  struct Search {
    Resolver::Question announced;
    std::string id;  // that is announced
    std::unique_ptr<HttpsExchange> fetch;
    Resolver::Question soon;  // nothing is looked up: it is told in a later turn of the loop
    std::vector<std::weak_ptr<Done>> waiting;
  };

  void on_announced(const std::string& domain, const dns::Answer& answer);
  void fetch(const std::string& domain);
  void on_fetched(const std::string& domain, const Result<HttpsAnswer>& answer);
  void make_room();
  void refuse(const std::string& domain, TlsVerdict verdict, std::string why);
  void conclude(const std::string& domain);
  void tell(Search& search, const std::string& domain);
  std::shared_ptr<const Known> known(const std::string& domain) const;

  Context context_;
  std::unordered_map<std::string, std::shared_ptr<const Known>> known_;
  std::unordered_map<std::string, Trouble> troubles_;
  std::unordered_map<std::string, Search> searches_;
};

}  // namespace mailstead
