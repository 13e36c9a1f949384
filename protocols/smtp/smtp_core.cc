#include "protocols/smtp/smtp_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "protocols/ascii.h"
#include "protocols/smtp/smtp_commands.h"

namespace mailstead {
namespace {

constexpr int kMaxErrors = 20;
constexpr std::size_t kMostNamed = 10;                 // recipients of a message that was refused
constexpr std::chrono::seconds kCommandPatience{300};  // RFC 5321 4.5.3.2.7
constexpr std::chrono::seconds kGreetingPatience{
    60};  // who has not said EHLO by then wants no mail delivered
constexpr std::chrono::seconds kHandshakePatience{30};
constexpr std::chrono::seconds kLeastContentPatience{10};

// A BDAT that is badly written: what follows may be a message.
bool begins_chunk(std::string_view line) {
  return ascii::starts_with(ascii::trim(line), "BDAT");
}

}  // namespace

SmtpCore::SmtpCore(SmtpOptions options, PeerFacts peer, std::string& output, std::uint64_t& progress)
    : options_(std::move(options)),
      rules_(rules_of(options_.service)),
      peer_(std::move(peer)),
      output_(output),
      progress_(progress) {}

void SmtpCore::start() {
  if (rules_.hears_first && peer_.spoke_first) {
    hear_early({});
  } else if (!judge(PolicyStage::kConnect)) {
    go_on_behind(PolicyStage::kConnect);
  }
}

void SmtpCore::greet() {
  state_ = State::kCommand;
  ++progress_;
  say({220, "", fmt::format("{} {} Mailstead", options_.hostname, rules_.protocol)});
}

// RFC 5321 3.1 and 4.3.1: a client waits for the greeting. Who does not is a program that hears nothing.
std::size_t SmtpCore::hear_early(std::string_view bytes) {
  refuse({554, "5.5.0", options_.hostname + " you spoke before the greeting"});
  wants_ = Wants::kClose;
  return bytes.size();
}

std::size_t SmtpCore::receive(std::string_view bytes) {
  std::size_t consumed = 0;
  while (wants_ == Wants::kInput && consumed < bytes.size()) {
    const std::string_view left = bytes.substr(consumed);
    if (state_ == State::kGreeting) {
      consumed += hear_early(left);
    } else if (state_ == State::kContent) {
      consumed += read_content(left);
    } else {
      consumed += state_ == State::kChunk ? read_chunk(left) : read_line(left);
    }
    settle();
  }
  return consumed;
}

std::size_t SmtpCore::read_line(std::string_view bytes) {
  std::size_t consumed = 0;
  const LineEvent event = lines_.read(bytes, consumed);
  if (event == LineEvent::kIncomplete) return consumed;
  // Between chunks it is the message that has to come on.
  if (!reader_) ++progress_;
  if (event == LineEvent::kLine) {
    on_line(lines_.line(), bytes.size() - consumed);
  } else {
    on_bad_line(event);
  }
  return consumed;
}

void SmtpCore::on_line(std::string_view line, std::size_t bytes_behind) {
  if (state_ == State::kAuth) {
    on_auth_line(line);
  } else {
    on_command(line, bytes_behind);
  }
}

void SmtpCore::on_bad_line(LineEvent event) {
  if (state_ != State::kAuth) {
    command_ = {};
  } else {
    end_auth();
    // RFC 4954 4: an over-long response has a code of its own.
    if (event == LineEvent::kTooLong)
      return refuse({500, "5.5.6", "Authentication exchange line is too long"});
  }
  if (begins_chunk(lines_.bad_line())) return refuse_chunk_line();
  if (event == LineEvent::kTooLong) return refuse({500, "5.5.2", "Line too long"});
  if (event == LineEvent::kNul) return refuse({500, "5.5.2", "A command must not hold a NUL"});
  refuse({500, "5.5.2", "A line must end in CR LF"});  // RFC 5321 2.3.8
}

void SmtpCore::on_command(std::string_view line, std::size_t bytes_behind) {
  const std::string_view name = line.substr(0, line.find(' '));
  const std::string_view argument = ascii::trim(line.substr(name.size()));
  const SmtpCommand* command = find_smtp_command(ascii::trim_end(name), rules_);
  command_ = command != nullptr ? command->name : std::string_view();
  if (state_ == State::kUnwelcome && (command == nullptr || command->run != &SmtpCore::quit)) {
    return refuse({503, "5.5.1", "Only QUIT is left to say"});
  }
  if (command == nullptr && begins_chunk(line)) return refuse_chunk_line();
  if (command == nullptr) return refuse({500, "5.5.1", "Command unrecognised"});
  if (command->has(SmtpRule::kEndsPipeline) && bytes_behind > 0) {
    // What follows is a message, or was put before a TLS handshake by somebody else: never commands.
    refuse({554, "5.5.0", "Input sent before the reply it has to wait for"});
    wants_ = Wants::kClose;
    return;
  }
  if (command->has(SmtpRule::kNeedsGreeting) && helo_.empty()) {
    return refuse({503, "5.5.1", fmt::format("Send {} first", rules_.lhlo ? "LHLO" : "EHLO")});
  }
  if (command->has(SmtpRule::kNoArgument) && !argument.empty()) {
    return refuse({501, "5.5.4", "The command takes no argument"});
  }
  if (command->has(SmtpRule::kNeedsArgument) && argument.empty()) {
    return refuse({501, "5.5.4", "The command needs an argument"});
  }
  (this->*command->run)(argument);
}

// Nobody knows where the next command begins.
void SmtpCore::refuse_chunk_line() {
  refuse({501, "5.5.4", "Syntax: BDAT size [LAST]"});
  wants_ = Wants::kClose;
}

void SmtpCore::say(const Reply& reply) {
  output_ += reply.wire();
}

void SmtpCore::note_refusal(const Reply& reply, std::string_view subject) {
  if (refusals_.size() >= kMaxRefusals) return;
  std::string line = reply.wire();
  line.resize(line.size() - 2);
  SmtpSession::Refusal refusal = committing_ ? *committing_ : named();
  refusal.command = command_;
  refusal.reply = std::move(line);
  refusal.subject = subject;
  refusals_.push_back(std::move(refusal));
}

SmtpSession::Refusal SmtpCore::named() const {
  SmtpSession::Refusal refusal;
  if (envelope_.reverse_path) refusal.from = envelope_.reverse_path->text();
  for (const Recipient& recipient : envelope_.recipients | std::views::take(kMostNamed))
    refusal.to.push_back(recipient.address.text());
  if (reader_) refusal.message_id = reader_->header().message_id();
  return refusal;
}

void SmtpCore::refuse(const Reply& reply, std::string_view subject) {
  note_refusal(reply, subject);
  if (reply.code >= 500 && ++errors_ >= kMaxErrors) return hang_up({421, "4.7.0", "Too many errors"});
  say(reply);
}

void SmtpCore::hang_up(const Reply& farewell) {
  say(farewell);
  wants_ = Wants::kClose;
}

void SmtpCore::want(SmtpAsk ask) {
  ask_ = std::move(ask);
  wants_ = Wants::kAnswer;
}

// False when the session ended while the answer was on its way.
bool SmtpCore::take_answer() {
  if (wants_ != Wants::kAnswer) return false;
  wants_ = Wants::kInput;
  ++progress_;
  return true;
}

// What is due after a command, a piece of a message or an answer.
void SmtpCore::settle() {
  if (wants_ != Wants::kInput) return;
  if (stopping_ && !message_comes()) {
    if (expelled_) return hang_up({421, "4.7.0", "The login is no longer valid"});
    hang_up({421, "4.3.2", options_.hostname + " shutting down"});  // RFC 5321 3.8
  } else if (output_.size() >= kOutputChunk) {
    wants_ = Wants::kDrain;
  }
}

void SmtpCore::drained() {
  if (wants_ != Wants::kDrain) return;
  wants_ = Wants::kInput;
  settle();
}

// RFC 3207 4.2: nothing that was said in the clear is remembered.
void SmtpCore::tls_established(const PeerFacts& facts) {
  if (wants_ != Wants::kTls) return;
  peer_ = facts;
  ++progress_;
  forget_session();
  wants_ = Wants::kInput;
  settle();
}

void SmtpCore::timed_out() {
  if (wants_ == Wants::kClose) return;
  // The client has kept silent, as it should.
  if (state_ == State::kGreeting && wants_ == Wants::kInput) return greet();
  // In the middle of a handshake there is no channel for words.
  if (wants_ == Wants::kTls) {
    wants_ = Wants::kClose;
    return;
  }
  hang_up({421, "4.4.2", options_.hostname + " timed out, closing connection"});
}

void SmtpCore::shut_down() {
  const bool at_once = std::exchange(stopping_, true);
  if (wants_ == Wants::kTls) wants_ = Wants::kClose;
  if (wants_ == Wants::kDrain) wants_ = Wants::kInput;
  if (at_once && wants_ == Wants::kInput && message_comes()) {
    forget_transaction();
    state_ = State::kCommand;
  }
  settle();
}

void SmtpCore::expel() {
  expelled_ = true;
  shut_down();
}

std::chrono::seconds SmtpCore::patience() const {
  if (wants_ == Wants::kTls) return kHandshakePatience;
  if (state_ == State::kGreeting && wants_ == Wants::kInput) return options_.greeting_delay;
  if ((message_comes() || reader_) && options_.data_rate > 0) {
    const std::chrono::seconds piece(kSpoolChunk / options_.data_rate);
    return std::clamp(piece, kLeastContentPatience, kCommandPatience);
  }
  return helo_.empty() ? kGreetingPatience : kCommandPatience;
}

void SmtpCore::forget_transaction() {
  in_transaction_ = false;
  recipient_named_ = false;
  envelope_ = {};
  recipient_keys_.clear();
  replies_.clear();
  tags_.clear();
  authors_.clear();
  recipients_.clear();
  verdicts_.clear();
  reader_.reset();
  header_.reset();
  binary_.reset();
  is_binary_ = false;
  id_.clear();
  committing_.reset();
  content_ = {};
  spooled_ = 0;
  spool_refusal_.reset();
}

void SmtpCore::forget_session() {
  forget_transaction();
  end_auth();
  lines_ = LineReader(kMaxCommandLine);
  helo_.clear();
  hello_tags_.clear();
  user_.clear();
}

}  // namespace mailstead
