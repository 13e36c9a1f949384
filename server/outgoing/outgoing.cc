#include "server/outgoing/outgoing.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "protocols/base64.h"
#include "server/outgoing/outgoing_driver.h"

namespace mailstead {

namespace {

using TlsUse = SmtpClientOptions::TlsUse;

// For SCRAM.
std::string new_nonce() {
  std::array<std::uint8_t, 18> octets{};
  RAND_bytes(octets.data(), octets.size());
  return base64::encode({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

}  // namespace

Result<std::string> read_piece(Consignment& consignment) {
  std::string piece;
  const auto wanted = std::min<std::uint64_t>(consignment.message.size - consignment.at, kContentPiece);
  if (auto done = consignment.reader->read(consignment.at, wanted, piece); !done) return done.error();
  if (piece.size() < wanted) return Error{ErrorKind::kCorrupt, "the message's file is shorter than it was"};
  consignment.at += piece.size();
  return piece;
}

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
    if (auto all = read_piece(*next)) {
      next->first = *std::move(all);
    } else {
      next->error = all.error();
    }
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
  last_failure_ = {AttemptResult::Kind::kDeferred, "4.4.1", route_[target_].words(), socket.error().message,
                   false};
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
  client.may_be_us = terms_.by == Routing::By::kMx;
  client.tls = in_the_clear_ ? TlsUse::kNever : plan_.use;
  if (!terms_.user.empty()) client.login = SmtpClientLogin{terms_.user, terms_.password, new_nonce()};
  const bool usable = stream->ok() && options.tls != nullptr;
  // Behind the handshake where that comes first: the session knows its peer from the beginning.
  options.make_driver = [self = self_, client](const PeerFacts& facts) {
    auto driver = std::make_shared<OutgoingDriver>(client, facts, **self);
    (*self)->driver_ = driver;
    return driver;
  };
  last_failure_ = {AttemptResult::Kind::kDeferred, "4.4.2", route_[target_].words(),
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
  if (std::exchange(leaves_host_, false)) {
    // The connection was lost while the next piece was fetched.
    if (consignment_->is_being_read) {
      consignment_->when_read = [self = self_] {
        if (*self != nullptr) (*self)->on_host_left();
      };
      return;
    }
    return on_host_left();
  }
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

void Outgoing::on_host_left() {
  was_connected_ = in_the_clear_ = false;
  if (consignment_->first.empty()) consignment_->at = 0;
  // Its other addresses are the same host.
  const std::string host = route_[target_].host;
  while (route_[target_].host == host) ++target_;
  try_target();
}

void Outgoing::next_target() {
  in_the_clear_ = false;
  answers_.note(route_[target_].host, last_failure_);
  for (auto& [_, answers] : answers_for_) answers.note(route_[target_].host, last_failure_);
  // RFC 5321 5.1: nor does it go to those behind us.
  if (!leads_to_us_ && ++target_ < route_.size()) return try_target();
  all_failed();
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
  if (!std::exchange(was_connected_, true)) {
    count_connection();
    ++hosts_asked_;
    let_in_at_ = uv_now(house_.loop());
  }
  if (consignment_ != nullptr) leave_unwanted();
  if (consignment_ == nullptr || leaves_host_) return std::nullopt;
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

void Outgoing::leave_unwanted() {
  std::vector<RecipientRow> unwanted;
  for (const QueuedRecipient& each : consignment_->recipients) {
    if (!house_.is_wanted(each.row)) unwanted.push_back(each.row);
  }
  if (unwanted.empty()) return;
  const auto is_unwanted = [&](RecipientRow row) {
    return std::ranges::find(unwanted, row) != unwanted.end();
  };
  std::erase_if(consignment_->recipients, [&](const QueuedRecipient& each) { return is_unwanted(each.row); });
  std::erase_if(consignment_->work.recipients, is_unwanted);
  house_.give_back(unwanted);
  if (!consignment_->recipients.empty()) return;
  consignment_ = nullptr;
  leaves_host_ = false;
}

bool Outgoing::gives_way() {
  const std::chrono::milliseconds used(uv_now(house_.loop()) - let_in_at_);
  return used >= kTurnOfConnection && house_.gives_way(terms_.destination);
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
