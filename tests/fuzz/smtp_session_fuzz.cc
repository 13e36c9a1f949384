// Drives an SMTP session with any input and any answers, and looks at what must always hold: bounded output
// and memory, well-formed replies, no message with a bare newline, and the same replies however the packets
// are cut.
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocols/smtp/smtp_session.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

struct Setting {
  SmtpOptions options;
  PeerFacts peer;
  std::size_t seed = 0;   // of answers and cuts
  std::size_t event = 0;  // 1: time-out, 2: shutdown
  std::size_t event_turn = 0;
};

struct Transcript {
  std::string output;
  std::vector<std::string> committed;  // messages that the session asked to keep
  Wants end = Wants::kInput;

  bool operator==(const Transcript&) const = default;
};

Setting make_setting(std::string_view line) {
  Choices choices(line);
  Setting setting;
  setting.options.hostname = "mx.example.org";
  setting.options.now = [] { return std::int64_t{1'700'000'000}; };
  setting.options.service = choices.draw(2) == 0 ? SmtpService::kExchange : SmtpService::kSubmission;
  setting.options.starttls_available = choices.draw(2) == 1;
  setting.peer.address = "192.0.2.1";
  setting.peer.loopback = choices.draw(2) == 1;
  setting.options.bare_newline = choices.draw(2) == 0 ? BareNewline::kReject : BareNewline::kNormalise;
  setting.options.message_size = choices.draw(2) == 0 ? 1 << 20 : 100;
  setting.options.recipients = choices.draw(2) == 0 ? 1000 : 2;
  setting.event = choices.draw(3);
  setting.event_turn = choices.draw(8);
  setting.seed = choices.draw(64);
  setting.options.check_from = choices.draw(2) == 0;
  if (choices.draw(2) == 1) setting.options.scram = sasl::Scram::kAvailable;
  if (choices.draw(3) == 2) setting.options.service = SmtpService::kLmtp;
  setting.options.greeting_delay = std::chrono::seconds(choices.draw(8) == 7 ? 2 : 0);
  for (std::size_t stage = 0; stage < 5; ++stage) {
    if (choices.draw(4) == 3) setting.options.judged.add(static_cast<PolicyStage>(stage));
  }
  return setting;
}

// A reply is lines of a code, a blank (or a hyphen, if another line of the same code follows), and printable
// text.
void check_replies(std::string_view output) {
  std::string_view open;
  while (!output.empty()) {
    const std::size_t end = output.find("\r\n");
    require(end != std::string_view::npos, "a reply ends in CRLF");
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(end + 2);
    require(line.size() >= 4 && line.size() < 510, "a reply line has a code, and no more than 512 octets");
    require(line[0] >= '2' && line[0] <= '5' && std::isdigit(line[1]) && std::isdigit(line[2]),
            "a code is 2xx to 5xx");
    require(line[3] == ' ' || line[3] == '-', "a blank or a hyphen stands behind the code");
    for (const char c : line) require(c >= ' ' && c <= '~', "a reply is printable");
    require(open.empty() || open == line.substr(0, 3), "the lines of a reply have one code");
    open = line[3] == '-' ? line.substr(0, 3) : "";
  }
  require(open.empty(), "a reply has a last line");
}

class Run {
 public:
  explicit Run(const Setting& setting) : setting_(setting), session_(setting.options, setting.peer) {}

  Transcript play(std::string_view wire, Cutting cutting) {
    session_.start();
    pump();
    if (setting_.options.greeting_delay.count() > 0 && verdict(2) == 0) {
      session_.timed_out();
      pump();
    }
    std::size_t number = 0;
    for (const std::string_view turn : turns(wire, {"DATA", "STARTTLS"})) {
      if (setting_.event != 0 && number++ == setting_.event_turn) happen();
      for (const std::string_view packet : packets(turn, cutting, setting_.seed)) feed(packet);
    }
    check_replies(transcript_.output);
    transcript_.end = session_.wants();
    return std::move(transcript_);
  }

 private:
  void happen() {
    if (setting_.event == 1) {
      session_.timed_out();
    } else {
      session_.shut_down();
    }
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
    take_output();
    while (session_.wants() == Wants::kAnswer || session_.wants() == Wants::kDrain) {
      if (session_.wants() == Wants::kDrain) {
        session_.drained();
      } else {
        std::visit([this](auto& ask) { answer(ask); }, session_.ask());
      }
      take_output();
    }
    require(session_.take_refusals().size() <= kMaxRefusals, "refusals are bounded");
  }

  void take_output() {
    const std::string output = session_.take_output();
    require(output.size() < kOutputChunk + 4096, "output is bounded");
    transcript_.output += output;
  }

  // One of n, from the seed; the first most of the time.
  std::size_t verdict(std::size_t n) {
    mixed_ = mixed_ * 6364136223846793005u + setting_.seed + 1442695040888963407u;
    const std::size_t drawn = (mixed_ >> 33) % (3 * n);
    return setting_.seed == 0 || drawn >= n ? 0 : drawn;
  }

  void answer(AskPassword& ask) {
    require(ask.user.find('\0') == std::string::npos && !ask.user.empty(), "a name has no NUL");
    require(ask.password.find('\0') == std::string::npos && !ask.password.empty(), "a password has no NUL");
    session_.answer_password(static_cast<PasswordVerdict>(verdict(3)), "anna@example.org");
  }
  void answer(AskScramChallenge& ask) {
    require(setting_.options.scram == sasl::Scram::kAvailable && !ask.user.empty(), "SCRAM is offered");
    session_.answer_scram_challenge({"salt", 4096, "nonce"});
  }
  void answer(AskScramProof& ask) {
    require(!ask.user.empty() && ask.proof.auth_message.find("nonce,s=c2FsdA==") != std::string::npos,
            "what is proved holds our part");
    session_.answer_scram_proof(static_cast<PasswordVerdict>(verdict(3)), "anna@example.org", "signature");
  }
  void answer(AskSender& ask) {
    check_address(ask.reverse_path);
    session_.answer_sender(verdict(2) == 0);
  }
  void answer(AskRecipient& ask) {
    if (!ask.recipient.domain.empty()) check_address(ask.recipient);
    session_.answer_recipient(static_cast<RecipientVerdict>(verdict(7)));
  }
  void answer(AskBegin& ask) {
    require(!ask.envelope.recipients.empty(), "a message has recipients");
    require(ask.envelope.recipients.size() <= setting_.options.recipients, "and no more than allowed");
    message_.clear();
    session_.answer_begin(verdict(2) == 0 ? "id" : "", "Sat, 1 Jan 2000 00:00:00 +0000");
  }
  void answer(AskSpool& ask) {
    require(ask.bytes.size() <= 2 * kSpoolChunk + 2, "a piece is bounded");
    message_ += ask.bytes;
    session_.answer_spool(static_cast<CommitVerdict>(verdict(6)));
  }
  void answer(AskAuthor& ask) {
    require(!ask.authors.empty() && !ask.user.empty(), "somebody wrote it, and somebody logged in");
    for (const Address& author : ask.authors) check_address(author);
    session_.answer_author(verdict(2) == 0);
  }
  void answer(AskPolicy& ask) {
    require(setting_.options.judged.has(ask.stage), "only who judges is asked");
    require((ask.envelope != nullptr) == (ask.stage >= PolicyStage::kSender), "the envelope begins at MAIL");
    require(ask.stage != PolicyStage::kContent || ask.rest.size() <= 2 * kSpoolChunk + 2,
            "a piece is bounded");
    session_.answer_policy({static_cast<PolicyVerdict::Action>(verdict(4)), "X-Tag: yes\r\n"});
  }
  void answer(AskCommit& ask) {
    message_ += ask.rest;
    require(ask.size == message_.size(), "the size is that of the message");
    require(message_.starts_with("Received: from "), "a message begins with its trace line");
    check_newlines();
    transcript_.committed.push_back(message_);
    require(!ask.envelope.recipients.empty(), "a message has recipients");
    if (setting_.options.service != SmtpService::kLmtp) {
      return session_.answer_commit(static_cast<CommitVerdict>(verdict(6)));
    }
    std::vector<CommitVerdict> verdicts;
    for (std::size_t i = 0; i < ask.envelope.recipients.size(); ++i) {
      verdicts.push_back(static_cast<CommitVerdict>(verdict(6)));
    }
    session_.answer_commit(verdicts);
  }

  void check_address(const Address& address) {
    const auto again = parse_address(address.text());
    require(again.has_value() && *again == address, "an address reads back as it is");
  }

  void check_newlines() {
    for (std::size_t i = 0; i < message_.size(); ++i) {
      if (message_[i] == '\n') require(i > 0 && message_[i - 1] == '\r', "no bare LF is kept");
      if (message_[i] == '\r')
        require(i + 1 < message_.size() && message_[i + 1] == '\n', "no bare CR is kept");
    }
  }

  const Setting& setting_;
  SmtpSession session_;
  Transcript transcript_;
  std::string message_;
  std::uint64_t mixed_ = 0;
};

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead::fuzz;
  const Input input = split_input(data, size);
  const Setting setting = make_setting(input.choices);
  const Transcript whole = Run(setting).play(input.wire, Cutting::kTurns);
  const Transcript pieces = Run(setting).play(input.wire, Cutting::kPieces);
  require(whole == pieces, "the packets' borders change nothing");
  return 0;
}
