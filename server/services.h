// What the drivers of all connections share: made once by the server, which owns it all.
// Threads: the reactor.
#pragma once

#include <cstdint>

#include "admin/config.h"
#include "server/log.h"
#include "server/login.h"
#include "server/login_delay.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"

namespace mailstead {

struct Counters {
  std::uint64_t accepted = 0;   // messages
  std::uint64_t refused = 0;    // refused senders, recipients, messages
  std::uint64_t retrieved = 0;  // messages sent whole by RETR
  std::uint64_t expired = 0;    // messages deleted because their time was over
};

struct Services {
  const Config& config;  // the newest; replaced as a whole by a reload
  Log& log;
  StorageThread& storage;
  WorkQueue& files;  // reading messages, spooling large ones
  Login& login;
  LoginDelay& login_delay;
  Counters& counters;
};

}  // namespace mailstead
