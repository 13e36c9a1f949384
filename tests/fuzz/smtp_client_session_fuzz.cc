// Drives an SMTP client's session with anything that a server may say, and looks at what must always hold:
// bounded output, commands that are lines of their own, messages framed so that nothing in them is a command,
// an outcome for each recipient, an end, and the same of all that however the packets are cut.
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/smtp/smtp_client_session.h"
#include "protocols/utf8.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

struct ClientSetting {
  SmtpClientOptions options;
  PeerFacts peer;
  std::vector<ClientTransaction> transactions;
  std::string content;
  std::size_t piece = 1;
  bool content_fails = false;
  std::size_t event = 0;  // 1: time-out, 2: shutdown, 3: two of them, 4: disconnected
  std::size_t event_turn = 0;
  std::size_t seed = 0;  // of cuts
};

struct ClientTranscript {
  std::string output;
  std::vector<std::vector<RecipientOutcome>> reports;
  std::string failure;

  bool operator==(const ClientTranscript&) const = default;
};

ClientTransaction make_transaction(Choices& choices) {
  constexpr std::size_t kCounts[] = {1, 0, 2, 3, 150};
  ClientTransaction transaction;
  Envelope& envelope = transaction.envelope;
  if (choices.draw(2) == 0) envelope.reverse_path = Address{"bob", "example.org"};
  const std::size_t count = kCounts[choices.draw(5)];
  for (std::size_t i = 0; i < count; ++i) {
    envelope.recipients.emplace_back(Address{"user" + std::to_string(i), "example.net"});
    envelope.recipients.back().original = "rfc822;a=b\r\nDATA";
    envelope.recipients.back().notify = Notify{};
  }
  switch (choices.draw(6)) {
    case 1:
      envelope.recipients.emplace_back(Address{"a\r\nDATA", "example.net"});
      break;
    case 2:
      envelope.recipients.emplace_back(Address{"j\xc3\xb6rg", "example.com"});
      break;
    case 3:
      envelope.require_tls = true;
      break;
    case 4:
      transaction.eight_bit = true;
      break;
    case 5:
      transaction.utf8_header = true;
      break;
    default:
      break;
  }
  envelope.envelope_id = "id\r\nRSET";
  envelope.returned = ReturnedContent::kFull;
  return transaction;
}

ClientSetting make_client_setting(std::string_view line) {
  constexpr std::string_view kContents[] = {"Subject: x\r\n\r\n.\r\n..\r\nQUIT\r\n", "", ".", "\n.\n", "a\r"};
  constexpr std::size_t kPieces[] = {100, 1, 3};
  Choices choices(line);
  ClientSetting setting;
  setting.options.hostname = "client.example.org";
  setting.options.tls = static_cast<SmtpClientOptions::TlsUse>(choices.draw(4));
  setting.peer.tls = choices.draw(2) == 1;
  if (choices.draw(2) == 1) setting.options.login = SmtpClientLogin{"user", "pencil", "abc"};
  setting.options.allow_plaintext_login = choices.draw(2) == 1;
  setting.content = kContents[choices.draw(5)];
  setting.piece = kPieces[choices.draw(3)];
  setting.content_fails = choices.draw(8) == 7;
  setting.event = choices.draw(5);
  setting.event_turn = choices.draw(16);
  setting.seed = choices.draw(64);
  const std::size_t count = choices.draw(4);
  for (std::size_t i = 0; i < count; ++i) {
    setting.transactions.push_back(make_transaction(choices));
    setting.transactions.back().size = setting.content.size();
  }
  return setting;
}

// Behind each line that can end a reply: what more there is has a meaning of its own.
std::vector<std::string_view> replies_of(std::string_view wire) {
  std::vector<std::string_view> result;
  std::size_t begin = 0;
  for (std::size_t line = 0; line < wire.size();) {
    const std::size_t end = std::min(wire.find('\n', line), wire.size() - 1) + 1;
    if (end - line < 4 || wire[line + 3] != '-') {
      result.push_back(wire.substr(begin, end - begin));
      begin = end;
    }
    line = end;
  }
  if (begin < wire.size()) result.push_back(wire.substr(begin));
  return result;
}

void check_commands(std::string_view output) {
  require(output.size() < kCommandOctets + 2048, "commands are bounded");
  while (!output.empty()) {
    const std::size_t end = output.find("\r\n");
    require(end != std::string_view::npos && end <= kMaxCommandLine * 8, "a command ends in CRLF");
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(end + 2);
    require(utf8::is_valid(line), "a command is UTF-8");
    for (const char c : line) require(c < 0 || ascii::is_printable(c), "a command has no control characters");
  }
}

class ClientRun {
 public:
  explicit ClientRun(const ClientSetting& setting)
      : setting_(setting), session_(setting.options, setting.peer) {}

  ClientTranscript play(const std::vector<std::string_view>& turns, Cutting cutting) {
    session_.start();
    pump();
    std::size_t number = 0;
    for (const std::string_view turn : turns) {
      if (setting_.event != 0 && number++ == setting_.event_turn) happen();
      for (const std::string_view packet : packets(turn, cutting, setting_.seed)) feed(packet);
    }
    session_.disconnected();
    pump();
    require(session_.wants() == Wants::kClose, "a session whose connection is gone ends");
    require(answered_ == transcript_.reports.size(), "each transaction is reported");
    require(asked_ || session_.failure().has_value(), "where there was no transaction, it is said why");
    require(session_.messages_sent() <= answered_, "no message is sent twice");
    if (session_.failure()) {
      check_reply(session_.failure()->reply);
      transcript_.failure = session_.failure()->reply.line();
    }
    return std::move(transcript_);
  }

 private:
  void happen() {
    if (setting_.event == 1) session_.timed_out();
    if (setting_.event == 2 || setting_.event == 3) session_.shut_down();
    if (setting_.event == 3) session_.shut_down();
    if (setting_.event == 4) session_.disconnected("452 4.3.1 full\r\n");
    pump();
  }

  void feed(std::string_view packet) {
    while (session_.wants() == Wants::kInput && !packet.empty()) {
      const std::size_t consumed = session_.receive(packet);
      require(consumed > 0 && consumed <= packet.size(), "input is consumed, and no more than there is");
      packet.remove_prefix(consumed);
      pump();
    }
    if (session_.wants() == Wants::kTls) {
      PeerFacts facts = setting_.peer;
      facts.tls = true;
      session_.tls_established(facts);
      pump();
    }
  }

  void pump() {
    take_commands();
    while (session_.wants() == Wants::kAnswer || session_.wants() == Wants::kDrain) {
      if (session_.wants() == Wants::kDrain) {
        session_.drained();
      } else {
        std::visit([this](auto& ask) { answer(ask); }, session_.ask());
      }
      take_commands();
    }
  }

  void take_commands() {
    const std::string output = session_.take_output();
    check_commands(output);
    transcript_.output += output;
  }

  void answer(AskTransaction&) {
    asked_ = true;
    require(!session_.failure().has_value(), "who can send has not failed");
    given_.clear();
    if (answered_ == setting_.transactions.size()) return session_.answer_transaction(std::nullopt);
    in_data_ = false;
    session_.answer_transaction(setting_.transactions[answered_++]);
    // DATA ends a group, and says so before any content.
    take_commands();
  }

  void answer(AskContent& ask) {
    require(ask.offset == given_.size(), "content is asked for from its beginning to its end");
    if (setting_.content_fails && ask.offset > 0) return session_.answer_content_failed();
    const std::string bytes = setting_.content.substr(given_.size(), setting_.piece);
    given_ += bytes;
    const bool is_last = given_.size() == setting_.content.size();
    session_.answer_content(bytes, is_last ? ContentPart::kLast : ContentPart::kMore);
    const std::string output = session_.take_output();
    require(output.size() <= 2 * bytes.size() + 32, "content is bounded");
    if (!session_.extensions().chunking) {
      check_dots(output, is_last);
    } else if (!output.empty()) {
      check_chunk(output, bytes, is_last);
    }
    transcript_.output += output;
  }

  void check_dots(const std::string& output, bool is_last) {
    if (!std::exchange(in_data_, true)) data_ = "\r\n";
    data_ += output;
    const std::size_t end = data_.find("\r\n.\r\n");
    require((end != std::string::npos) == is_last, "a message ends when it ends");
    require(!is_last || end + 5 == data_.size(), "and nothing stands behind the end");
  }

  static void check_chunk(const std::string& output, const std::string& bytes, bool is_last) {
    const std::size_t end = output.find("\r\n");
    const std::size_t octets = output.size() - end - 2;
    require(octets == bytes.size() || (is_last && octets == bytes.size() + 2),
            "a chunk holds what was given");
    require(output.substr(0, end) == "BDAT " + std::to_string(octets) + (is_last ? " LAST" : ""),
            "and says how much");
  }

  static void check_reply(const RemoteReply& reply) {
    require(reply.text.size() <= kMaxReplyText && utf8::is_valid(reply.text), "a text is short and UTF-8");
    for (const char c : reply.text) require(c < 0 || ascii::is_printable(c), "a text is printable");
    require(reply.is_ours() || (reply.code >= 200 && reply.code < 600), "a code is one");
  }

  void answer(AskReport&) {
    const auto& outcomes = session_.outcomes();
    require(outcomes.size() == setting_.transactions[answered_ - 1].envelope.recipients.size(),
            "each recipient has an outcome");
    for (const RecipientOutcome& outcome : outcomes) {
      check_reply(outcome.reply);
      require(!outcome.reply.line().empty(), "and a reason");
      const bool is_delivered = outcome.verdict == RecipientOutcome::Verdict::kDelivered;
      require(!is_delivered || outcome.reply.code / 100 == 2, "what is delivered was accepted");
      require((!is_delivered && !outcome.may_be_delivered) || given_.size() == setting_.content.size(),
              "only what was sent whole can be delivered");
      require((!is_delivered && !outcome.may_be_delivered) || outcome.end_was_said,
              "and is not for anybody else");
    }
    transcript_.reports.push_back(outcomes);
    session_.answer_report();
  }

  const ClientSetting& setting_;
  SmtpClientSession session_;
  ClientTranscript transcript_;
  std::size_t answered_ = 0;
  bool asked_ = false;
  bool in_data_ = false;
  std::string data_;
  std::string given_;
};

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead::fuzz;
  const Input input = split_input(data, size);
  const ClientSetting setting = make_client_setting(input.choices);
  const auto turns = replies_of(input.wire);
  const ClientTranscript whole = ClientRun(setting).play(turns, Cutting::kTurns);
  const ClientTranscript pieces = ClientRun(setting).play(turns, Cutting::kPieces);
  require(whole == pieces, "the packets' borders change nothing");
  // With all of it in one packet the session knows who says too much; what must hold holds then, too.
  ClientRun(setting).play({input.wire}, Cutting::kTurns);
  return 0;
}
