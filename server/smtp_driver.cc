#include "server/smtp_driver.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>
#include <variant>
#include <vector>

#include "admin/refusal_reason.h"
#include "protocols/smtp/delivery_report.h"

namespace mailstead {
namespace {

CommitVerdict verdict_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kNoSpace:
      return CommitVerdict::kNoSpace;
    case ErrorKind::kOverQuota:
      return CommitVerdict::kOverQuota;
    case ErrorKind::kTooLarge:
      return CommitVerdict::kTooLarge;
    case ErrorKind::kInvalid:
      return CommitVerdict::kLoop;
    default:
      return CommitVerdict::kUnavailable;
  }
}

PasswordVerdict verdict_of(LoginOutcome outcome) {
  if (outcome == LoginOutcome::kRight) return PasswordVerdict::kRight;
  return outcome == LoginOutcome::kWrong ? PasswordVerdict::kWrong : PasswordVerdict::kUnavailable;
}

RecipientVerdict verdict_of(RecipientKind kind) {
  switch (kind) {
    case RecipientKind::kOurs:
      return RecipientVerdict::kOurs;
    case RecipientKind::kUnknown:
      return RecipientVerdict::kUnknown;
    case RecipientKind::kNotOurs:
      return RecipientVerdict::kNotOurs;
    case RecipientKind::kDisabled:
      return RecipientVerdict::kDisabled;
  }
  return RecipientVerdict::kUnavailable;
}

RecipientVerdict verdict_of(Room room) {
  if (room == Room::kYes) return RecipientVerdict::kOurs;
  return room == Room::kNo ? RecipientVerdict::kFull : RecipientVerdict::kTooLarge;
}

// Of an admitted one that too much waits for.
CommitVerdict verdict_of(Passage passage) {
  switch (passage) {
    case Passage::kForged:
      return CommitVerdict::kForged;
    case Passage::kNoAuthor:
      return CommitVerdict::kNoAuthor;
    case Passage::kAbsurd:
      return CommitVerdict::kAbsurd;
    case Passage::kAdmitted:
    case Passage::kUnavailable:
      break;
  }
  return CommitVerdict::kUnavailable;
}

std::string path_text(const std::optional<Address>& address) {
  return address.has_value() ? address->text() : "";
}

}  // namespace

SmtpDriver::SmtpDriver(Services& services, SmtpOptions options, const PeerFacts& peer, std::string service)
    : services_(services),
      peer_(peer),
      service_(std::move(service)),
      from_outside_(options.service == SmtpService::kExchange),
      session_(std::move(options), peer),
      directory_(services.storage.store().directory()) {}

std::shared_ptr<SmtpDriver> SmtpDriver::self() {
  return std::static_pointer_cast<SmtpDriver>(shared_from_this());
}

Answered SmtpDriver::answer_ask() {
  return std::visit([this](auto& ask) { return answer(ask); }, session_.ask());
}

bool SmtpDriver::answers_to_nobody() {
  const SmtpAsk& ask = session_.ask();
  return std::holds_alternative<AskPassword>(ask) || std::holds_alternative<AskScramProof>(ask);
}

// A user whose mailbox was taken away or got another password meanwhile may not go on.
void SmtpDriver::check_session() {
  auto newest = services_.storage.store().directory();
  if (newest == directory_) return;
  directory_ = std::move(newest);
  if (key_ && !directory_->admits(*key_)) session_.expel();
}

void SmtpDriver::secured(const PeerFacts& peer) {
  peer_ = peer;
  session_.tls_established(peer);
}

void SmtpDriver::connection_closed(std::string_view) {
  *has_gone_ = true;
  if (ticket_ != nullptr) ticket_->abandoned = true;
}

void SmtpDriver::after_run() {
  for (SmtpSession::Refusal& refusal : session_.take_refusals()) {
    if ((peer_.loopback || peer_.own) && session_.helo() == kRelayTestHelo) continue;
    ++services_.counters.refused_because[admin::refusal_reason(refusal.command, refusal.reply)];
    services_.log.info("refused", {{"service", service_},
                                   {"peer", peer_.address},
                                   {"helo", session_.helo()},
                                   {"command", refusal.command},
                                   {"subject", refusal.subject},
                                   {"reply", refusal.reply}});
    remember(std::move(refusal));
  }
}

// Of mail, that is: what was said before or beside a message is of no use to those who look for one.
void SmtpDriver::remember(SmtpSession::Refusal refusal) {
  const bool is_recipient = refusal.command == "RCPT";
  const bool is_sender = refusal.command == "MAIL";
  if (!is_recipient && !is_sender && refusal.command != "DATA" && refusal.command != "BDAT") return;
  if (is_sender) refusal.from = refusal.subject;
  if (is_recipient) refusal.to = {refusal.subject};
  services_.refusals.add({0, std::time(nullptr), service_, peer_.address, session_.helo(), session_.user(),
                          std::move(refusal.command), std::move(refusal.from), std::move(refusal.to),
                          std::move(refusal.message_id), std::move(refusal.reply)});
}

Answered SmtpDriver::answer(AskPassword& ask) {
  ticket_ = services_.login.check(
      {std::move(ask.user), PasswordProof{std::move(ask.password)}, LoginPurpose::kSend, peer_, service_},
      [self = self()](const LoginResult& result) {
        self->note(result);
        self->session_.answer_password(verdict_of(result.outcome), result.address);
        self->resume();
      });
  return Answered::kLater;
}

Answered SmtpDriver::answer(AskScramChallenge& ask) {
  session_.answer_scram_challenge(services_.login.scram_challenge(ask.user));
  return Answered::kNow;
}

Answered SmtpDriver::answer(AskScramProof& ask) {
  ticket_ = services_.login.check(
      {std::move(ask.user), ScramProof{std::move(ask.proof)}, LoginPurpose::kSend, peer_, service_},
      [self = self()](const LoginResult& result) {
        self->note(result);
        self->session_.answer_scram_proof(verdict_of(result.outcome), result.address, result.signature);
        self->resume();
      });
  return Answered::kLater;
}

void SmtpDriver::note(const LoginResult& result) {
  if (result.outcome != LoginOutcome::kRight) return;
  key_ = result.key;
  const std::string device = result.device.empty() ? peer_.address : result.device;
  services_.storage.post([key = result.key, device](
                             Store& store) { (void)store.note_login(key.mailbox, device, key.app_password); },
                         [] {});
}

Answered SmtpDriver::answer(AskSender& ask) {
  session_.answer_sender(services_.storage.store().directory()->may_send_as(key_->mailbox, ask.reverse_path));
  return Answered::kNow;
}

Answered SmtpDriver::answer(AskRecipient& ask) {
  const Store& store = services_.storage.store();
  auto verdict = verdict_of(store.directory()->classify(ask.recipient));
  // Who has logged in may write to everybody,
  // but not to a host that has no full name (RFC 6409 4.2).
  if (ask.is_report && store.takes_reports(ask.recipient)) {
    verdict = RecipientVerdict::kOurs;
  } else if (verdict == RecipientVerdict::kNotOurs && ask.authenticated) {
    const bool is_full =
        ask.recipient.domain.find('.') != std::string::npos || ask.recipient.domain.starts_with('[');
    if (is_full) verdict = RecipientVerdict::kOurs;
  } else if (verdict == RecipientVerdict::kOurs) {
    verdict = verdict_of(store.room_for(ask.recipient, ask.declared_size.value_or(0)));
  }
  session_.answer_recipient(verdict);
  return Answered::kNow;
}

Answered SmtpDriver::answer(AskBegin&) {
  spool_ = nullptr;
  const Store& store = services_.storage.store();
  const auto space = store.free_space();
  const bool low = space.has_value() && *space < services_.config.limits.free_space;
  // Deleted mail that is kept goes before new mail is refused.
  const bool waits = low && store.deleted_totals().messages > 0 &&
                     services_.storage.free_deleted(free_terms(services_.config), [self = self()] {
                       self->begin(self->services_.storage.store().free_space());
                       self->resume();
                     });
  if (waits) return Answered::kLater;
  begin(space);
  return Answered::kNow;
}

void SmtpDriver::begin(const Result<std::uint64_t>& space) {
  if (!space.has_value() || *space < services_.config.limits.free_space) {
    services_.log.error("disk-full", {{"service", service_},
                                      {"peer", peer_.address},
                                      {"why", space.has_value() ? fmt::format("{} octets free", *space)
                                                                : space.error().message}});
    session_.answer_begin("", "");
  } else {
    session_.answer_begin(services_.storage.store().new_id(), rfc5322_date(std::time(nullptr)));
  }
}

Answered SmtpDriver::answer(AskSpool& ask) {
  if (spool_ == nullptr) spool_ = std::make_shared<std::unique_ptr<Spool>>();
  auto outcome = std::make_shared<Result<void>>();
  auto bytes = std::make_shared<std::string>(std::move(ask.bytes));
  const auto work = [&store = services_.storage.store(), spool = spool_, outcome, bytes] {
    if (*spool == nullptr) {
      auto made = store.new_spool();
      if (!made.has_value()) {
        *outcome = made.error();
        return;
      }
      *spool = *std::move(made);
    }
    *outcome = (*spool)->append(*bytes);
  };
  const bool posted = services_.files.post(work, [self = self(), outcome] {
    if (!outcome->has_value()) {
      self->services_.log.error("spool-failed",
                                {{"peer", self->peer_.address}, {"why", outcome->error().message}});
      self->services_.storage.note_mail(*outcome);
    }
    self->session_.answer_spool(outcome->has_value() ? CommitVerdict::kKept : verdict_of(outcome->error()));
    self->resume();
  });
  if (posted) return Answered::kLater;
  session_.answer_spool(CommitVerdict::kUnavailable);
  return Answered::kNow;
}

Answered SmtpDriver::answer(AskAuthor& ask) {
  const auto directory = services_.storage.store().directory();
  bool own = true;
  for (const Address& author : ask.authors) own = own && directory->may_send_as(key_->mailbox, author);
  session_.answer_author(own);
  return Answered::kNow;
}

Answered SmtpDriver::answer(AskPolicy& ask) {
  session_.answer_policy(services_.policies.judge(ask, peer_));
  return Answered::kNow;
}

Answered SmtpDriver::answer(AskCommit& ask) {
  Delivery delivery;
  delivery.id = ask.id;
  delivery.envelope = ask.envelope;
  if (spool_ != nullptr) delivery.spool = std::move(*spool_);
  spool_ = nullptr;
  delivery.rest = std::move(ask.rest);
  delivery.tags = std::move(ask.tags);
  if (!session_.user().empty()) {
    delivery.relaying = Relaying::kYes;
    delivery.user = session_.user();
  }
  if (ask.reply_each) delivery.failures = Failures::kOfEachRecipient;
  const bool posted = from_outside_ && services_.border.guards(peer_)
                          ? services_.border.check(
                                {std::move(delivery), {peer_, session_.helo(), has_gone_}, ask.is_converted},
                                [self = self(), facts = ask](Passage passage, Delivery checked) {
                                  self->passed(passage, std::move(checked), facts);
                                })
                          : deliver(std::move(delivery), ask);
  if (posted) return Answered::kLater;
  session_.answer_commit(CommitVerdict::kUnavailable);
  return Answered::kNow;
}

void SmtpDriver::passed(Passage passage, Delivery delivery, const AskCommit& facts) {
  if (passage == Passage::kAdmitted && deliver(std::move(delivery), facts)) return;
  session_.answer_commit(verdict_of(passage));
  resume();
}

bool SmtpDriver::deliver(Delivery delivery, const AskCommit& facts) {
  const std::string author = facts.authors.empty() ? std::string() : facts.authors.front().domain;
  return services_.signing.deliver(std::move(delivery), author,
                                   [self = self(), facts](const Result<Delivered>& result) {
                                     self->committed(facts, result);
                                     self->resume();
                                   });
}

// A message that was refused is of no more use, and its client may stay for long.
void SmtpDriver::tidy() {
  if (!session_.has_content()) spool_ = nullptr;
}

void SmtpDriver::committed(const AskCommit& ask, const Result<Delivered>& result) {
  if (!result.has_value()) {
    const CommitVerdict verdict = verdict_of(result.error());
    const bool full = verdict == CommitVerdict::kOverQuota || verdict == CommitVerdict::kTooLarge;
    const std::vector<LogField> fields = {
        {"id", ask.id}, {"peer", peer_.address}, {"why", result.error().message}};
    // A full mailbox is its owner's business, and no fault of the server.
    if (full) {
      services_.log.info("mailbox-full", fields);
    } else {
      services_.log.error("delivery-failed", fields);
    }
    session_.answer_commit(verdict);
    return;
  }
  std::vector<CommitVerdict> verdicts;
  for (const auto& failure : result->failures) {
    verdicts.push_back(failure ? verdict_of(*failure) : CommitVerdict::kKept);
  }
  const bool nobody_has_it = result->copies.empty() && result->queued == 0;
  if (nobody_has_it && !verdicts.empty()) return session_.answer_commit(verdicts);
  ++services_.counters.accepted;
  ++services_.counters.accepted_by[service_];
  services_.counters.accepted_octets += ask.size;
  if (!ask.reply_each && session_.user().empty()) services_.known_peers.remember(peer_, std::time(nullptr));
  std::string recipients;
  for (std::size_t i = 0; i < ask.envelope.recipients.size(); ++i) {
    if (i < result->failures.size() && result->failures[i]) continue;
    if (!recipients.empty()) recipients += ',';
    recipients += ask.envelope.recipients[i].address.text();
  }
  std::string mailboxes;
  for (const DeliveredCopy& copy : result->copies) {
    if (!mailboxes.empty()) mailboxes += ',';
    mailboxes += copy.address;
  }
  std::vector<LogField> fields = {{"id", ask.id},
                                  {"service", service_},
                                  {"peer", peer_.address},
                                  {"helo", session_.helo()},
                                  {"tls", peer_.tls ? peer_.tls_version : "none"},
                                  {"from", path_text(ask.envelope.reverse_path)},
                                  {"to", recipients},
                                  {"mailboxes", mailboxes},
                                  {"queued", fmt::format("{}", result->queued)},
                                  {"size", fmt::format("{}", ask.size)}};
  if (!session_.user().empty()) fields.push_back({"user", session_.user()});
  services_.log.info("accepted", fields);
  if (ask.reply_each) {
    session_.answer_commit(verdicts);
  } else {
    session_.answer_commit(CommitVerdict::kKept);
  }
}

}  // namespace mailstead
