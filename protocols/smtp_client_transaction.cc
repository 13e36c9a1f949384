// A transaction, from MAIL to the reply behind its content.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/smtp_client_core.h"
#include "protocols/xtext.h"

namespace mailstead {

namespace {

using Fate = RecipientOutcome::Kind;

// Commands that wait for their replies: a server that reads nothing while it writes would wait for us, and we
// for it (RFC 2920 3.1).
constexpr std::size_t kMostUnanswered = 100;

ServerReply own_reply(std::string enhanced, std::string text) {
  ServerReply reply;
  reply.enhanced = std::move(enhanced);
  reply.text = std::move(text);
  return reply;
}

bool needs_smtputf8(const ClientTransaction& transaction) {
  const Envelope& envelope = transaction.envelope;
  if (envelope.reverse_path && envelope.reverse_path->is_beyond_ascii()) return true;
  const bool any = std::ranges::any_of(
      envelope.recipients, [](const Recipient& recipient) { return recipient.address.is_beyond_ascii(); });
  // A header beyond ASCII that came without SMTPUTF8 goes on as it came: as a message of eight bits.
  return any || (envelope.smtputf8 && transaction.utf8_header);
}

std::string notify_words(const Notify& notify) {
  std::string words;
  const auto add = [&](bool wanted, std::string_view word) {
    if (!wanted) return;
    if (!words.empty()) words += ',';
    words += word;
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  return words.empty() ? "NEVER" : words;
}

}  // namespace

void SmtpClientCore::answer_transaction(std::optional<ClientTransaction> transaction) {
  if (state_ != State::kIdle) return;  // it ended meanwhile
  ++progress_;
  wants_ = Wants::kInput;
  if (!transaction) return quit();
  transaction_ = std::move(*transaction);
  outcomes_.assign(transaction_.envelope.recipients.size(), {});
  decided_.assign(outcomes_.size(), false);
  expected_.clear();
  mail_said_ = mail_taken_ = last_piece_said_ = false;
  said_recipients_ = 0;
  offered_recipients_ =
      std::min<std::uint64_t>(outcomes_.size(), extensions_.max_recipients.value_or(SIZE_MAX));
  chunked_ = extensions_.chunking;
  dots_.emplace(DotStuffing::kNeeded);
  if (const auto obstacle = cannot_be_sent()) {
    decide_rest(Fate::kFailed, "extensions", *obstacle);
    return report();
  }
  for (std::size_t i = offered_recipients_; i < outcomes_.size(); ++i)
    decide(i, Fate::kNotTried, "limit", own_reply("4.5.3", "the server takes fewer recipients at a time"));
  ++transactions_;
  state_ = State::kCommands;
  send_commands();
}

// What this server will not or must not have.
std::optional<ServerReply> SmtpClientCore::cannot_be_sent() const {
  if (extensions_.max_size && transaction_.size > *extensions_.max_size) {
    return own_reply("5.3.4", fmt::format("the message has {} octets, the server takes {} at most",
                                          transaction_.size, *extensions_.max_size));
  }
  // RFC 8689 4.2.1
  if (transaction_.envelope.require_tls && (!over_tls_ || !extensions_.require_tls)) {
    return own_reply("5.7.30",
                     "the message has to be kept encrypted all the way, which this server does not offer");
  }
  // RFC 6531 3.2: it must not be sent without.
  if (needs_smtputf8(transaction_) && !extensions_.smtputf8) {
    return own_reply("5.6.7", "the server does not take addresses or headers beyond ASCII");
  }
  // RFC 6152 3: neither.
  if (transaction_.eight_bit && !extensions_.eight_bit_mime) {
    return own_reply("5.6.3", "the server does not take messages of eight bits");
  }
  return std::nullopt;
}

std::string SmtpClientCore::mail_command() const {
  const Envelope& envelope = transaction_.envelope;
  std::string line =
      fmt::format("MAIL FROM:<{}>", envelope.reverse_path ? envelope.reverse_path->text() : "");
  if (extensions_.size) line += fmt::format(" SIZE={}", transaction_.size);
  if (extensions_.eight_bit_mime && transaction_.eight_bit) line += " BODY=8BITMIME";
  if (needs_smtputf8(transaction_)) line += " SMTPUTF8";
  if (envelope.require_tls) line += " REQUIRETLS";
  if (extensions_.dsn) {
    if (envelope.returned != ReturnedContent::kNotSaid)
      line += envelope.returned == ReturnedContent::kFull ? " RET=FULL" : " RET=HDRS";
    if (!envelope.envelope_id.empty()) line += " ENVID=" + encode_xtext(envelope.envelope_id);
  }
  return line;
}

std::string SmtpClientCore::rcpt_command(const Recipient& recipient) const {
  std::string line = fmt::format("RCPT TO:<{}>", recipient.address.text());
  if (!extensions_.dsn) return line;
  if (recipient.notify) line += " NOTIFY=" + notify_words(*recipient.notify);
  const std::size_t type_end = recipient.original.find(';');
  if (type_end != std::string::npos) {
    line += fmt::format(" ORCPT={};{}", recipient.original.substr(0, type_end),
                        encode_xtext(std::string_view(recipient.original).substr(type_end + 1)));
  }
  return line;
}

// As many as may be said now: with PIPELINING (RFC 2920) a group, else one.
void SmtpClientCore::send_commands() {
  const std::size_t most = extensions_.pipelining ? kMostUnanswered : 1;
  while (state_ == State::kCommands && expected_.size() < most) {
    if (needs_reset_) {
      needs_reset_ = false;
      say("RSET");
      expected_.push_back({Command::kRset});
    } else if (!mail_said_) {
      mail_said_ = true;
      say(mail_command());
      expected_.push_back({Command::kMail});
    } else if (said_recipients_ < offered_recipients_) {
      say(rcpt_command(transaction_.envelope.recipients[said_recipients_]));
      expected_.push_back({Command::kRcpt, said_recipients_++});
    } else {
      // Only with all replies here is it known whether there is anybody to have the message.
      if (expected_.empty()) begin_content();
      return;
    }
  }
}

bool SmtpClientCore::has_accepted() const {
  return mail_taken_ && std::ranges::count(decided_, false) > 0;
}

void SmtpClientCore::on_transaction(ServerReply reply) {
  if (expected_.empty()) {
    reply = own_reply("4.5.0", "the server spoke out of turn");
    return break_off(std::move(reply));
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  const bool wants_more = expected.command == Command::kData && reply.code == 354;
  if (reply.code < 200 || (reply.code < 400 && !reply.is_positive() && !wants_more) ||
      (expected.command == Command::kData && reply.is_positive())) {
    return break_off(own_reply("4.5.0", "the server's reply makes no sense: " + reply.words()));
  }
  switch (expected.command) {
    case Command::kRset:
      if (!reply.is_positive()) return break_off(std::move(reply));
      break;
    case Command::kMail:
      mail_taken_ = reply.is_positive();
      if (mail_taken_) break;
      decide_rest_by("MAIL", reply);
      said_recipients_ = std::max(said_recipients_, offered_recipients_);
      break;
    case Command::kRcpt:
      on_rcpt(expected.recipient, std::move(reply));
      break;
    case Command::kData:
      if (wants_more) {
        state_ = State::kContent;
        return want(SmtpClientAsk::kContent);
      }
      decide_rest_by("DATA", reply);
      return report();
    case Command::kChunk:
      if (reply.is_positive()) {
        state_ = State::kContent;
        return want(SmtpClientAsk::kContent);
      }
      decide_rest_by("BDAT", reply);  // RFC 3030 2: the transaction is over
      return report();
    case Command::kLastChunk:
      if (reply.is_positive()) {
        decide_rest(Fate::kDelivered, "DATA", reply);
      } else {
        decide_rest_by("DATA", reply);
      }
      return report();
  }
  send_commands();
}

void SmtpClientCore::on_rcpt(std::size_t recipient, ServerReply reply) {
  if (decided_[recipient]) return;  // MAIL was refused
  if (reply.is_positive()) return;
  const auto end = decided_.begin() + static_cast<std::ptrdiff_t>(recipient);
  const bool any_taken = std::find(decided_.begin(), end, false) != end;
  // RFC 5321 4.5.3.1.10: too many at a time, and 552 says the same.
  const bool too_many =
      (reply.code == 452 && (reply.enhanced.empty() || reply.enhanced == "4.5.3")) || reply.code == 552;
  if (too_many && any_taken) return decide(recipient, Fate::kNotTried, "RCPT", reply);
  const bool permanent = reply.is_permanent() && reply.code != 552;
  decide(recipient, permanent ? Fate::kFailed : Fate::kDeferred, "RCPT", reply);
}

void SmtpClientCore::begin_content() {
  if (!has_accepted()) return report();
  if (chunked_) {
    state_ = State::kContent;
    return want(SmtpClientAsk::kContent);
  }
  say("DATA");
  expected_.push_back({Command::kData});
}

void SmtpClientCore::answer_content(std::optional<std::string> bytes, SmtpClientSession::Piece piece) {
  if (state_ != State::kContent) return;  // it ended meanwhile
  ++progress_;
  if (!bytes) {
    closes_behind_report_ = true;
    decide_rest(Fate::kDeferred, "content", own_reply("4.3.0", "the message cannot be read here"));
    return report();
  }
  write_piece(*bytes, piece);
}

void SmtpClientCore::write_piece(std::string_view bytes, SmtpClientSession::Piece piece) {
  const bool last = piece == SmtpClientSession::Piece::kLast;
  if (chunked_) {
    output_ += fmt::format("BDAT {}{}\r\n", bytes.size(), last ? " LAST" : "");
    output_ += bytes;
    expected_.push_back({last ? Command::kLastChunk : Command::kChunk});
  } else {
    dots_->write(bytes, output_);
    if (last) {
      dots_->finish(output_);
      expected_.push_back({Command::kLastChunk});
    }
  }
  last_piece_said_ = last;
  wants_ = Wants::kDrain;
}

// A chunk's reply is waited for before the next one is made: so a refusal stops the rest.
void SmtpClientCore::drained() {
  if (wants_ != Wants::kDrain) return;
  ++progress_;
  if (last_piece_said_) {
    state_ = State::kEnd;
    wants_ = Wants::kInput;
  } else if (chunked_) {
    state_ = State::kCommands;
    wants_ = Wants::kInput;
  } else {
    want(SmtpClientAsk::kContent);
  }
}

void SmtpClientCore::decide(std::size_t recipient, Fate kind, std::string_view command,
                            const ServerReply& reply) {
  if (decided_[recipient]) return;
  decided_[recipient] = true;
  outcomes_[recipient] = {kind, std::string(command), reply};
}

void SmtpClientCore::decide_rest(Fate kind, std::string_view command, const ServerReply& reply) {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) decide(i, kind, command, reply);
}

void SmtpClientCore::decide_rest_by(std::string_view command, const ServerReply& reply) {
  decide_rest(reply.is_permanent() ? Fate::kFailed : Fate::kDeferred, command, reply);
}

void SmtpClientCore::report() {
  // What the server keeps of a transaction that it did not take is not to be in the way of the next.
  needs_reset_ = mail_said_ && !(last_piece_said_ && expected_.empty());
  dots_.reset();
  state_ = State::kReport;
  want(SmtpClientAsk::kReport);
}

void SmtpClientCore::answer_report() {
  if (state_ != State::kReport) return;
  ++progress_;
  outcomes_.clear();
  wants_ = Wants::kInput;
  if (closes_behind_report_) return close();
  become_idle();
}

}  // namespace mailstead
