// What follows from an attempt: try again, when; give up; whom to tell.
//
// Pure functions; any thread. Times are Unix seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/queue/queue.h"

namespace mailstead {

struct QueueTerms {
  // How long after the first, second, … attempt the next one is made; the last one repeats. Not empty.
  std::vector<std::chrono::seconds> retry;
  std::chrono::seconds expire{0};         // its age, see age_of()
  std::chrono::seconds delay_warning{0};  // its age; 0: never
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

// What the hosts of a route came to for one message, that nobody took. A host has an address or more: what
// one of them said for good is the host's word, whether or not the others answer.
class RouteAnswers {
 public:
  void note(const std::string& host, const AttemptResult& result) { note({host, result, false}); }
  // It lacks what the message needs.
  void note_lack(const std::string& host, const AttemptResult& result) { note({host, result, true}); }
  // Of what was noted, which is something: a host that may be there another time is waited for; else what one
  // lacks; else the last word.
  const AttemptResult& conclusion() const;

 private:
  struct Answer {
    std::string host;
    AttemptResult result;
    bool is_lack;
  };

  void note(Answer answer);

  std::vector<Answer> answers_;  // one for each host, in the order they came
};

// The ways out there are.
struct WaysOut {
  std::size_t counted = 0;  // somebody has answered, or may yet at once
  std::size_t silent = 0;   // nobody has answered for kSilentAfter, or did the time before
};

inline constexpr std::chrono::seconds kSilentAfter{3};

// Whom there is room for.
enum class WayOutRoom { kNobody, kNotSuspect, kAll };

// Of at most `limit` ways out that count. A host that does not answer is waited for, for long; not to keep
// others waiting, three times as many of those may be there besides, and a third of that for destinations
// where nobody answered the last time, so that they leave the rest to new ones.
WayOutRoom room_for(const WaysOut& ways, std::size_t limit);

// May the sender be told of this? (RFC 3461 4.1: failure is the default, success has to be asked for; nobody
// is told of what has no reverse-path, RFC 5321 6.1.)
bool may_report(const QueuedMessage& message, const QueuedRecipient& recipient, QueueReports report);

// May the sender be told that it was passed on, though he did not ask for success? Not after NOTIFY=NEVER.
bool may_trace(const QueuedMessage& message, const QueuedRecipient& recipient);

// How long it has been tried, in seconds, as far as its own attempts account for what the clock says: each
// for the delay before it and for the time that it may have taken itself. A clock that jumps ahead, a server
// that was switched off and mail that was held by hand make nothing old; such mail is tried for longer, up to
// twice `expire` in all. So is what has few attempts since `retry` was longer before. A try by hand counts as
// one that was waited for, which tells only where the clock is ahead, too. A message of the future (the clock
// was set back) is as old as its attempts.
std::int64_t age_of(const QueuedMessage& message, const QueuedRecipient& recipient, std::int64_t now,
                    const QueueTerms& terms);

// The longest that an attempt is waited for, unless the sender wants it.
std::int64_t longest_delay(const QueueTerms& terms);

// `jitter`: from -1 to 1; the next attempt is up to a tenth earlier or later by it, so that what failed
// together is not tried together.
QueueOutcome decide(const QueuedMessage& message, const QueuedRecipient& recipient, AttemptResult result,
                    std::int64_t now, const QueueTerms& terms, double jitter);

}  // namespace mailstead
