#include "server/queue_decisions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mailstead {

namespace {

std::int64_t delay_after(std::uint32_t attempts, const QueueTerms& terms, double jitter) {
  const std::size_t step = std::min<std::size_t>(attempts, terms.retry.size() - 1);
  const auto seconds = static_cast<double>(terms.retry[step].count());
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(seconds * (1 + jitter / 10)));
}

// RFC 3463 2: the same thing, but for good.
std::string permanent(std::string status) {
  if (status.starts_with("4.")) status[0] = '5';
  return status;
}

}  // namespace

bool may_report(const QueuedMessage& message, const QueuedRecipient& recipient, QueueReports report) {
  if (!message.envelope.reverse_path || has(recipient.sent, report) || has(recipient.due, report))
    return false;
  const auto& notify = recipient.recipient.notify;
  switch (report) {
    case QueueReports::kFailure:
      return !notify || notify->failure;
    case QueueReports::kDelay:
      return !notify || notify->delay;
    case QueueReports::kSuccess:
      return notify && notify->success;
    case QueueReports::kNone:
      break;
  }
  return false;
}

QueueOutcome decide(const QueuedMessage& message, const QueuedRecipient& recipient, AttemptResult result,
                    std::int64_t now, const QueueTerms& terms, double jitter) {
  QueueOutcome outcome;
  outcome.recipient = recipient.row;
  outcome.attempt = {now, QueueState::kWaiting, std::move(result.status), std::move(result.host),
                     std::move(result.reply)};
  const auto owe = [&](QueueReports report) {
    if (may_report(message, recipient, report)) outcome.due = outcome.due | report;
  };
  if (result.kind == AttemptResult::Kind::kDelivered) {
    outcome.attempt.outcome = QueueState::kDelivered;
    outcome.passed_on = result.passed_on;
    if (!result.passed_on) owe(QueueReports::kSuccess);
    return outcome;
  }
  if (result.kind == AttemptResult::Kind::kDeferred) {
    outcome.next_at = now + delay_after(recipient.attempts, terms, jitter);
    // The last attempt is made when the time is over, not up to a step of the schedule before.
    const std::int64_t end = message.received_at + terms.expire.count();
    if (now < end) {
      outcome.next_at = std::min(outcome.next_at, std::max(end, now + 1));
      if (terms.delay_warning.count() > 0 && now >= message.received_at + terms.delay_warning.count()) {
        owe(QueueReports::kDelay);
      }
      return outcome;
    }
    outcome.attempt.status = outcome.attempt.status.empty() ? "5.4.7" : permanent(outcome.attempt.status);
    outcome.next_at = 0;
  }
  outcome.attempt.outcome = QueueState::kFailed;
  owe(QueueReports::kFailure);
  return outcome;
}

}  // namespace mailstead
