// Mail on its way out: what is queued, for whom, and what became of it.
//
// A queued message is one file and one row, and a row for each recipient that lies elsewhere or of whom the
// sender wants to hear. Plain values; any thread. Times are Unix seconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocols/smtp/envelope.h"

namespace mailstead {

using QueueRow = std::int64_t;      // of a message; never reused
using RecipientRow = std::int64_t;  // of one of its recipients; never reused

enum class QueueState : std::int64_t {
  kWaiting = 0,    // to be tried at next_at
  kDelivered = 1,  // by another host, or into a mailbox here
  kFailed = 2,     // for good
  kDropped = 3,    // taken out by hand
};

// Reports that a recipient's sender is owed (RFC 3461 5), a set.
enum class QueueReports : std::int64_t { kNone = 0, kFailure = 1, kDelay = 2, kSuccess = 4 };
constexpr QueueReports operator|(QueueReports a, QueueReports b) {
  return static_cast<QueueReports>(static_cast<std::int64_t>(a) | static_cast<std::int64_t>(b));
}
constexpr bool has(QueueReports set, QueueReports one) {
  return (static_cast<std::int64_t>(set) & static_cast<std::int64_t>(one)) != 0;
}

// What an attempt came to, in the other side's words where it had any.
struct QueueAttempt {
  std::int64_t at = 0;
  QueueState outcome = QueueState::kWaiting;  // kWaiting: to be tried again
  std::string status;                         // enhanced status code, "4.4.1"
  std::string host;                           // that was talked to; may be empty
  std::string reply;                          // "450 4.7.1 try later", or our own words
};

// What was done with a message besides attempts. Numbers in the database: never change one.
enum class QueueEventKind : std::int64_t {
  kHeld = 0,  // these by hand
  kReleased = 1,
  kRetried = 2,
  kDropped = 3,
  kFailureReported = 4,  // to its sender
  kDelayReported = 5,
  kSuccessReported = 6,
};
struct QueueEvent {
  std::int64_t at = 0;
  QueueEventKind kind = QueueEventKind::kHeld;
  std::int64_t recipient = 0;  // a RecipientRow; 0: of all
  std::string report = {};     // its queue id, where one was sent
};

struct QueuedRecipient {
  RecipientRow row = 0;
  Recipient recipient;
  QueueState state = QueueState::kWaiting;
  QueueReports due = QueueReports::kNone;   // to be sent
  QueueReports sent = QueueReports::kNone;  // on their way, or decided against
  bool passed_on = false;                   // the next host sends what reports there will be
  std::uint32_t attempts = 0;
  std::int64_t next_at = 0;
  QueueAttempt last = {};  // at 0: none yet
};

struct QueuedMessage {
  QueueRow row = 0;
  std::string id;     // queue id
  Envelope envelope;  // its recipients are those of `recipients`
  std::string user;   // who handed it in; empty: nobody did
  std::string message_id;
  std::uint64_t size = 0;  // octets
  bool eight_bit = false;  // it has octets beyond ASCII
  bool utf8_header = false;
  // No policy of its recipients' domains may stop it (RFC 8689 5).
  bool tls_is_optional = false;
  bool held = false;
  std::int64_t received_at = 0;
  std::int64_t finished_at = 0;  // 0: something is still to be done
  std::vector<QueuedRecipient> recipients;
};

// One recipient for whom something is to be done, or no longer is. The store tells of each change in the
// order it came about.
struct QueueEntry {
  RecipientRow recipient = 0;
  QueueRow message = 0;
  std::string domain;  // where it goes
  std::string sender;  // who is to have a fair share: the user who handed it in; empty: nobody of ours
  int priority = 0;    // larger ones of a sender go first
  bool waits = false;  // for an attempt at next_at
  bool report_due = false;
  std::int64_t next_at = 0;
};

// What is to be written down of a recipient after an attempt.
struct QueueOutcome {
  RecipientRow recipient = 0;
  QueueAttempt attempt;
  std::int64_t next_at = 0;                // with kWaiting
  QueueReports due = QueueReports::kNone;  // besides what is due already
  bool passed_on = false;
};

// A report that a message is, see Delivery::settles.
struct SettledReport {
  RecipientRow recipient = 0;
  QueueReports report = QueueReports::kNone;
};

struct QueueTotals {
  std::uint64_t messages = 0;    // unfinished
  std::uint64_t recipients = 0;  // waiting
  std::uint64_t held = 0;        // messages
  std::int64_t oldest_at = 0;    // when the oldest unfinished message came; 0: none
};

}  // namespace mailstead
