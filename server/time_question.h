// One question for the time by SNTP (protocols/sntp.h), over UDP.
//
// Ownership: of who waits; destroying it ends it, and `done` never runs. Threads: the reactor. Who waits has
// to bring patience's end: lost packets are not sent again.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "protocols/ip_address.h"

namespace mailstead {

class TimeQuestion {
 public:
  // By how many seconds our clock is behind; nullopt: no good answer.
  using Done = std::function<void(std::optional<double>)>;

  // `done` runs later, never inside the constructor, and may destroy it.
  TimeQuestion(uv_loop_t* loop, const IpAddress& address, std::uint16_t port, Done done);
  ~TimeQuestion();
  TimeQuestion(const TimeQuestion&) = delete;
  TimeQuestion& operator=(const TimeQuestion&) = delete;

 private:
  struct Exchange;

  Exchange* exchange_;  // frees itself in its last close callback
};

}  // namespace mailstead
