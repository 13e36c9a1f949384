#include "tests/protocols/client_dialogue.h"

#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>

#include "protocols/smtp/delivery_terms.h"
#include "tests/protocols/dialogue_text.h"

namespace mailstead::test {
namespace {

using TlsUse = SmtpClientOptions::TlsUse;

const std::map<std::string, TlsUse> kTlsUses{{"never", TlsUse::kNever},
                                             {"if-offered", TlsUse::kIfOffered},
                                             {"required", TlsUse::kRequired},
                                             {"implicit", TlsUse::kImplicit}};
const std::map<RecipientOutcome::Verdict, std::string> kVerdicts{
    {RecipientOutcome::Verdict::kDelivered, "delivered"},
    {RecipientOutcome::Verdict::kDeferred, "deferred"},
    {RecipientOutcome::Verdict::kFailed, "failed"},
    {RecipientOutcome::Verdict::kNotTried, "not-tried"}};

OutgoingMessage& last_message(ClientDialogue& dialogue) {
  if (dialogue.world.messages.empty()) throw std::runtime_error("a direction before any message");
  return dialogue.world.messages.back();
}

Envelope& last_envelope(ClientDialogue& dialogue) {
  return last_message(dialogue).transaction.envelope;
}

Recipient& last_recipient(ClientDialogue& dialogue) {
  return last_envelope(dialogue).recipients.back();
}

Address address_of(const std::string& text) {
  const auto address = parse_address(text);
  if (!address) throw std::runtime_error("no address: " + text);
  return *address;
}

void add_message(ClientDialogue& dialogue, std::string& rest) {
  OutgoingMessage message;
  const std::string sender = take_word(rest);
  if (sender != "<>") message.transaction.envelope.reverse_path = address_of(sender);
  while (!rest.empty()) {
    message.transaction.envelope.recipients.emplace_back(address_of(take_word(rest)));
  }
  dialogue.world.messages.push_back(message);
}

void set_content(ClientDialogue& dialogue, const std::string& content) {
  last_message(dialogue).content = content;
  last_message(dialogue).transaction.size = content.size();
}

void set_notify(ClientDialogue& dialogue, std::string& rest) {
  Notify notify;
  while (!rest.empty()) {
    const std::string word = take_word(rest);
    notify.success = notify.success || word == "success";
    notify.failure = notify.failure || word == "failure";
    notify.delay = notify.delay || word == "delay";
  }
  last_recipient(dialogue).notify = notify;
}

using ClientDirective = std::function<void(ClientDialogue&, std::string&)>;

const std::map<std::string, ClientDirective>& client_directives() {
  static const std::map<std::string, ClientDirective> table{
      {"hostname", [](auto& d, auto& rest) { d.options.hostname = unescape(rest); }},
      {"use-tls", [](auto& d, auto& rest) { d.options.tls = choose(kTlsUses, rest); }},
      {"tls", [](auto& d, auto&) { d.peer.tls = true; }},
      {"unidentified", [](auto& d, auto&) { d.peer.identified = false; }},
      {"login",
       [](auto& d, auto& rest) {
         const std::string user = unescape(take_word(rest));
         const std::string password = unescape(take_word(rest));
         d.options.login = SmtpClientLogin{user, password, rest};
       }},
      {"plaintext-login", [](auto& d, auto&) { d.options.allow_plaintext_login = true; }},
      {"may-be-us", [](auto& d, auto&) { d.options.may_be_us = true; }},
      {"message", add_message},
      {"content", [](auto& d, auto& rest) { set_content(d, unescape(rest)); }},
      {"long-content",
       [](auto& d, auto& rest) {
         const std::size_t times = std::stoul(take_word(rest));
         set_content(d, repeat(times, unescape(rest)));
       }},
      {"size", [](auto& d, auto& rest) { last_message(d).transaction.size = std::stoull(rest); }},
      {"eight-bit", [](auto& d, auto&) { last_message(d).transaction.eight_bit = true; }},
      {"utf8-header", [](auto& d, auto&) { last_message(d).transaction.utf8_header = true; }},
      {"smtputf8", [](auto& d, auto&) { last_envelope(d).smtputf8 = true; }},
      {"require-tls", [](auto& d, auto&) { last_envelope(d).require_tls = true; }},
      // seconds from now, R or N, and T
      {"deliver-by",
       [](auto& d, auto& rest) {
         last_envelope(d).deliver_by = parse_deliver_by(rest, last_message(d).transaction.now);
       }},
      {"later", [](auto& d, auto& rest) { last_message(d).transaction.now += std::stoll(rest); }},
      {"priority", [](auto& d, auto& rest) { last_envelope(d).priority = std::stoi(rest); }},
      {"envelope-id", [](auto& d, auto& rest) { last_envelope(d).envelope_id = unescape(rest); }},
      {"return-full", [](auto& d, auto&) { last_envelope(d).returned = ReturnedContent::kFull; }},
      {"return-headers", [](auto& d, auto&) { last_envelope(d).returned = ReturnedContent::kHeaders; }},
      {"notify", set_notify},
      {"original", [](auto& d, auto& rest) { last_recipient(d).original = unescape(rest); }},
      {"piece", [](auto& d, auto& rest) { d.world.piece = std::stoul(rest); }},
      {"content-fails", [](auto& d, auto& rest) { d.world.fails_at = std::stoull(rest); }},
      {"only-whole", [](auto& d, auto&) { d.only_whole = true; }},
  };
  return table;
}

// "C: text" a line, "C> text" bytes, "C* n text" bytes n times; the same with S.
std::string client_words(char how, std::string rest) {
  if (how == ':') return unescape(rest) + "\r\n";
  if (how == '>') return unescape(rest);
  const std::size_t times = std::stoul(take_word(rest));
  return repeat(times, unescape(rest));
}

void read_client_line(ClientDialogue& dialogue, const std::string& line, std::size_t number) {
  const auto begins = [&](char who) {
    return line.size() >= 2 && line[0] == who &&
           std::string_view(":>*").find(line[1]) != std::string_view::npos &&
           (line.size() == 2 || line[2] == ' ');
  };
  if (line.empty() || line[0] == '#') return;
  const std::string words = line.size() > 3 ? line.substr(3) : "";
  if (begins('S')) {
    if (dialogue.turns.empty() || !dialogue.turns.back().client.empty() ||
        !dialogue.turns.back().event.empty()) {
      dialogue.turns.push_back({{}, {}, {}, number});
    }
    dialogue.turns.back().server += client_words(line[1], words);
  } else if (begins('C')) {
    if (dialogue.turns.empty()) throw std::runtime_error("a server speaks first");
    dialogue.turns.back().client += client_words(line[1], words);
  } else if (line.starts_with("! ")) {
    dialogue.turns.push_back({line.substr(2), {}, {}, number});
  } else if (line.starts_with("= ")) {
    std::string rest = line.substr(2);
    const std::string what = take_word(rest);
    dialogue.outcomes.push_back({what, rest, number});
  } else {
    if (!dialogue.turns.empty()) throw std::runtime_error("a direction after the first words: " + line);
    std::string rest = line;
    choose(client_directives(), take_word(rest))(dialogue, rest);
  }
}

std::string stage_name(SmtpStage stage) {
  return std::string(name_of(stage));
}

// One session while its dialogue is played.
class ClientPlayer {
 public:
  explicit ClientPlayer(const ClientDialogue& dialogue)
      : dialogue_(dialogue), session_(dialogue.options, dialogue.peer), world_(dialogue.world) {}

  std::string play(Cut cut) {
    session_.start();
    settle_client();
    std::size_t before = 0;
    for (const Turn& turn : dialogue_.turns) {
      if (!turn.event.empty()) {
        if (const std::string problem = happen(turn); !problem.empty()) return problem;
      } else {
        speak(turn.server, cut, before);
        before += turn.server.size();
      }
      if (heard_ != turn.client) return differs(turn);
      heard_.clear();
    }
    return check_outcomes();
  }

 private:
  // What the pump does: offers what is wanted, keeps what is not for later.
  void hear(std::string_view bytes) {
    pending_ += bytes;
    while (session_.wants() == Wants::kInput && !pending_.empty()) {
      pending_.erase(0, session_.receive(pending_));
      settle_client();
    }
  }

  void settle_client() {
    heard_ += session_.take_output();
    while (session_.wants() == Wants::kAnswer || session_.wants() == Wants::kDrain) {
      if (session_.wants() == Wants::kAnswer) {
        world_.answer(session_);
      } else {
        session_.drained();
      }
      heard_ += session_.take_output();
    }
  }

  void speak(std::string_view bytes, Cut cut, std::size_t before) {
    if (cut.how == Cut::How::kBytes) {
      for (std::size_t i = 0; i < bytes.size(); ++i) hear(bytes.substr(i, 1));
    } else if (cut.how == Cut::How::kSplit && cut.position > before && cut.position < before + bytes.size()) {
      hear(bytes.substr(0, cut.position - before));
      hear(bytes.substr(cut.position - before));
    } else {
      hear(bytes);
    }
  }

  std::string happen(const Turn& turn) {
    const std::string where = "line " + std::to_string(turn.line) + ": ";
    std::string rest = turn.event;
    const std::string event = take_word(rest);
    if (event == "tls") {
      if (session_.wants() != Wants::kTls || !pending_.empty()) return where + "no handshake is possible";
      PeerFacts facts = dialogue_.peer;
      facts.tls = true;
      session_.tls_established(facts);
    } else if (event == "tls-failed") {
      if (session_.wants() != Wants::kTls) return where + "the session wants no handshake";
      session_.tls_failed(rest);
    } else if (event == "timeout") {
      session_.timed_out();
    } else if (event == "shutdown") {
      session_.shut_down();
    } else if (event == "disconnected") {
      session_.disconnected(unescape(rest));
    } else if (event == "closed") {
      if (session_.wants() != Wants::kClose) return where + "the session does not want to close";
    } else if (event == "open") {
      if (session_.wants() != Wants::kInput) return where + "the session wants no more input";
    } else {
      return where + "unknown event " + event;
    }
    settle_client();
    return {};
  }

  std::string differs(const Turn& turn) const {
    return "line " + std::to_string(turn.line) + ": expected\n" + visible(turn.client) + "but heard\n" +
           visible(heard_);
  }

  std::string check_outcomes() {
    for (const Outcome& outcome : dialogue_.outcomes) {
      std::string rest = outcome.argument;
      const auto [actual, expected] = compare(outcome.what, rest);
      if (actual != expected) {
        return "line " + std::to_string(outcome.line) + ": " + outcome.what + " is\n" + actual +
               "\nand not\n" + expected;
      }
    }
    return {};
  }

  // The actual value of an outcome, and the expected one.
  std::pair<std::string, std::string> compare(const std::string& what, std::string& rest) {
    if (what == "sent") return {std::to_string(session_.messages_sent()), rest};
    if (what == "reports") return {std::to_string(world_.reports.size()), rest};
    if (what == "failure") {
      const auto& failure = session_.failure();
      if (!failure) return {"none", rest};
      return {stage_name(failure->stage) + (failure->permanent ? " permanent " : " temporary ") +
                  (failure->tls_failed ? "tls-failed " : "") + (failure->leads_to_us ? "us " : "") +
                  failure->reply.line(),
              unescape(rest)};
    }
    if (what != "outcome") return {"an unknown outcome: " + what, {}};
    const std::size_t report = std::stoul(take_word(rest));
    const std::size_t recipient = std::stoul(take_word(rest));
    if (report > world_.reports.size() || recipient > world_.reports[report - 1].size())
      return {"no such outcome", "one"};
    const RecipientOutcome& outcome = world_.reports[report - 1][recipient - 1];
    return {kVerdicts.at(outcome.verdict) + ' ' + stage_name(outcome.stage) +
                (outcome.may_be_delivered ? " perhaps " : " ") + (outcome.server_lacks_it ? "lacking " : "") +
                (outcome.dsn_passed_on ? "dsn " : "") + outcome.reply.line(),
            unescape(rest)};
  }

  const ClientDialogue& dialogue_;
  SmtpClientSession session_;
  ClientWorld world_;
  std::string pending_;
  std::string heard_;
};

}  // namespace

std::size_t ClientDialogue::input_octets() const {
  std::size_t octets = 0;
  for (const Turn& turn : turns) octets += turn.server.size();
  return octets;
}

ClientDialogue read_client_dialogue(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  ClientDialogue dialogue;
  dialogue.options.hostname = "client.example.org";
  dialogue.options.tls = TlsUse::kNever;
  dialogue.peer.address = "192.0.2.1";
  dialogue.peer.identified = true;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    try {
      read_client_line(dialogue, line, number);
    } catch (const std::exception& error) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  if (dialogue.turns.empty()) throw std::runtime_error(path + ": nobody speaks");
  return dialogue;
}

std::string play(const ClientDialogue& dialogue, Cut cut) {
  return ClientPlayer(dialogue).play(cut);
}

}  // namespace mailstead::test
