// What the drivers of all connections share: made once by the server, which owns it all.
// Threads: the reactor.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "admin/config/config.h"
#include "admin/counters.h"
#include "server/log.h"
#include "server/policy/border.h"
#include "server/policy/known_peers.h"
#include "server/policy/login.h"
#include "server/policy/login_delay.h"
#include "server/policy/refusals.h"
#include "server/policy/smtp_policies.h"
#include "server/signing.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"

namespace mailstead {

// What becomes of mail that is deleted now, by whom.
inline DeleteTerms delete_terms(const Config& config, std::string device) {
  return {config.pop3.deleted_kept_days > 0 ? Deleted::kKept : Deleted::kFreed, std::move(device)};
}

// Who deletes mail whose time is over, for people.
inline constexpr const char* kExpiryDevice = "(expiry)";

struct Services {
  const Config& config;  // the newest; replaced as a whole by a reload
  Log& log;
  StorageThread& storage;
  Signing& signing;
  Border& border;
  WorkQueue& files;  // reading messages, spooling large ones
  Login& login;
  LoginDelay& login_delay;
  SmtpPolicies& policies;
  KnownPeers& known_peers;
  Counters& counters;
  Refusals& refusals;
};

inline FreeTerms free_terms(const Config& config) {
  return {std::int64_t{config.pop3.deleted_kept_days} * 24 * 3600, config.limits.free_space};
}

}  // namespace mailstead
