// Drives a POP3 session with any input and any answers, and looks at what must always hold: bounded output,
// well-formed replies, messages sent as they are, deletes only at QUIT, and the same replies however the
// packets are cut.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/pop3/pop3_session.h"
#include "protocols/smtp/surrogate.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

std::string repeat(std::size_t times, std::string_view piece) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

const std::vector<std::string>& messages() {
  static const std::vector<std::string> all{"Subject: one\r\n\r\nbody\r\n",
                                            "Subject: two\r\n\r\n.\r\n..\r\n.dot\r\n",
                                            "",
                                            "Subject: \xc3\xa9\r\nA: \xff\r\n\r\n\xc3\xa9\r\n",
                                            ".",
                                            "no end",
                                            "a\n.\r\nb\r.\r\n",
                                            repeat(6500, ".12345678\r\n")};
  return all;
}

std::string surrogate_of(const std::string& message) {
  Surrogate surrogate;
  std::string text;
  surrogate.read(message, &text);
  surrogate.finish(&text);
  return text;
}

struct Setting {
  Pop3Options options;
  PeerFacts peer;
  std::size_t seed = 0;   // of answers and cuts
  std::size_t event = 0;  // 1: time-out, 2: shutdown
  std::size_t event_turn = 0;
};

struct Transcript {
  std::string output;
  std::vector<std::size_t> deleted;
  Wants end = Wants::kInput;

  bool operator==(const Transcript&) const = default;
};

Setting make_setting(std::string_view line) {
  Choices choices(line);
  Setting setting;
  setting.options.hostname = "mx.example.org";
  setting.options.version = "1.0";
  setting.options.stls_available = choices.draw(2) == 1;
  setting.peer.address = "192.0.2.1";
  setting.peer.loopback = choices.draw(2) == 0;
  setting.event = choices.draw(3);
  setting.event_turn = choices.draw(8);
  setting.seed = choices.draw(64);
  if (choices.draw(2) == 1) {
    setting.options.scram = sasl::Scram::kAvailable;
    setting.options.apop_timestamp = "<1.2@mx.example.org>";
  }
  if (choices.draw(2) == 1) setting.options.login_delay = std::chrono::seconds(900);
  if (const std::size_t drawn = choices.draw(3); drawn > 0) setting.options.expire_days = drawn == 1 ? 0 : 30;
  return setting;
}

// Reads the replies as a client does that takes LF for the end of a line.
class Replies {
 public:
  Replies(std::string_view output, Wants end) : left_(output), end_(end) {}

  void check() {
    while (!left_.empty()) {
      const std::string_view line = take_line();
      if (line.starts_with("+ ")) {
        require(line.ends_with("\r\n") && line.find_first_of("*. \t", 2) == std::string_view::npos,
                "a challenge is base64");  // RFC 5034 4
        continue;
      }
      require(line.starts_with("+OK ") || line.starts_with("-ERR "), "a reply begins with +OK or -ERR");
      require(line.ends_with("\r\n") && line.size() <= 512, "and is one line of at most 512 octets");
      check_text(line.substr(0, line.size() - 2));
    }
  }

 private:
  std::string_view take_line() {
    const std::size_t newline = left_.find('\n');
    if (newline == std::string_view::npos) {
      require(end_ == Wants::kClose, "only a session that closes leaves a line open");
      return std::exchange(left_, {});
    }
    const std::string_view line = left_.substr(0, newline + 1);
    left_.remove_prefix(newline + 1);
    return line;
  }

  std::string ok(Pop3Text text, std::uint64_t first = 0, std::uint64_t second = 0) const {
    return "+OK " + pop3_text(text, language_, first, second);
  }

  void check_text(std::string_view text) {
    follow_language(text);
    for (const char c : text) {
      const bool ascii = c >= ' ' && c <= '~';
      require(ascii || (language_ != Pop3Language::kEnglish && static_cast<unsigned char>(c) >= 0x80),
              "and printable, and ASCII until LANG");
    }
    const auto [first, second] = numbers(text);
    if (text == ok(Pop3Text::kOctets, first)) {
      check_message(first);
    } else if (text == ok(Pop3Text::kTopFollows) || text == ok(Pop3Text::kCapabilitiesFollow) ||
               text == ok(Pop3Text::kLanguagesFollow)) {
      take_block();
    } else if (text == ok(Pop3Text::kMailboxHolds, first, second) && !left_.empty() &&
               (ascii::is_digit(left_.front()) || left_[0] == '.')) {
      take_block();  // LIST or UIDL, and not RSET or a login
    }
  }

  void follow_language(std::string_view text) {
    // After STLS the session speaks English again; the reply itself is the last in the old language.
    if (tls_begins_) language_ = Pop3Language::kEnglish;
    if (tls_begins_) utf8_mode_ = false;
    tls_begins_ = text == ok(Pop3Text::kBeginTls);
    if (text == ok(Pop3Text::kUtf8Mode)) utf8_mode_ = true;
    for (int i = 0; i < kPop3Languages; ++i) {
      const auto each = static_cast<Pop3Language>(i);
      const std::string changed =
          "+OK " + std::string(language_tag(each)) + " " + pop3_text(Pop3Text::kLanguageChanged, each);
      if (text == changed) language_ = each;
    }
  }

  // The first two numbers in it, or 0.
  static std::pair<std::uint64_t, std::uint64_t> numbers(std::string_view text) {
    std::uint64_t found[2] = {0, 0};
    for (std::uint64_t& each : found) {
      const std::size_t begin = std::min(text.find_first_of("0123456789"), text.size());
      const std::size_t end = std::min(text.find_first_not_of("0123456789", begin), text.size());
      each = ascii::number(text.substr(begin, end - begin)).value_or(0);
      text.remove_prefix(end);
    }
    return {found[0], found[1]};
  }

  // Up to the dot, unstuffed. False when the session closed before it.
  bool take_block() {
    block_.clear();
    while (!left_.empty()) {
      std::string_view line = take_line();
      if (line == ".\r\n") return true;
      require(line != ".\n" && line != ".", "a lone dot ends a block");
      if (line.starts_with('.')) line.remove_prefix(1);
      block_ += line;
    }
    require(end_ == Wants::kClose, "only a session that closes leaves a block open");
    return false;
  }

  void check_message(std::uint64_t octets) {
    if (!take_block()) return;
    const bool known = std::ranges::any_of(messages(), [&](const std::string& message) {
      const std::string shown = utf8_mode_ ? message : surrogate_of(message);
      return shown.size() == octets && (block_ == shown || block_ == shown + "\r\n");
    });
    require(known, "a message is sent as it is, or as its surrogate without UTF8");
  }

  std::string_view left_;
  Wants end_;
  std::string block_;
  Pop3Language language_ = Pop3Language::kEnglish;
  bool tls_begins_ = false;
  bool utf8_mode_ = false;
};

class Run {
 public:
  explicit Run(const Setting& setting) : setting_(setting), session_(setting.options, setting.peer) {}

  Transcript play(std::string_view wire, Cutting cutting) {
    session_.start();
    pump();
    std::size_t number = 0;
    for (const std::string_view turn : turns(wire, {"STLS"})) {
      if (setting_.event != 0 && number++ == setting_.event_turn) happen();
      for (const std::string_view packet : packets(turn, cutting, setting_.seed)) feed(packet);
    }
    transcript_.end = session_.wants();
    Replies(transcript_.output, transcript_.end).check();
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
  }

  void take_output() {
    const std::string output = session_.take_output();
    require(output.size() < 3 * kOutputChunk, "output is bounded");
    transcript_.output += output;
  }

  // One of n, from the seed; the first most of the time.
  std::size_t verdict(std::size_t n) {
    mixed_ = mixed_ * 6364136223846793005u + setting_.seed + 1442695040888963407u;
    const std::size_t drawn = (mixed_ >> 33) % (4 * n);
    return setting_.seed == 0 || drawn >= n ? 0 : drawn;
  }

  void answer(AskLogin& ask) {
    require(!session_.logged_in(), "a session logs in once");
    require(setting_.peer.loopback || secured(), "no password is asked about that came in the clear");
    require(!ask.user.empty() && !ask.password.empty(), "name and password are there");
    open_maildrop();
  }
  void answer(AskApop& ask) {
    require(!session_.logged_in() && !ask.user.empty(), "a session logs in once, with a name");
    require(ask.timestamp == setting_.options.apop_timestamp && !ask.timestamp.empty(), "with our timestamp");
    require(ask.digest.size() == 32 && ask.digest.find_first_not_of("0123456789abcdef") == std::string::npos,
            "a digest is 32 digits");
    open_maildrop();
  }
  void answer(AskScramChallenge& ask) {
    require(setting_.options.scram == sasl::Scram::kAvailable && !ask.user.empty(), "SCRAM is offered");
    session_.answer_scram_challenge({"salt", 4096, "nonce"});
  }
  void answer(AskScramProof& ask) {
    require(!ask.user.empty() && ask.proof.auth_message.find("nonce,s=c2FsdA==") != std::string::npos,
            "what is proved holds our part");
    session_.answer_scram_proof(verdict(2) == 0 ? LoginVerdict::kRight : LoginVerdict::kWrong, "signature");
  }
  void answer(AskMaildrop& ask) {
    require(!session_.logged_in() && !ask.user.empty(), "a session logs in once, with a name");
    open_maildrop();
  }
  void open_maildrop() {
    const auto found = static_cast<LoginVerdict>(verdict(5));
    MaildropTotals totals{.messages = messages().size(), .page = 1 + setting_.seed % 3};
    for (std::size_t index = 0; index < messages().size(); ++index) {
      totals.octets += entry(index).size;
      totals.surrogate_growth += entry(index).surrogate_growth;
    }
    totals_ = totals;
    session_.answer_login(found, totals);
  }
  static MaildropEntry entry(std::size_t index) {
    const std::string& message = messages().at(index);
    const bool dots = message.starts_with('.') || message.find("\n.") != std::string::npos;
    MaildropEntry entry{message.size(), "u" + std::to_string(index), dots};
    if (const std::string shown = surrogate_of(message); shown != message) {
      entry.header = HeaderText::kUtf8;
      entry.surrogate_growth =
          static_cast<std::int32_t>(shown.size()) - static_cast<std::int32_t>(message.size());
    }
    return entry;
  }
  void answer(AskPage& ask) {
    require(totals_.entries_in(ask.number) > 0, "a page that is asked for exists");
    if (verdict(8) == 7) return session_.answer_page(nullptr);
    auto page = std::make_shared<MaildropPage>();
    for (std::size_t i = 0; i < totals_.entries_in(ask.number); ++i) {
      page->push_back(entry(ask.number * totals_.page + i));
    }
    session_.answer_page(page);
  }
  void answer(AskRead& ask) {
    const std::string& message = messages().at(ask.index);
    require(ask.length > 0 && ask.offset + ask.length <= message.size(), "no more is read than there is");
    const std::size_t found = verdict(4);
    const std::string_view bytes =
        found == 3 ? "" : std::string_view(message).substr(static_cast<std::size_t>(ask.offset), ask.length);
    session_.answer_read(found == 3 ? ReadVerdict::kBytes : static_cast<ReadVerdict>(found), bytes);
  }
  void answer(AskDelete& ask) {
    require(!ask.indices.empty() && transcript_.deleted.empty(), "messages are deleted once");
    require(std::set(ask.indices.begin(), ask.indices.end()).size() == ask.indices.size(),
            "each of them once");
    require(ask.indices.back() < messages().size(), "and they exist");
    transcript_.deleted = ask.indices;
    session_.answer_delete(verdict(2) == 0);
    require(session_.wants() == Wants::kClose, "QUIT closes");
  }

  bool secured() const {
    for (int i = 0; i < kPop3Languages; ++i) {
      const std::string begun = pop3_text(Pop3Text::kBeginTls, static_cast<Pop3Language>(i));
      if (transcript_.output.find("+OK " + begun + "\r\n") != std::string::npos) return true;
    }
    return false;
  }

  const Setting& setting_;
  Pop3Session session_;
  MaildropTotals totals_;
  Transcript transcript_;
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
