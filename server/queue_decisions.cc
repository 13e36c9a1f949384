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

bool may_trace(const QueuedMessage& message, const QueuedRecipient& recipient) {
  const auto& notify = recipient.recipient.notify;
  const bool never = notify && !notify->success && !notify->failure && !notify->delay;
  return message.envelope.reverse_path && !never && !has(recipient.sent, QueueReports::kSuccess);
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
  const auto& deliver_by = message.envelope.deliver_by;
  if (result.kind == AttemptResult::Kind::kDelivered) {
    outcome.attempt.outcome = QueueState::kDelivered;
    outcome.passed_on = result.passed_on;
    if (!result.passed_on) owe(QueueReports::kSuccess);
    // RFC 2852 4.1.4 and 4.1.5: that it was passed on is told to who wants a trace of it, and where the next
    // host does not keep the time.
    const bool is_told = deliver_by && (deliver_by->traced || !result.deliver_by_passed_on);
    if (is_told && may_trace(message, recipient)) outcome.due = outcome.due | QueueReports::kSuccess;
    return outcome;
  }
  if (result.kind == AttemptResult::Kind::kDeferred) {
    outcome.next_at = now + delay_after(recipient.attempts, terms, jitter);
    // The last attempt is made when the time is over, not up to a step of the schedule before.
    const std::int64_t begin = std::max(message.received_at, message.envelope.hold_until);
    std::int64_t end = begin + terms.expire.count();
    if (deliver_by && deliver_by->returns) end = std::min(end, deliver_by->at);
    if (now < end) {
      outcome.next_at = std::min(outcome.next_at, std::max(end, now + 1));
      bool is_late = terms.delay_warning.count() > 0 && now >= begin + terms.delay_warning.count();
      if (deliver_by && !deliver_by->returns && deliver_by->at > message.received_at) {
        is_late = is_late || now >= deliver_by->at;
        if (now < deliver_by->at) outcome.next_at = std::min(outcome.next_at, deliver_by->at);
      }
      if (is_late) owe(QueueReports::kDelay);
      return outcome;
    }
    if (deliver_by && deliver_by->returns && now >= deliver_by->at) outcome.attempt.status = "5.4.7";
    outcome.attempt.status = outcome.attempt.status.empty() ? "5.4.7" : permanent(outcome.attempt.status);
    outcome.next_at = 0;
  }
  outcome.attempt.outcome = QueueState::kFailed;
  owe(QueueReports::kFailure);
  return outcome;
}

}  // namespace mailstead
