// Deletes mail whose time is over, where the configuration has one: RFC 2449 6.7, EXPIRE.
//
// Every ten minutes the store is told how long the server has run since, and each mailbox is looked at, one
// by one, so that other work has its turn between two of them. A mailbox that a session holds is looked at
// when that is over, or at its next login (Pop3Driver), before the session sees its messages. What one look
// does not finish the next one goes on with.
//
// Ownership: one for the server. Threads: the reactor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <vector>

#include "server/services.h"

namespace mailstead {

class Expiry {
 public:
  static constexpr std::size_t kSlice = 1'000;  // messages deleted in one commit

  Expiry(uv_loop_t* loop, Services& services);

  void start();
  // Frees the timer; no callback runs any more.
  void stop();

 private:
  void tick();
  void look_at_next();

  uv_loop_t* loop_;
  Services& services_;
  uv_timer_t timer_{};
  std::uint64_t last_ = 0;  // loop time, ms
  std::vector<MailboxId> waiting_;
  bool looking_ = false;
};

// For the log and the counters.
void note_expired(Services& services, MailboxId mailbox, std::size_t messages, std::uint32_t days);

}  // namespace mailstead
