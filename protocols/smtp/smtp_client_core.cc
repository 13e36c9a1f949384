#include "protocols/smtp/smtp_client_core.h"

#include <fmt/format.h>
#include <openssl/mem.h>

#include <utility>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

// It stands behind EHLO: anything but the octets of a name could begin another command.
std::string clean_name(std::string name) {
  std::erase_if(name, [](char c) { return !ascii::is_printable(c) || c == ' '; });
  return name.empty() ? "localhost" : name;
}

}  // namespace

SmtpClientCore::SmtpClientCore(SmtpClientOptions options, PeerFacts peer, std::string& output,
                               std::uint64_t& progress)
    : options_(std::move(options)), peer_(std::move(peer)), output_(output), progress_(progress) {
  options_.hostname = clean_name(std::move(options_.hostname));
}

SmtpClientCore::~SmtpClientCore() {
  forget_login();
}

void SmtpClientCore::start() {
  sent_.push_back({Said::kConnection});
}

std::size_t SmtpClientCore::receive(std::string_view bytes) {
  std::size_t position = 0;
  while (wants_ == Wants::kInput && position < bytes.size()) {
    std::size_t consumed = 0;
    const ReplyReader::Event event = replies_.read(bytes.substr(position), consumed);
    position += consumed;
    if (event == ReplyReader::Event::kReply) on_reply(bytes.size() - position);
    if (event == ReplyReader::Event::kNoReply) lose(stage(), own_words("4.5.0", replies_.why()));
  }
  return position;
}

void SmtpClientCore::on_reply(std::size_t bytes_behind) {
  ++progress_;
  const Command command = sent_.front();
  const RemoteReply reply = replies_.reply();
  // RFC 5321 3.8: said at any time by a server that is about to close.
  if (reply.code == 421 && command.said != Said::kQuit) return lose(stage_of(command.said), reply);
  sent_.pop_front();
  const bool too_much = sent_.empty() && bytes_behind > 0;
  dispatch(command, reply);
  if (!too_much || wants_ == Wants::kClose) return;
  // What stands there would be taken for the reply to the next command, and each for that to the one before;
  // behind the 220 to STARTTLS somebody else may have put it there (RFC 3207 6).
  if (ask_ && std::holds_alternative<AskReport>(*ask_)) {
    ending_ = true;
  } else {
    lose(stage_of(command.said), own_words("4.5.0", "the server said more than it was asked"));
  }
}

void SmtpClientCore::dispatch(const Command& command, const RemoteReply& reply) {
  switch (command.said) {
    case Said::kConnection:
      return on_greeting(reply);
    case Said::kEhlo:
      return on_ehlo(reply);
    case Said::kHelo:
      return on_helo(reply);
    case Said::kStartTls:
      return on_starttls(reply);
    case Said::kAuth:
      return on_auth(reply);
    case Said::kRset:
      return on_rset(reply);
    case Said::kMail:
      return on_mail(reply);
    case Said::kRcpt:
      return on_rcpt(command.recipient, reply);
    case Said::kData:
      return on_data(reply);
    case Said::kChunk:
      return on_chunk(reply);
    case Said::kEnd:
      return on_end(reply);
    case Said::kLoneDot:
      return on_lone_dot();
    case Said::kQuit:
      wants_ = Wants::kClose;
      return;
  }
}

// A reply of a class that the command cannot have: the two no longer talk of the same.
void SmtpClientCore::on_nonsense(Said said, const RemoteReply& reply) {
  lose(stage_of(said), own_words("4.5.0", "an unexpected reply: " + reply.line()));
}

void SmtpClientCore::say(Said said, std::string_view line, std::size_t recipient) {
  output_ += line;
  output_ += "\r\n";
  sent_.push_back({said, recipient});
}

void SmtpClientCore::want(SmtpClientAsk ask) {
  ask_ = ask;
  wants_ = Wants::kAnswer;
}

SmtpStage SmtpClientCore::stage_of(Said said) {
  switch (said) {
    case Said::kConnection:
      return SmtpStage::kGreeting;
    case Said::kEhlo:
    case Said::kHelo:
      return SmtpStage::kHello;
    case Said::kStartTls:
      return SmtpStage::kStartTls;
    case Said::kAuth:
      return SmtpStage::kAuth;
    case Said::kRset:
      return SmtpStage::kReset;
    case Said::kMail:
      return SmtpStage::kMail;
    case Said::kRcpt:
      return SmtpStage::kRecipient;
    case Said::kData:
      return SmtpStage::kData;
    case Said::kChunk:
    case Said::kEnd:
    case Said::kLoneDot:
      return SmtpStage::kContent;
    case Said::kQuit:
      return SmtpStage::kQuit;
  }
  return SmtpStage::kConnect;
}

// What the session is about now.
SmtpStage SmtpClientCore::stage() const {
  if (wants_ == Wants::kTls) return SmtpStage::kStartTls;
  if (in_content_) return SmtpStage::kContent;
  return sent_.empty() ? SmtpStage::kMail : stage_of(sent_.front().said);
}

// Before any transaction, while the server can still hear. RFC 5321 4.1.1.10: QUIT is said; its reply, which
// a client SHOULD wait for, can change nothing.
void SmtpClientCore::fail(SmtpStage stage, Lasting lasting, const RemoteReply& reply) {
  failure_ = SmtpClientFailure{stage, lasting == Lasting::kPermanent, reply, false};
  output_ += "QUIT\r\n";
  sent_.clear();
  forget_login();
  wants_ = Wants::kClose;
}

// Nothing more can be said or heard.
void SmtpClientCore::lose(SmtpStage stage, const RemoteReply& reply) {
  const bool was_quitting = is_quitting();
  const bool end_is_out = end_was_said() && output_.empty();
  // A server that closes connections which were idle says nothing about the message.
  const bool was_idle = !mail_answered_ && mails_said_ > (mail_said_ ? 1u : 0u);
  output_.clear();
  sent_.clear();
  ask_.reset();
  forget_login();
  ending_ = true;
  wants_ = Wants::kClose;
  if (!in_transaction_) {
    if (!was_ready_ && !was_quitting) failure_ = SmtpClientFailure{stage, false, reply, false};
    return;
  }
  const bool unknown = end_is_out && reply.is_ours();
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    if (decided_[i]) continue;
    if (chunk_refusal_ && is_accepted_[i]) {
      decide_by(i, SmtpStage::kContent, *chunk_refusal_);
      continue;
    }
    decide(i, was_idle ? Verdict::kNotTried : Verdict::kDeferred, stage, reply);
    outcomes_[i].may_be_delivered = unknown && is_accepted_[i];
    outcomes_[i].end_was_said = end_is_out;
  }
  conclude();
}

void SmtpClientCore::quit() {
  wants_ = Wants::kInput;
  say(Said::kQuit, "QUIT");
}

void SmtpClientCore::drained() {
  if (wants_ != Wants::kDrain) return;
  ++progress_;
  next_piece();
}

void SmtpClientCore::timed_out() {
  if (wants_ == Wants::kClose) return;
  if (ask_ && std::holds_alternative<AskReport>(*ask_)) {
    ending_ = true;
    return;
  }
  lose(stage(), own_words("4.4.2", "the server took too long"));
}

void SmtpClientCore::shut_down() {
  const bool at_once = std::exchange(stopping_, true);
  if (wants_ == Wants::kClose) return;
  // Who waits for our driver is told at its answer.
  if (wants_ == Wants::kAnswer && !std::holds_alternative<AskContent>(*ask_)) return;
  const bool may_end = in_transaction_ || is_quitting();
  if (!may_end || at_once) lose(stage(), own_words("4.3.2", "we are shutting down"));
}

void SmtpClientCore::disconnected(std::string_view unread) {
  if (wants_ == Wants::kClose) return;
  if (!unread.empty()) hear_last_words(unread);
  if (wants_ == Wants::kClose) return;
  if (ask_ && std::holds_alternative<AskReport>(*ask_)) {
    ending_ = true;
    return;
  }
  lose(stage(), own_words("4.4.2", "the connection was lost"));
}

// What the server said before it closed.
void SmtpClientCore::hear_last_words(std::string_view unread) {
  if (wants_ == Wants::kTls) return;  // said in the clear
  const bool all_is_out = output_.empty() && !sent_.empty();
  if (wants_ == Wants::kInput || (in_content_ && all_is_out)) {
    ask_.reset();
    wants_ = Wants::kInput;
    receive(unread);
    return;
  }
  if (!in_content_) return;
  // In the middle of the message it can only be why the server wants no more of it.
  std::size_t consumed = 0;
  if (replies_.read(unread, consumed) != ReplyReader::Event::kReply || replies_.code() < 400) return;
  output_.clear();
  sent_.clear();
  ending_ = true;
  take_verdict(replies_.reply());
}

void SmtpClientCore::answer_transaction(std::optional<ClientTransaction> transaction) {
  if (!take_answer<AskTransaction>()) return;
  was_ready_ = true;
  if (!transaction) return quit();
  transaction_ = std::move(*transaction);
  begin_transaction();
}

void SmtpClientCore::answer_report() {
  if (!take_answer<AskReport>()) return;
  if (ending_) {
    wants_ = Wants::kClose;
  } else if (stopping_ || mails_said_ >= extensions_.transactions.value_or(SIZE_MAX)) {
    quit();  // RFC 9422 4.1: MAILMAX
  } else {
    want(AskTransaction{});
  }
}

std::chrono::seconds SmtpClientCore::patience() const {
  if (wants_ == Wants::kTls) return SmtpClientPatience::kHandshake;
  if (sent_.empty()) return in_content_ ? SmtpClientPatience::kBlock : SmtpClientPatience::kCommand;
  switch (sent_.front().said) {
    case Said::kConnection:
      return SmtpClientPatience::kGreeting;
    case Said::kData:
      return SmtpClientPatience::kData;
    case Said::kChunk:
      return SmtpClientPatience::kBlock;
    case Said::kEnd:
    case Said::kLoneDot:
      // Until all of it has been taken, the end waits for the pieces before it.
      return wants_ == Wants::kDrain ? SmtpClientPatience::kBlock : SmtpClientPatience::kEnd;
    case Said::kQuit:
      return SmtpClientPatience::kQuit;
    default:
      return SmtpClientPatience::kCommand;
  }
}

void SmtpClientCore::forget_login() {
  exchange_.reset();
  OPENSSL_cleanse(postponed_response_.data(), postponed_response_.size());
  postponed_response_.clear();
  if (!options_.login) return;
  OPENSSL_cleanse(options_.login->password.data(), options_.login->password.size());
  options_.login.reset();
}

}  // namespace mailstead
