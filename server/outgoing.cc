#include "server/outgoing.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "protocols/base64.h"
#include "server/outgoing_driver.h"

namespace mailstead {

namespace {

// Of other messages for a destination that nobody answers at: so many are told so at a time.
constexpr std::size_t kMostSuspended = 200;

using TlsUse = SmtpClientOptions::TlsUse;

// For SCRAM.
std::string new_nonce() {
  std::array<std::uint8_t, 18> octets{};
  RAND_bytes(octets.data(), octets.size());
  return base64::encode({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

std::string host_words(const RouteTarget& target) {
  const std::string address = target.address.text();
  return target.host == address ? fmt::format("[{}]", address) : fmt::format("{} [{}]", target.host, address);
}

std::string status_of(const RemoteReply& reply, std::string_view otherwise) {
  return reply.enhanced.empty() ? std::string(otherwise) : reply.enhanced;
}

}  // namespace

Outgoing::Outgoing(OutgoingHouse& house, OutgoingTerms terms)
    : house_(house), terms_(std::move(terms)), self_(std::make_shared<Outgoing*>(this)) {
  last_failure_.status = "4.4.1";
  last_failure_.reply = "no answer";
}

Outgoing::~Outgoing() {
  *self_ = nullptr;
  if (driver_ != nullptr) driver_->forget_owner();
}

void Outgoing::start() {
  load_next([this] {
    if (consignment_ == nullptr) return finish();
    find_policy();
  });
}

void Outgoing::find_policy() {
  // An address literal is no domain that could say anything.
  if (!terms_.follows_policies || terms_.domain.starts_with('[')) return find_route();
  sts_question_ = house_.sts_policies().find(terms_.domain, [this](const StsVerdict& verdict) {
    sts_ = verdict;
    if (verdict.fetched != TlsVerdict::kSuccess) {
      plan_.policy = {TlsPolicyKind::kSts, terms_.domain, {}, {}};
      count(verdict.fetched, verdict.why);
    }
    find_route();
  });
}

void Outgoing::find_route() {
  routing_ = std::make_unique<Routing>(house_.resolver(), house_.routing_terms(), terms_.domain, terms_.by,
                                       [this](RouteResult result) { on_routed(std::move(result)); });
}

// Puts the next message in hand, or none.
void Outgoing::load_next(std::function<void()> then) {
  const auto work = house_.is_stopping() ? std::nullopt : house_.next_work(terms_.destination);
  if (!work) return then();
  auto next = std::make_shared<Consignment>();
  next->work = *work;
  const auto load = [next](Store& store) {
    auto message = store.queued_message(next->work.message);
    if (!message) {
      next->error = message.error();
      return;
    }
    next->message = *std::move(message);
    for (const QueuedRecipient& each : next->message.recipients) {
      if (std::ranges::find(next->work.recipients, each.row) != next->work.recipients.end())
        next->recipients.push_back(each);
    }
    auto reader = store.open_queued(next->message);
    if (!reader) {
      next->error = reader.error();
      return;
    }
    next->reader = *std::move(reader);
    // A small one is sent without another job.
    if (next->message.size > kContentPiece) return;
    auto read = next->reader->read(0, next->message.size, next->first);
    if (read && next->first.size() < next->message.size)
      read = Error{ErrorKind::kCorrupt, "the message's file is shorter than it was"};
    if (!read) next->error = read.error();
  };
  const auto done = [self = self_, house = &house_, next, then] {
    if (*self == nullptr) return house->give_back(next->work.recipients);
    Outgoing& outgoing = **self;
    if (!next->error) {
      outgoing.consignment_ = next;
      return then();
    }
    outgoing.house_.log().error("queue-unreadable",
                                {{"id", next->message.id}, {"why", next->error->message}});
    outgoing.refuse_all(*next, {AttemptResult::Kind::kDeferred, "4.3.0", "",
                                "the message cannot be read on this server", false});
    outgoing.load_next(then);
  };
  if (house_.storage().post(load, done)) return;
  house_.give_back(work->recipients);
  then();
}

void Outgoing::on_routed(RouteResult result) {
  // This runs inside the Routing, which is kept until the next step.
  if (const auto* failure = std::get_if<RouteFailure>(&result)) {
    last_failure_ = {failure->permanent ? AttemptResult::Kind::kFailed : AttemptResult::Kind::kDeferred,
                     failure->status, "", failure->text, false};
    return all_failed();
  }
  route_ = std::get<Route>(std::move(result));
  try_target();
}

void Outgoing::try_target() {
  if (house_.is_stopping()) {
    if (consignment_ != nullptr) house_.give_back(std::exchange(consignment_, nullptr)->work.recipients);
    return finish();
  }
  const RouteTarget& target = route_[target_];
  if (terms_.follows_policies && target.is_authenticated) return ask_tlsa(0);
  if (terms_.follows_policies) return plan_tls(plan_by_sts(sts_, target, terms_.domain));
  TlsPlan plan;
  plan.use = terms_.tls;
  plan.expectation = {target.host, terms_.verification};
  plan.name_is_sure = true;
  plan_tls(std::move(plan));
}

// RFC 7672 2.2.2: the name that the host's name leads to comes first.
void Outgoing::ask_tlsa(std::size_t name) {
  const RouteTarget& target = route_[target_];
  const std::string& host = name == 0 ? target.canonical : target.host;
  tlsa_question_ = house_.resolver().ask(tlsa_name(host, terms_.port), dns::Type::kTlsa,
                                         [this, name](const dns::Answer& answer) { on_tlsa(name, answer); });
}

void Outgoing::on_tlsa(std::size_t name, const dns::Answer& answer) {
  const RouteTarget& target = route_[target_];
  auto plan = plan_by_dane(answer, target, name == 0 ? target.canonical : target.host, terms_.domain);
  if (plan) return plan_tls(*std::move(plan));
  if (name == 0 && target.canonical != target.host) return ask_tlsa(1);
  plan_tls(plan_by_sts(sts_, target, terms_.domain));
}

void Outgoing::plan_tls(TlsPlan plan) {
  plan_ = std::move(plan);
  if (consignment_ != nullptr && consignment_->message.tls_is_optional)
    plan_ = without_policy(std::move(plan_));
  if (!plan_.obstacle) return dial();
  count(plan_.verdict, *plan_.obstacle);
  policy_failed_ = true;
  last_failure_ = {AttemptResult::Kind::kDeferred, "4.7.5", "", *plan_.obstacle, false};
  next_target();
}

void Outgoing::dial() {
  tls_failed_ = false;
  policy_failed_ = false;
  dialer_ = std::make_unique<Dialer>(house_.loop(), route_[target_].address, terms_.port,
                                     [this](Result<int> socket) { on_dialled(std::move(socket)); });
}

void Outgoing::on_dialled(Result<int> socket) {
  if (socket) return connect(*socket);
  last_failure_ = {AttemptResult::Kind::kDeferred, "4.4.1", host_words(route_[target_]),
                   socket.error().message, false};
  next_target();
}

void Outgoing::connect(int socket) {
  auto stream = std::make_unique<TcpStream>(house_.loop(), socket);
  ConnectionOptions options;
  options.peer = stream->peer();
  finding_ = std::make_shared<TlsFinding>();
  options.tls = house_.tls().to(plan_.expectation, finding_);
  SmtpClientOptions client;
  client.hostname = house_.hostname();
  client.tls = in_the_clear_ ? TlsUse::kNever : plan_.use;
  if (!terms_.user.empty()) client.login = SmtpClientLogin{terms_.user, terms_.password, new_nonce()};
  const bool usable = stream->ok() && options.tls != nullptr;
  // Behind the handshake where that comes first: the session knows its peer from the beginning.
  options.make_driver = [self = self_, client](const PeerFacts& facts) {
    auto driver = std::make_shared<OutgoingDriver>(client, facts, **self);
    (*self)->driver_ = driver;
    return driver;
  };
  last_failure_ = {AttemptResult::Kind::kDeferred, "4.4.2", host_words(route_[target_]),
                   usable ? "the TLS handshake failed" : "the connection could not be set up", false};
  connecting_ = true;
  const auto gone = [self = self_] {
    if (*self != nullptr) (*self)->on_connection_gone();
  };
  if (!usable) {
    TcpStream* const broken = stream.release();
    return broken->close([broken, gone] {
      delete broken;
      gone();
    });
  }
  house_.connections_of().start(house_.loop(), std::move(stream), house_.log(), std::move(options),
                                plan_.use == TlsUse::kImplicit ? TlsStart::kImplicit : TlsStart::kOnCommand,
                                gone);
}

bool Outgoing::tries_without_tls() {
  return tls_failed_ && plan_.use == TlsUse::kIfOffered && !in_the_clear_;
}

void Outgoing::on_connection_gone() {
  connecting_ = false;
  // TLS came first, and there was no session that could say so.
  if (driver_ == nullptr && !finding_->words.empty()) last_failure_.reply += ": " + finding_->words;
  if (driver_ != nullptr) driver_->forget_owner();
  driver_ = nullptr;
  if (consignment_ == nullptr) return finish();
  if (was_connected_) {
    // It was not begun on this connection: another one takes it.
    house_.give_back(std::exchange(consignment_, nullptr)->work.recipients);
    return finish();
  }
  if (tries_without_tls()) {
    in_the_clear_ = true;
    return dial();
  }
  next_target();
}

void Outgoing::next_target() {
  in_the_clear_ = false;
  if (++target_ < route_.size()) return try_target();
  all_failed();
}

void Outgoing::remember(const SmtpClientFailure& failure) {
  tls_failed_ = failure.tls_failed;
  // RFC 5321 3.1: this host takes no mail. Whether another one does is seen when it is tried.
  last_failure_ = {failure.permanent ? AttemptResult::Kind::kFailed : AttemptResult::Kind::kDeferred,
                   status_of(failure.reply, failure.permanent ? "5.3.2" : "4.4.2"),
                   host_words(route_[target_]), failure.reply.line(), false};
  if (failure.stage != SmtpStage::kStartTls) return;
  policy_failed_ = plan_.is_demanded;
  last_failure_.reply += demand_words(plan_);
  count(!failure.tls_failed                         ? TlsVerdict::kStartTlsNotSupported
        : finding_->verdict == TlsVerdict::kSuccess ? TlsVerdict::kValidationFailure
                                                    : finding_->verdict,
        finding_->words);
}

// RFC 8460 4.3
void Outgoing::count(TlsVerdict verdict, std::string reason) {
  if (!terms_.follows_policies || plan_.waives_policy) return;
  TlsCount count{0, plan_.policy, verdict, "", "", std::move(reason), 0};
  if (verdict != TlsVerdict::kSuccess && target_ < route_.size()) {
    count.host = route_[target_].host;
    count.address = route_[target_].address.text();
  }
  house_.tls_reporter().count(std::move(count));
}

// It is about to be used. A policy that is only tested is broken by what it would have refused.
void Outgoing::count_connection() {
  if (!driver_->has_tls()) {
    if (!in_the_clear_) count(TlsVerdict::kStartTlsNotSupported);
    return;
  }
  if (plan_.policy.kind != TlsPolicyKind::kSts) return count(TlsVerdict::kSuccess);
  if (plan_.verdict != TlsVerdict::kSuccess) return count(plan_.verdict, "none of the policy's hosts");
  count(finding_->verdict, finding_->words);
}

std::optional<ClientTransaction> Outgoing::next_transaction() {
  if (!std::exchange(was_connected_, true)) count_connection();
  if (consignment_ == nullptr) return std::nullopt;
  ClientTransaction transaction;
  transaction.envelope = consignment_->message.envelope;
  transaction.envelope.recipients.clear();
  for (const QueuedRecipient& each : consignment_->recipients)
    transaction.envelope.recipients.push_back(each.recipient);
  transaction.size = consignment_->message.size;
  transaction.eight_bit = consignment_->message.eight_bit;
  transaction.utf8_header = consignment_->message.utf8_header;
  transaction.now = std::time(nullptr);
  return transaction;
}

void Outgoing::report(const SmtpClientSession& session) {
  const auto consignment = std::exchange(consignment_, nullptr);
  if (consignment == nullptr) return;
  const std::vector<RecipientOutcome>& outcomes = session.outcomes();
  using Verdict = RecipientOutcome::Verdict;
  std::vector<QueueOutcome> decided;
  std::vector<RecipientRow> untried;
  for (std::size_t i = 0; i < outcomes.size() && i < consignment->recipients.size(); ++i) {
    const QueuedRecipient& recipient = consignment->recipients[i];
    const RecipientOutcome& outcome = outcomes[i];
    // The transaction was full, or the connection closed between two messages: again, at once.
    if (outcome.verdict == Verdict::kNotTried) {
      untried.push_back(recipient.row);
      continue;
    }
    AttemptResult result;
    result.kind = outcome.verdict == Verdict::kDelivered ? AttemptResult::Kind::kDelivered
                  : outcome.verdict == Verdict::kFailed  ? AttemptResult::Kind::kFailed
                                                         : AttemptResult::Kind::kDeferred;
    result.status = status_of(outcome.reply, outcome.verdict == Verdict::kDelivered ? "2.0.0"
                                             : outcome.verdict == Verdict::kFailed  ? "5.0.0"
                                                                                    : "4.0.0");
    result.host = host_words(route_[target_]);
    result.reply = outcome.reply.line();
    result.deliver_by_passed_on = outcome.deliver_by_passed_on;
    result.passed_on = outcome.dsn_passed_on && recipient.recipient.notify.has_value();
    decided.push_back(house_.decide_outcome(consignment->message, recipient, std::move(result)));
    log_outcome(*consignment, recipient, decided.back());
  }
  house_.set_suspect(terms_.destination, false);
  house_.give_back(untried);
  house_.attempted(std::move(decided));
}

void Outgoing::all_failed() {
  const auto consignment = std::exchange(consignment_, nullptr);
  const AttemptResult result = last_failure_;
  // Hosts limit the connections of one client: what this one was told is no answer for the destination as
  // long as another one may be served, and its mail need not wait for hours.
  const bool was_turned_away =
      result.kind == AttemptResult::Kind::kDeferred && !route_.empty() && !policy_failed_;
  if (was_turned_away && house_.leave_to_others(terms_.destination)) {
    house_.log().info("turned-away", {{"host", result.host}, {"reply", result.reply}});
    if (consignment != nullptr) house_.give_back(consignment->work.recipients);
    return finish();
  }
  if (consignment != nullptr) refuse_all(*consignment, result);
  // A failure for good is this message's answer; each other one asks for itself.
  if (result.kind == AttemptResult::Kind::kDeferred) {
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
  std::vector<QueueOutcome> decided;
  for (const QueuedRecipient& recipient : consignment.recipients) {
    decided.push_back(house_.decide_outcome(consignment.message, recipient, result));
    log_outcome(consignment, recipient, decided.back());
  }
  if (consignment.recipients.empty()) return house_.give_back(consignment.work.recipients);
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

void Outgoing::give_up() {
  if (connecting_) return;
  sts_question_ = nullptr;
  tlsa_question_ = nullptr;
  routing_.reset();
  dialer_.reset();
  if (consignment_ != nullptr) house_.give_back(std::exchange(consignment_, nullptr)->work.recipients);
  finish();
}

void Outgoing::finish() {
  *self_ = nullptr;  // whoever comes later finds nobody
  house_.ended(*this);
}

}  // namespace mailstead
