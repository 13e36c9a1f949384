// A transaction up to its content: RFC 5321 3.3, 4.1.1.2 to 4.1.1.5, in groups where the server has
// PIPELINING (RFC 2920).
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "protocols/smtp/smtp_client_core.h"
#include "protocols/smtp/smtp_client_words.h"

namespace mailstead {
namespace {

// A header beyond ASCII whose client did not say SMTPUTF8 (RFC 6531 3.1) is of a program that knows nothing
// of that: where it is not offered either, it goes as it came, as with other servers.
bool needs_smtputf8(const ClientTransaction& transaction, const SmtpExtensions& extensions) {
  const auto& sender = transaction.envelope.reverse_path;
  const bool header = transaction.utf8_header && (transaction.envelope.smtputf8 || extensions.smtputf8);
  return header || (sender && sender->is_beyond_ascii());
}

// RFC 5321 4.5.3.1.10: the server wants no more recipients in this transaction. 552 is its older form. Behind
// both may stand something else (a full mailbox), which only the enhanced status code tells.
bool means_too_many(const RemoteReply& reply) {
  if (reply.code == 452) return reply.enhanced.empty() || reply.enhanced == "4.5.3";
  return reply.code == 552 && (reply.enhanced.empty() || reply.enhanced == "5.5.3");
}

}  // namespace

void SmtpClientCore::begin_transaction() {
  const std::size_t count = transaction_.envelope.recipients.size();
  in_transaction_ = true;
  outcomes_.assign(count, {});
  decided_.assign(count, false);
  is_accepted_.assign(count, false);
  letters_ = needs_smtputf8(transaction_, extensions_) ? Letters::kUtf8 : Letters::kAscii;
  next_recipient_ = accepted_ = rcpts_unanswered_ = 0;
  mail_said_ = mail_answered_ = mail_accepted_ = data_said_ = false;
  in_content_ = end_said_ = false;
  chunk_refusal_.reset();
  if (stopping_) {
    decide_all(Verdict::kNotTried, SmtpStage::kMail, own_words("4.3.2", "we are shutting down"));
  } else if (const auto reason = obstacle()) {
    decide_all(Verdict::kFailed, SmtpStage::kMail, *reason);
  } else if (const auto lack = shortcoming()) {
    for (std::size_t i = 0; i < count; ++i) decide_lacking(i, SmtpStage::kMail, *lack);
  } else {
    sort_out_recipients();
    respect_limits();
  }
  if (all_decided()) return conclude();
  advance();
}

// Why no server can have this message, whoever it is for.
std::optional<RemoteReply> SmtpClientCore::obstacle() const {
  const Envelope& envelope = transaction_.envelope;
  if (envelope.reverse_path && !is_sendable(*envelope.reverse_path))
    return own_words("5.1.7", "the sender's address cannot be said in SMTP");
  if (envelope.deliver_by && envelope.deliver_by->returns && envelope.deliver_by->at <= transaction_.now)
    return own_words("5.4.7", "the time by which it was to be delivered is over");
  return std::nullopt;
}

// What the message needs of a server and this one has not.
std::optional<RemoteReply> SmtpClientCore::shortcoming() const {
  const Envelope& envelope = transaction_.envelope;
  // RFC 8689 4.2.1
  if (envelope.require_tls && (!peer_.tls || !extensions_.require_tls))
    return own_words("5.7.30", "the message requires TLS, and the server does not offer REQUIRETLS");
  if (envelope.require_tls && !peer_.identified)
    return own_words("5.7.30", "the message requires TLS, and the server does not prove who it is");
  if (envelope.deliver_by && envelope.deliver_by->returns) {
    // RFC 2852 4.1.4: who does not know of the time cannot keep it.
    if (!extensions_.deliver_by)
      return own_words("5.4.7", "it is to be delivered by a time, and the server does not offer DELIVERBY");
    if (envelope.deliver_by->at - transaction_.now < extensions_.least_deliver_by)
      return own_words("5.4.7", "it is to be delivered sooner than the server promises");
  }
  // RFC 6531 3.2
  if (letters_ == Letters::kUtf8 && !extensions_.smtputf8)
    return own_words("5.6.7", "the message needs SMTPUTF8, and the server does not offer it");
  // RFC 6152 3: converting it would break signatures.
  if (transaction_.eight_bit && !extensions_.eight_bit_mime)
    return own_words("5.6.3", "the message needs 8BITMIME, and the server does not offer it");
  // RFC 1870 5
  if (extensions_.size_limit && transaction_.size > *extensions_.size_limit) {
    return own_words("5.3.4", fmt::format("the message has {} octets, and the server takes {}",
                                          transaction_.size, *extensions_.size_limit));
  }
  return std::nullopt;
}

// Who cannot be named to this server; the others can have the message.
void SmtpClientCore::sort_out_recipients() {
  const auto& recipients = transaction_.envelope.recipients;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    if (!is_sendable(recipients[i].address)) {
      decide(i, Verdict::kFailed, SmtpStage::kRecipient,
             own_words("5.1.3", "the address cannot be said in SMTP"));
    } else if (recipients[i].address.is_beyond_ascii()) {
      if (extensions_.smtputf8) {
        letters_ = Letters::kUtf8;
      } else {
        decide_lacking(i, SmtpStage::kRecipient,
                       own_words("5.6.7", "the address needs SMTPUTF8, and the server does not offer it"));
      }
    }
  }
}

// RFC 9422 4: RCPTMAX and RCPTDOMAINMAX.
void SmtpClientCore::respect_limits() {
  const auto& recipients = transaction_.envelope.recipients;
  std::uint64_t count = 0;
  std::set<std::string_view> domains;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    if (decided_[i]) continue;
    const std::string_view domain = recipients[i].address.domain;
    const bool has_room =
        count < extensions_.recipients.value_or(UINT64_MAX) &&
        (domains.contains(domain) || domains.size() < extensions_.recipient_domains.value_or(UINT64_MAX));
    if (has_room) {
      ++count;
      domains.insert(domain);
    } else {
      decide(i, Verdict::kNotTried, SmtpStage::kRecipient,
             own_words("4.5.3", "the server takes no more recipients at once"));
    }
  }
}

void SmtpClientCore::decide(std::size_t recipient, Verdict verdict, SmtpStage stage,
                            const RemoteReply& reply) {
  if (decided_[recipient]) return;
  decided_[recipient] = true;
  const bool is_taken = verdict == Verdict::kDelivered;
  RecipientOutcome& outcome = outcomes_[recipient];
  outcome = {verdict, stage, reply};
  outcome.end_was_said = end_was_said();
  outcome.dsn_passed_on = is_taken && extensions_.dsn;
  outcome.deliver_by_passed_on = is_taken && extensions_.deliver_by;
}

void SmtpClientCore::decide_lacking(std::size_t recipient, SmtpStage stage, const RemoteReply& reply) {
  decide(recipient, Verdict::kFailed, stage, reply);
  outcomes_[recipient].server_lacks_it = true;
}

// By the class of a reply.
void SmtpClientCore::decide_by(std::size_t recipient, SmtpStage stage, const RemoteReply& reply) {
  const Class said = class_of(reply);
  Verdict verdict = Verdict::kDeferred;
  if (said == Class::kDone) verdict = Verdict::kDelivered;
  if (said == Class::kNever) verdict = Verdict::kFailed;
  decide(recipient, verdict, stage, reply);
}

void SmtpClientCore::decide_all(Verdict verdict, SmtpStage stage, const RemoteReply& reply) {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) decide(i, verdict, stage, reply);
}

bool SmtpClientCore::all_decided() const {
  return std::ranges::all_of(decided_, [](bool decided) { return decided; });
}

bool SmtpClientCore::may_say() const {
  if (sent_.empty()) return true;
  return extensions_.pipelining && sent_.size() < kMaxUnanswered && output_.size() < kCommandOctets;
}

// Says the next command, if there is one that need not wait for a reply.
bool SmtpClientCore::say_next() {
  if (needs_reset_) {
    needs_reset_ = false;
    say(Said::kRset, "RSET");
    return true;
  }
  if (!mail_said_) {
    mail_said_ = true;
    ++mails_said_;
    say(Said::kMail, mail_command(transaction_, extensions_, letters_));
    return true;
  }
  const auto& recipients = transaction_.envelope.recipients;
  while (next_recipient_ < recipients.size() && decided_[next_recipient_]) ++next_recipient_;
  if (next_recipient_ < recipients.size()) {
    say(Said::kRcpt, rcpt_command(recipients[next_recipient_], extensions_), next_recipient_);
    ++next_recipient_;
    ++rcpts_unanswered_;
    return true;
  }
  // RFC 2920 3.1: DATA ends a group. The first chunk waits until somebody is accepted.
  if (data_said_ || extensions_.chunking || (accepted_ == 0 && rcpts_unanswered_ == 0) || all_decided())
    return false;
  data_said_ = true;
  say(Said::kData, "DATA");
  return true;
}

// Says what can be said, or goes on when all of it was answered.
void SmtpClientCore::advance() {
  // A few large packets rather than one for each reply.
  if (sent_.size() > kMaxUnanswered / 2) return;
  while (may_say() && say_next()) {
  }
  if (!sent_.empty()) return;
  if (accepted_ > 0 && !all_decided()) return begin_content();
  needs_reset_ = mail_accepted_;  // the server holds on to an envelope that nobody wants any more
  conclude();
}

void SmtpClientCore::on_rset(const RemoteReply& reply) {
  if (class_of(reply) != Class::kDone) return on_nonsense(Said::kRset, reply);
  advance();
}

void SmtpClientCore::on_mail(const RemoteReply& reply) {
  mail_answered_ = true;
  switch (class_of(reply)) {
    case Class::kDone:
      mail_accepted_ = true;
      break;
    case Class::kGoOn:
      return on_nonsense(Said::kMail, reply);
    case Class::kLater:
    case Class::kNever:
      for (std::size_t i = 0; i < outcomes_.size(); ++i) decide_by(i, SmtpStage::kMail, reply);
      break;
  }
  advance();
}

void SmtpClientCore::on_rcpt(std::size_t recipient, const RemoteReply& reply) {
  --rcpts_unanswered_;
  switch (class_of(reply)) {
    case Class::kDone:
      if (decided_[recipient]) break;  // MAIL was refused
      is_accepted_[recipient] = true;
      ++accepted_;
      break;
    case Class::kGoOn:
      return on_nonsense(Said::kRcpt, reply);
    case Class::kLater:
    case Class::kNever:
      if (means_too_many(reply) && accepted_ > 0) {
        decide(recipient, Verdict::kNotTried, SmtpStage::kRecipient, reply);
        // Nor will it take those who were not named yet.
        for (std::size_t i = next_recipient_; i < outcomes_.size(); ++i) {
          decide(i, Verdict::kNotTried, SmtpStage::kRecipient, reply);
        }
      } else if (means_too_many(reply) && reply.enhanced == "5.5.3") {
        decide(recipient, Verdict::kDeferred, SmtpStage::kRecipient, reply);
      } else {
        decide_by(recipient, SmtpStage::kRecipient, reply);
      }
      break;
  }
  advance();
}

void SmtpClientCore::on_data(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      return on_nonsense(Said::kData, reply);
    case Class::kGoOn:
      if (accepted_ > 0) return begin_content();
      // RFC 2920 3.1: the server wants a message for nobody. It gets an empty one, or it would take what
      // comes next for it.
      return say(Said::kLoneDot, ".");
    case Class::kLater:
    case Class::kNever:
      for (std::size_t i = 0; i < outcomes_.size(); ++i) decide_by(i, SmtpStage::kData, reply);
      needs_reset_ = mail_accepted_;
      return conclude();
  }
}

void SmtpClientCore::on_lone_dot() {
  needs_reset_ = true;
  conclude();
}

void SmtpClientCore::conclude() {
  in_transaction_ = in_content_ = false;
  transaction_ = {};
  want(AskReport{});
}

}  // namespace mailstead
