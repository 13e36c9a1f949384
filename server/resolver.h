// The DNS for everybody on the reactor: questions in, answers as values out. What is asked already is not
// asked twice, and what was answered is kept as long as it holds (dns_cache.h).
//
// Ownership: who asks holds the ticket as long as he wants the answer; without it nothing is called. `done`
// runs once, in a later turn of the loop and never within ask(); it may ask, and drop tickets. Destroying the
// resolver answers nobody any more; its handles are freed in their close callbacks. Threads: the reactor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/config.h"
#include "protocols/dns_message.h"
#include "protocols/result.h"
#include "server/dns_cache.h"
#include "server/dns_channel.h"

namespace mailstead {

class Resolver {
 public:
  using Done = std::function<void(const DnsAnswer&)>;
  using Ticket = std::shared_ptr<const void>;

  // As long as no servers can be used, every answer is kTemporary.
  explicit Resolver(uv_loop_t* loop);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Reads resolv.conf again as well; forgets what is kept, and asks again what is asked now. An error leaves
  // everything as it was. May be called within a `done`.
  Result<void> configure(const Config::Resolver& config);

  [[nodiscard]] Ticket ask(DnsQuestion question, Done done);
  // For who knows the answer already: `done` as if it had been asked for.
  [[nodiscard]] Ticket later(std::function<void()> done);

 private:
  struct Asker {
    Done done;
  };
  using Askers = std::vector<std::weak_ptr<Asker>>;
  struct Delivery {
    std::weak_ptr<Asker> to;
    DnsAnswer answer;
  };

  void send(const DnsQuestion& question, Edns edns);
  void read(const DnsQuestion& question, Edns edns, std::string_view message);
  void deliver(const std::weak_ptr<Asker>& to, DnsAnswer answer);
  void run_deliveries();

  uv_loop_t* loop_;
  uv_timer_t* turn_;  // the next turn of the loop, for deliveries
  std::unique_ptr<DnsChannel> channel_;
  Edns edns_ = Edns::kYes;  // until a server does not understand it
  DnsCache cache_;
  std::map<DnsQuestion, Askers> asked_;
  std::vector<Delivery> deliveries_;
};

}  // namespace mailstead
