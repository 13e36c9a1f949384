#include "server/outgoing/queue_decisions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mailstead {

namespace {

constexpr std::int64_t kLongAttempt = 600;  // seconds, of waiting for hosts and for room among others

std::int64_t begin_of(const QueuedMessage& message) {
  return std::max(message.received_at, message.envelope.hold_until);
}

// At least as long as delay_after(), and an attempt.
std::int64_t accounted_for(std::uint32_t attempts, const QueueTerms& terms) {
  const auto step = [](std::chrono::seconds delay) {
    const std::int64_t seconds = std::max<std::int64_t>(1, delay.count());
    return seconds + (seconds + 9) / 10 + std::min(seconds, kLongAttempt);
  };
  std::int64_t sum = 0;
  std::uint32_t count = 0;
  for (; count < attempts && count < terms.retry.size(); ++count) sum += step(terms.retry[count]);
  return sum + static_cast<std::int64_t>(attempts - count) * step(terms.retry.back());
}

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

void RouteAnswers::note(Answer answer) {
  const auto known = std::ranges::find(answers_, answer.host, &Answer::host);
  if (known != answers_.end()) {
    const bool is_final = known->result.kind != AttemptResult::Kind::kDeferred;
    if (is_final && answer.result.kind == AttemptResult::Kind::kDeferred) return;
    answers_.erase(known);
  }
  answers_.push_back(std::move(answer));
}

const AttemptResult& RouteAnswers::conclusion() const {
  const Answer* best = &answers_.back();
  const auto weight = [](const Answer& answer) {
    return answer.result.kind == AttemptResult::Kind::kDeferred ? 2 : answer.is_lack ? 1 : 0;
  };
  for (const Answer& each : answers_) {
    if (weight(each) >= weight(*best)) best = &each;
  }
  return best->result;
}

WayOutRoom room_for(const WaysOut& ways, std::size_t limit) {
  const std::size_t besides = 3 * limit;
  const std::size_t counted = ways.counted + (ways.silent > besides ? ways.silent - besides : 0);
  if (counted >= limit) return WayOutRoom::kNobody;
  return ways.silent < limit ? WayOutRoom::kAll : WayOutRoom::kNotSuspect;
}

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

std::int64_t age_of(const QueuedMessage& message, const QueuedRecipient& recipient, std::int64_t now,
                    const QueueTerms& terms) {
  const std::int64_t accounted = accounted_for(recipient.attempts, terms);
  const std::int64_t begin = begin_of(message);
  return now < begin ? accounted : std::min(now - begin, accounted);
}

std::int64_t longest_delay(const QueueTerms& terms) {
  const std::int64_t longest = std::ranges::max(terms.retry).count();
  return longest + longest / 10 + 1;
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
    const std::int64_t age = age_of(message, recipient, now, terms);
    // The sender gave a moment: the clock's word is what there is for it.
    const bool is_returned = deliver_by && deliver_by->returns && now >= deliver_by->at;
    if (age < terms.expire.count() && !is_returned) {
      // The last attempt is made when the time is over, not up to a step of the schedule before.
      const std::int64_t end = begin_of(message) + terms.expire.count();
      if (now < end) outcome.next_at = std::min(outcome.next_at, end);
      if (deliver_by && now < deliver_by->at) outcome.next_at = std::min(outcome.next_at, deliver_by->at);
      bool is_late = terms.delay_warning.count() > 0 && age >= terms.delay_warning.count();
      if (deliver_by && !deliver_by->returns && deliver_by->at > message.received_at)
        is_late = is_late || now >= deliver_by->at;
      if (is_late) owe(QueueReports::kDelay);
      return outcome;
    }
    if (is_returned) outcome.attempt.status = "5.4.7";
    outcome.attempt.status = outcome.attempt.status.empty() ? "5.4.7" : permanent(outcome.attempt.status);
    outcome.next_at = 0;
  }
  outcome.attempt.outcome = QueueState::kFailed;
  owe(QueueReports::kFailure);
  return outcome;
}

}  // namespace mailstead
