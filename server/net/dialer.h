// Connects to one address, or finds that it does not answer.
//
// Ownership: of who waits; destroying it ends the attempt, and `done` never runs. Threads: the reactor.
#pragma once

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <functional>

#include "protocols/ip_address.h"
#include "protocols/result.h"

namespace mailstead {

inline constexpr std::chrono::milliseconds kDialPatience{30'000};

class Dialer {
 public:
  // A connected, non-blocking socket, which is the receiver's, or in a few words why there is none.
  using Done = std::function<void(Result<int> socket)>;

  // `done` runs later, never inside the constructor; it may destroy the Dialer.
  Dialer(uv_loop_t* loop, const IpAddress& address, std::uint16_t port, Done done);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

 private:
  struct Attempt;

  Attempt* attempt_;  // frees itself when its handles are closed
};

}  // namespace mailstead
