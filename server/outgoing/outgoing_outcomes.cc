// What came of an attempt: who has the mail, who is asked next, and what is written down.
#include <algorithm>
#include <utility>

#include "server/outgoing/outgoing.h"
#include "server/outgoing/outgoing_driver.h"

namespace mailstead {

namespace {

// Of other messages for a destination that nobody answers at: so many are told so at a time.
constexpr std::size_t kMostSuspended = 200;

std::string status_of(const RemoteReply& reply, std::string_view otherwise) {
  return reply.enhanced.empty() ? std::string(otherwise) : reply.enhanced;
}

// Of a connection that came to no transaction. Many servers say no enhanced code, or one that speaks of the
// message, about what is wrong between them and this server: who sent it would be told that it is not wanted.
std::string status_of(const SmtpClientFailure& failure) {
  if (failure.stage == SmtpStage::kAuth) return "4.7.8";
  const bool is_refused = failure.reply.code >= 500;
  if (failure.stage == SmtpStage::kStartTls && is_refused) return "4.7.10";
  return status_of(failure.reply, failure.permanent ? "5.3.2" : "4.3.2");
}

AttemptResult attempt_of(const RecipientOutcome& outcome, const RouteTarget& target) {
  using Verdict = RecipientOutcome::Verdict;
  AttemptResult result;
  result.kind = outcome.verdict == Verdict::kDelivered ? AttemptResult::Kind::kDelivered
                : outcome.verdict == Verdict::kFailed  ? AttemptResult::Kind::kFailed
                                                       : AttemptResult::Kind::kDeferred;
  result.status = status_of(outcome.reply, outcome.verdict == Verdict::kDelivered ? "2.0.0"
                                           : outcome.verdict == Verdict::kFailed  ? "5.0.0"
                                                                                  : "4.0.0");
  result.host = target.words();
  result.reply = outcome.reply.line();
  result.deliver_by_passed_on = outcome.deliver_by_passed_on;
  return result;
}

}  // namespace

void Outgoing::remember(const SmtpClientFailure& failure) {
  tls_failed_ = failure.tls_failed;
  leads_to_us_ = failure.leads_to_us;
  // RFC 5321 3.1: this host takes no mail. Whether another one does is seen when it is tried.
  last_failure_ = {failure.permanent ? AttemptResult::Kind::kFailed : AttemptResult::Kind::kDeferred,
                   status_of(failure), route_[target_].words(), failure.reply.line(), false};
  if (failure.stage != SmtpStage::kStartTls) return;
  policy_failed_ = plan_.is_demanded;
  last_failure_.reply += demand_words(plan_);
  count(!failure.tls_failed                         ? TlsVerdict::kStartTlsNotSupported
        : finding_->verdict == TlsVerdict::kSuccess ? TlsVerdict::kValidationFailure
                                                    : finding_->verdict,
        finding_->words);
}

void Outgoing::report(const SmtpClientSession& session) {
  const auto consignment = std::exchange(consignment_, nullptr);
  if (consignment == nullptr) return;
  const std::vector<RecipientOutcome>& outcomes = session.outcomes();
  using Verdict = RecipientOutcome::Verdict;
  std::vector<QueueOutcome> decided;
  std::vector<RecipientRow> untried;
  std::vector<QueuedRecipient> for_others;
  std::string why;
  for (std::size_t i = 0; i < outcomes.size() && i < consignment->recipients.size(); ++i) {
    const QueuedRecipient& recipient = consignment->recipients[i];
    const RecipientOutcome& outcome = outcomes[i];
    // The transaction was full, or the connection closed between two messages: again, at once.
    if (outcome.verdict == Verdict::kNotTried) {
      untried.push_back(recipient.row);
      continue;
    }
    AttemptResult result = attempt_of(outcome, route_[target_]);
    result.passed_on = outcome.dsn_passed_on && recipient.recipient.notify.has_value();
    // A refusal is the domain's answer, whoever did not answer before; but who put it off, or lost it, is
    // waited for: a host of worse preference may know less of the mailboxes.
    const bool is_last_word = outcome.verdict == Verdict::kDelivered ||
                              (outcome.verdict == Verdict::kFailed && !outcome.server_lacks_it &&
                               !put_off_.contains(recipient.row));
    if (!is_last_word) {
      RouteAnswers& answers = note_answer(recipient.row, outcome, result);
      if (is_for_others(*consignment, outcome)) {
        for_others.push_back(recipient);
        why = result.reply;
        continue;
      }
      if (outcome.verdict != Verdict::kDeferred) result = answers.conclusion();
    }
    decided.push_back(house_.decide_outcome(consignment->message, recipient, std::move(result)));
    log_outcome(*consignment, recipient, decided.back());
  }
  house_.set_suspect(terms_.destination, false);
  house_.give_back(untried);
  house_.attempted(std::move(decided));
  if (!for_others.empty()) return leave_host(consignment, std::move(for_others), why);
  answers_for_.clear();
  put_off_.clear();
}

// RFC 5321 5.1: addresses are tried in order until an attempt succeeds. Never once a message was said to its
// end: who was asked next might have it as a second one.
bool Outgoing::is_for_others(const Consignment& consignment, const RecipientOutcome& outcome) const {
  if (!has_other_host()) return false;
  if (outcome.server_lacks_it) return true;
  return outcome.verdict == RecipientOutcome::Verdict::kDeferred && !outcome.end_was_said &&
         hosts_asked_ < kMostHostsAsked && !consignment.error && !house_.is_stopping();
}

RouteAnswers& Outgoing::note_answer(RecipientRow recipient, const RecipientOutcome& outcome,
                                    const AttemptResult& result) {
  RouteAnswers& answers = answers_for_.try_emplace(recipient, answers_).first->second;
  if (outcome.server_lacks_it) {
    answers.note_lack(route_[target_].host, result);
  } else {
    answers.note(route_[target_].host, result);
  }
  if (outcome.verdict == RecipientOutcome::Verdict::kDeferred) put_off_.insert(recipient);
  return answers;
}

bool Outgoing::has_other_host() const {
  return std::any_of(route_.begin() + static_cast<std::ptrdiff_t>(target_), route_.end(),
                     [this](const RouteTarget& each) { return each.host != route_[target_].host; });
}

// QUIT, if it can be said, and the domain's next host is asked for what this one does not take now, or lacks
// (RFC 8689 4.2.1).
void Outgoing::leave_host(std::shared_ptr<Consignment> consignment, std::vector<QueuedRecipient> recipients,
                          const std::string& why) {
  std::vector<RecipientRow> rows;
  for (const QueuedRecipient& each : recipients) rows.push_back(each.row);
  house_.log().info("host-left",
                    {{"id", consignment->message.id}, {"host", route_[target_].words()}, {"reply", why}});
  consignment->work.recipients = std::move(rows);
  consignment->recipients = std::move(recipients);
  consignment_ = std::move(consignment);
  leaves_host_ = has_left_host_ = true;
}

void Outgoing::all_failed() {
  const auto consignment = std::exchange(consignment_, nullptr);
  // Who may be there another time may take what others refuse for good (RFC 5321 5.1).
  const AttemptResult result = route_.empty() ? last_failure_ : answers_.conclusion();
  // Hosts limit the connections of one client: what this one was told is no answer for the destination as
  // long as another one may be served, and its mail need not wait for hours.
  const bool was_turned_away =
      result.kind == AttemptResult::Kind::kDeferred && !route_.empty() && !policy_failed_ && !has_left_host_;
  if (was_turned_away && house_.leave_to_others(terms_.destination)) {
    house_.log().info("turned-away", {{"host", result.host}, {"reply", result.reply}});
    if (consignment != nullptr) house_.give_back(consignment->work.recipients);
    return finish();
  }
  if (consignment != nullptr) {
    refuse_each(*consignment, [&](const QueuedRecipient& recipient) {
      const auto own = answers_for_.find(recipient.row);
      return own == answers_for_.end() ? result : own->second.conclusion();
    });
  }
  // A failure for good is this message's answer, and so is what a host lacks; each other one asks for itself.
  if (result.kind == AttemptResult::Kind::kDeferred && !has_left_host_) {
    house_.set_suspect(terms_.destination, true);
    suspend_others(result);
  } else {
    finish();
  }
}

// What else is due there need not knock on the same door one by one.
void Outgoing::suspend_others(const AttemptResult& result) {
  auto others = std::make_shared<std::vector<std::shared_ptr<Consignment>>>();
  while (others->size() < kMostSuspended && !house_.is_stopping()) {
    const auto work = house_.next_work(terms_.destination);
    if (!work) break;
    auto next = std::make_shared<Consignment>();
    next->work = *work;
    others->push_back(std::move(next));
  }
  if (others->empty()) return finish();
  const auto load = [others](Store& store) {
    for (const auto& each : *others) {
      auto message = store.queued_message(each->work.message);
      if (!message) continue;
      each->message = *std::move(message);
      for (const QueuedRecipient& recipient : each->message.recipients) {
        if (std::ranges::find(each->work.recipients, recipient.row) != each->work.recipients.end())
          each->recipients.push_back(recipient);
      }
    }
  };
  const auto done = [self = self_, house = &house_, others, result] {
    for (const auto& each : *others) {
      // A policy that stood in the way does not count for each.
      if (*self == nullptr || ((*self)->policy_failed_ && each->message.tls_is_optional)) {
        house->give_back(each->work.recipients);
      } else {
        (*self)->refuse_all(*each, result);
      }
    }
    if (*self != nullptr) (*self)->finish();
  };
  if (house_.storage().post(load, done)) return;
  for (const auto& each : *others) house_.give_back(each->work.recipients);
  finish();
}

void Outgoing::refuse_all(Consignment& consignment, const AttemptResult& result) {
  refuse_each(consignment, [&](const QueuedRecipient&) { return result; });
}

void Outgoing::refuse_each(Consignment& consignment,
                           const std::function<AttemptResult(const QueuedRecipient&)>& result_for) {
  std::vector<QueueOutcome> decided;
  for (const QueuedRecipient& recipient : consignment.recipients) {
    decided.push_back(house_.decide_outcome(consignment.message, recipient, result_for(recipient)));
    log_outcome(consignment, recipient, decided.back());
  }
  if (consignment.recipients.empty()) return house_.put_off(consignment.work.recipients);
  house_.attempted(std::move(decided));
}

void Outgoing::log_outcome(const Consignment& consignment, const QueuedRecipient& recipient,
                           const QueueOutcome& outcome) const {
  const QueueState state = outcome.attempt.outcome;
  std::vector<LogField> fields = {{"id", consignment.message.id},
                                  {"to", recipient.recipient.address.text()},
                                  {"host", outcome.attempt.host},
                                  {"reply", outcome.attempt.reply}};
  if (driver_ != nullptr) {
    fields.push_back({"tls", driver_->tls_version().empty() ? "none" : driver_->tls_version()});
    if (plan_.is_demanded)
      fields.push_back({"policy", plan_.policy.kind == TlsPolicyKind::kTlsa ? "dane" : "mta-sts"});
  }
  house_.log().info(state == QueueState::kDelivered ? "sent"
                    : state == QueueState::kFailed  ? "failed"
                                                    : "deferred",
                    fields);
}

}  // namespace mailstead
