#include "protocols/pop3/pop3_core.h"

#include "protocols/address.h"
#include "protocols/ascii.h"
#include "protocols/pop3/pop3_commands.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxPop3Line = 255;  // octets with CRLF, RFC 2449 4
// RFC 2449 sets a least, not a most: USER has room for each address that there can be, and APOP for its
// digest besides.
constexpr std::size_t kMaxLoginLine = 5 + (kMaxPath - 2) + 1 + 32 + 2;
constexpr int kMaxBadCommands = 20;  // in a row
constexpr std::chrono::seconds kLoginPatience{60};
constexpr std::chrono::seconds kPop3HandshakePatience{30};

}  // namespace

Pop3Core::Pop3Core(Pop3Options options, PeerFacts peer, std::string& output, std::uint64_t& progress)
    : options_(std::move(options)), peer_(std::move(peer)), output_(output), progress_(progress) {}

// RFC 1939 7: "<...>" offers APOP; so it stands there only while somebody can use it.
void Pop3Core::start() {
  const bool apop = !options_.apop_timestamp.empty();
  ok_facts(options_.hostname + " POP3 ready" + (apop ? " " + options_.apop_timestamp : ""));
}

std::size_t Pop3Core::receive(std::string_view bytes) {
  std::size_t consumed = 0;
  while (wants_ == Wants::kInput && consumed < bytes.size()) {
    std::size_t line = 0;
    read_line(bytes.substr(consumed), line);
    consumed += line;
    settle();
  }
  return consumed;
}

void Pop3Core::read_line(std::string_view bytes, std::size_t& consumed) {
  command_ = {};
  switch (lines_.read(bytes, consumed)) {
    case LineEvent::kIncomplete:
      return;
    case LineEvent::kLine:
      ++progress_;
      if (exchange_) return on_auth_line(lines_.line());
      return on_command(lines_.line(), bytes.size() - consumed);
    case LineEvent::kTooLong:
      refuse(Pop3Text::kLineTooLong);
      return hang_up();
    case LineEvent::kNul:
      ++progress_;
      end_auth();
      return bad_command(Pop3Text::kNul);
    case LineEvent::kBareNewline:
      ++progress_;
      end_auth();
      return bad_command(Pop3Text::kBareNewline);  // RFC 1939 3
  }
}

void Pop3Core::on_command(std::string_view line, std::size_t bytes_behind) {
  const std::string_view name = line.substr(0, line.find(' '));
  std::string_view argument = line.substr(name.size());
  if (!argument.empty()) argument.remove_prefix(1);

  const Pop3Command* command = find_pop3_command(name);
  const bool long_line = command != nullptr && command->has(Pop3Rule::kLongLine);
  if (line.size() + 2 > (long_line ? kMaxLoginLine : kMaxPop3Line))
    return bad_command(Pop3Text::kLineTooLong);
  if (command == nullptr) return bad_command(Pop3Text::kUnknownCommand);
  command_ = command->name;
  if (command->has(Pop3Rule::kEndsPipeline) && bytes_behind > 0) {
    // It may have been put there by somebody between us and the client, to be run after the handshake.
    refuse(Pop3Text::kInputTooSoon);
    return hang_up();
  }
  if (!command->has(logged_in() ? Pop3Rule::kAfterLogin : Pop3Rule::kBeforeLogin)) {
    return bad_command(logged_in() ? Pop3Text::kNotAfterLogin : Pop3Text::kLogInFirst);
  }
  const bool has_argument = !ascii::trim(argument).empty();
  if (command->has(Pop3Rule::kNoArgument) && has_argument) return bad_command(Pop3Text::kArgumentTooMany);
  if (command->has(Pop3Rule::kNeedsArgument) && argument.empty()) {
    return bad_command(Pop3Text::kArgumentMissing);
  }
  bad_commands_ = 0;
  running_ = command;
  running_argument_ = argument;
  (this->*command->run)(argument);
}

void Pop3Core::ok(Pop3Text text, std::uint64_t first, std::uint64_t second) {
  ok_facts(pop3_text(text, language_, first, second));
}

// For programs, or not to be translated.
void Pop3Core::ok_facts(std::string_view facts) {
  output_ += "+OK ";
  output_ += facts;
  output_ += "\r\n";
}

void Pop3Core::error(Pop3Text text) {
  output_ += "-ERR ";
  output_ += pop3_text(text, language_);
  output_ += "\r\n";
}

// An error that the log has to know of, in the administrator's language and not the client's.
void Pop3Core::refuse(Pop3Text text, std::string_view subject) {
  note_refusal("-ERR " + pop3_text(text, Pop3Language::kEnglish), subject);
  error(text);
}

void Pop3Core::note_refusal(std::string reply, std::string_view subject) {
  if (refusals_.size() >= kMaxRefusals) return;
  refusals_.push_back({std::string(command_), std::move(reply), std::string(subject)});
}

// A line that is no command here and now; who sends nothing else is no mail program. What it holds stays out
// of the log: it may be a password.
void Pop3Core::bad_command(Pop3Text text) {
  if (++bad_commands_ < kMaxBadCommands) return refuse(text);
  refuse(Pop3Text::kTooManyBadCommands);
  hang_up();
}

void Pop3Core::hang_up() {
  wants_ = Wants::kClose;
}

void Pop3Core::want(Pop3Ask ask) {
  ask_ = std::move(ask);
  wants_ = Wants::kAnswer;
}

// False when the session ended while the answer was on its way.
bool Pop3Core::take_answer() {
  if (wants_ != Wants::kAnswer) return false;
  wants_ = Wants::kInput;
  ++progress_;
  return true;
}

// Goes on with what is being sent, as far as the output may grow; then what is due between two commands.
void Pop3Core::settle() {
  while (wants_ == Wants::kInput) {
    if (output_.size() >= kOutputChunk) {
      wants_ = Wants::kDrain;
    } else if (listing_) {
      continue_listing();
    } else if (message_) {
      continue_message();
    } else if (stopping_) {
      // No [AUTH]: RFC 3206 5 has it for replies to the commands that log in.
      error(expelled_ ? Pop3Text::kMailboxClosed : Pop3Text::kShuttingDown);
      hang_up();
    } else {
      page_.reset();
      return;
    }
  }
}

void Pop3Core::drained() {
  if (wants_ != Wants::kDrain) return;
  wants_ = Wants::kInput;
  ++progress_;
  settle();
}

// RFC 2595 4: nothing that was said in the clear is remembered.
void Pop3Core::tls_established(const PeerFacts& facts) {
  if (wants_ != Wants::kTls) return;
  peer_ = facts;
  ++progress_;
  user_.clear();
  language_ = Pop3Language::kEnglish;
  utf8_mode_ = false;
  lines_ = LineReader(kMaxCommandLine);
  wants_ = Wants::kInput;
  settle();
}

// RFC 1939 3: closed without a word, and without entering UPDATE: nothing is deleted.
void Pop3Core::timed_out() {
  hang_up();
}

void Pop3Core::shut_down() {
  stopping_ = true;
  if (wants_ == Wants::kTls) hang_up();
  settle();
}

void Pop3Core::expel() {
  expelled_ = true;
  shut_down();
}

std::chrono::seconds Pop3Core::patience() const {
  if (wants_ == Wants::kTls) return kPop3HandshakePatience;
  return logged_in() ? options_.idle_timeout : kLoginPatience;
}

}  // namespace mailstead
