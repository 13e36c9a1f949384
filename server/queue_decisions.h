// What follows from an attempt: try again, when; give up; whom to tell.
//
// Pure functions; any thread. Times are Unix seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/queue.h"

namespace mailstead {

struct QueueTerms {
  // How long after the first, second, … attempt the next one is made; the last one repeats. Not empty.
  std::vector<std::chrono::seconds> retry;
  std::chrono::seconds expire{0};         // since it was received
  std::chrono::seconds delay_warning{0};  // since it was received; 0: never
};

// What an attempt came to for one recipient.
struct AttemptResult {
  enum class Kind { kDelivered, kDeferred, kFailed };

  Kind kind = Kind::kDeferred;
  std::string status;  // enhanced status code
  std::string host;
  std::string reply;
  bool passed_on = false;             // the next host reports what there is to report (RFC 3461 5.2.7)
  bool deliver_by_passed_on = false;  // and keeps the time of RFC 2852
};

// May the sender be told of this? (RFC 3461 4.1: failure is the default, success has to be asked for; nobody
// is told of what has no reverse-path, RFC 5321 6.1.)
bool may_report(const QueuedMessage& message, const QueuedRecipient& recipient, QueueReports report);

// May the sender be told that it was passed on, though he did not ask for success? Not after NOTIFY=NEVER.
bool may_trace(const QueuedMessage& message, const QueuedRecipient& recipient);

// `jitter`: from -1 to 1; the next attempt is up to a tenth earlier or later by it, so that what failed
// together is not tried together.
QueueOutcome decide(const QueuedMessage& message, const QueuedRecipient& recipient, AttemptResult result,
                    std::int64_t now, const QueueTerms& terms, double jitter);

}  // namespace mailstead
