#include "tests/protocols/dialogue.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>

#include "protocols/smtp/delivery_terms.h"
#include "tests/protocols/dialogue_text.h"

namespace mailstead::test {
namespace {

const std::map<std::string, RecipientVerdict> kRecipientVerdicts{
    {"ours", RecipientVerdict::kOurs},
    {"unknown", RecipientVerdict::kUnknown},
    {"not-ours", RecipientVerdict::kNotOurs},
    {"disabled", RecipientVerdict::kDisabled},
    {"full", RecipientVerdict::kFull},
    {"too-large", RecipientVerdict::kTooLarge},
    {"unavailable", RecipientVerdict::kUnavailable}};
const std::map<std::string, LoginVerdict> kLoginVerdicts{{"in-use", LoginVerdict::kInUse},
                                                         {"delayed", LoginVerdict::kDelayed},
                                                         {"unavailable", LoginVerdict::kUnavailable}};
const std::map<std::string, ReadVerdict> kReadVerdicts{
    {"gone", ReadVerdict::kGone}, {"unavailable", ReadVerdict::kUnavailable}, {"short", ReadVerdict::kBytes}};
const std::map<std::string, CommitVerdict> kCommitVerdicts{{"no-space", CommitVerdict::kNoSpace},
                                                           {"over-quota", CommitVerdict::kOverQuota},
                                                           {"too-large", CommitVerdict::kTooLarge},
                                                           {"loop", CommitVerdict::kLoop},
                                                           {"unavailable", CommitVerdict::kUnavailable}};
const std::map<std::string, PlaintextAuth> kPlaintext{{"loopback", PlaintextAuth::kLoopback},
                                                      {"never", PlaintextAuth::kNever},
                                                      {"always", PlaintextAuth::kAlways}};

const std::map<std::string, PolicyStage> kPolicyStages{{"connect", PolicyStage::kConnect},
                                                       {"hello", PolicyStage::kHello},
                                                       {"sender", PolicyStage::kSender},
                                                       {"recipient", PolicyStage::kRecipient},
                                                       {"content", PolicyStage::kContent}};
const std::map<std::string, PolicyVerdict::Action> kPolicyActions{{"accept", PolicyVerdict::Action::kAccept},
                                                                  {"refuse", PolicyVerdict::Action::kRefuse},
                                                                  {"defer", PolicyVerdict::Action::kDefer},
                                                                  {"tag", PolicyVerdict::Action::kTag}};

using Directive = std::function<void(Dialogue&, std::string&)>;

void set_peer(Dialogue& dialogue, std::string& rest) {
  dialogue.peer.address = take_word(rest);
  while (!rest.empty()) {
    const std::string word = take_word(rest);
    if (word != "loopback" && word != "tls" && word != "spoke-first")
      throw std::runtime_error("not a fact of a peer: " + word);
    if (word == "loopback") dialogue.peer.loopback = true;
    if (word == "tls") dialogue.peer.tls = true;
    if (word == "spoke-first") dialogue.peer.spoke_first = true;
  }
}

void set_bindings(Dialogue& dialogue, std::string& rest) {
  ChannelBindings bindings;
  while (!rest.empty()) {
    const std::string type = take_word(rest);
    std::string& octets = type == "tls-exporter" ? bindings.tls_exporter
                          : type == "tls-unique" ? bindings.tls_unique
                                                 : bindings.tls_server_end_point;
    octets = unescape(take_word(rest));
  }
  dialogue.peer.bindings = std::make_shared<const ChannelBindings>(bindings);
}

void set_limit(Dialogue& dialogue, std::string& rest) {
  const std::string what = take_word(rest);
  if (what == "size") {
    dialogue.smtp.message_size = std::stoull(rest);
  } else if (what == "recipients") {
    dialogue.smtp.recipients = std::stoul(rest);
  } else {
    throw std::runtime_error("not a limit: " + what);
  }
}

void add_messages(Dialogue& dialogue, std::string& rest) {
  const std::size_t times = std::stoul(take_word(rest));
  for (std::size_t i = 0; i < times; ++i) dialogue.world.add_message(unescape(rest));
}

void set_failing_read(Dialogue& dialogue, std::string& rest) {
  const std::size_t number = std::stoul(take_word(rest));
  const std::uint64_t offset = std::stoull(take_word(rest));
  dialogue.world.failing_reads[number - 1] = {offset, choose(kReadVerdicts, rest)};
}

const std::map<std::string, Directive>& directives() {
  static const std::map<std::string, Directive> table{
      {"submission", [](Dialogue& d, std::string&) { d.smtp.service = SmtpService::kSubmission; }},
      {"lmtp", [](Dialogue& d, std::string&) { d.smtp.service = SmtpService::kLmtp; }},
      {"greeting-delay",
       [](Dialogue& d, std::string& rest) {
         d.smtp.greeting_delay = std::chrono::seconds(std::stoul(rest));
       }},
      {"policy",
       [](Dialogue& d, std::string& rest) {
         const PolicyStage stage = choose(kPolicyStages, take_word(rest));
         const PolicyVerdict::Action action = choose(kPolicyActions, take_word(rest));
         d.smtp.judged.add(stage);
         d.world.policies[stage] = {action, unescape(rest)};
       }},
      {"starttls",
       [](Dialogue& d, std::string&) { d.smtp.starttls_available = d.pop3.stls_available = true; }},
      {"peer", set_peer},
      {"plaintext",
       [](Dialogue& d, std::string& rest) {
         d.smtp.plaintext_auth = d.pop3.plaintext_auth = choose(kPlaintext, rest);
       }},
      {"scram", [](Dialogue& d, std::string&) { d.smtp.scram = d.pop3.scram = sasl::Scram::kAvailable; }},
      {"bindings", set_bindings},
      {"apop", [](Dialogue& d, std::string& rest) { d.pop3.apop_timestamp = rest; }},
      {"limit", set_limit},
      {"language", [](Dialogue& d, std::string& rest) { d.pop3.language = find_language(rest).value(); }},
      {"login-delay",
       [](Dialogue& d, std::string& rest) { d.pop3.login_delay = std::chrono::seconds(std::stoul(rest)); }},
      {"expire-days",
       [](Dialogue& d, std::string& rest) {
         d.pop3.expire_days = static_cast<std::uint32_t>(std::stoul(rest));
       }},
      {"unexamined", [](Dialogue& d, std::string&) { d.world.unexamined = true; }},
      {"normalise", [](Dialogue& d, std::string&) { d.smtp.bare_newline = BareNewline::kNormalise; }},
      {"any-from", [](Dialogue& d, std::string&) { d.smtp.check_from = false; }},
      {"mailbox",
       [](Dialogue& d, std::string& rest) {
         const std::string address = take_word(rest);
         d.world.add_mailbox(address, unescape(rest));
       }},
      {"recipient",
       [](Dialogue& d, std::string& rest) {
         const std::string key = take_word(rest);
         d.world.recipients[key] = choose(kRecipientVerdicts, rest);
       }},
      {"login",
       [](Dialogue& d, std::string& rest) {
         const std::string key = take_word(rest);
         d.world.logins[key] = choose(kLoginVerdicts, rest);
       }},
      {"message", [](Dialogue& d, std::string& rest) { d.world.add_message(unescape(rest)); }},
      {"messages", add_messages},
      {"read", set_failing_read},
      {"long-message",
       [](Dialogue& d, std::string& rest) {
         const std::size_t times = std::stoul(take_word(rest));
         d.world.add_message(repeat(times, unescape(rest)));
       }},
      {"begin-refused", [](Dialogue& d, std::string&) { d.world.begin_refused = true; }},
      {"spool",
       [](Dialogue& d, std::string& rest) { d.world.spool_verdict = choose(kCommitVerdicts, rest); }},
      {"commit",
       [](Dialogue& d, std::string& rest) { d.world.commit_verdict = choose(kCommitVerdicts, rest); }},
      {"commit-for",
       [](Dialogue& d, std::string& rest) {
         const std::string key = take_word(rest);
         d.world.commits[key] = choose(kCommitVerdicts, rest);
       }},
      {"delete-fails", [](Dialogue& d, std::string&) { d.world.delete_fails = true; }},
      {"only-whole", [](Dialogue& d, std::string&) { d.only_whole = true; }},
      {"also-at-once", [](Dialogue& d, std::string&) { d.also_at_once = true; }},
  };
  return table;
}

// "bert@example.org", with what its sender wants to be told: "bert@example.org,SF,rfc822;Bert@example.org".
std::string words_of(const Recipient& recipient) {
  std::string text = recipient.address.text();
  if (!recipient.notify && recipient.original.empty()) return text;
  text += ',';
  if (recipient.notify) {
    const Notify& notify = *recipient.notify;
    text += notify.success ? "S" : "";
    text += notify.failure ? "F" : "";
    text += notify.delay ? "D" : "";
    if (!notify.success && !notify.failure && !notify.delay) text += "NEVER";
  }
  return recipient.original.empty() ? text : text + ',' + recipient.original;
}

// When it is to be delivered: "held 2023-11-15T00:00:00Z by 120;R priority 3".
std::string terms_of(const Envelope& envelope) {
  std::string text;
  if (envelope.hold_until != 0) text += "held " + date_time(envelope.hold_until) + ' ';
  if (envelope.deliver_by) text += "by " + deliver_by_text(*envelope.deliver_by, 1'700'000'000) + ' ';
  if (envelope.priority) text += "priority " + std::to_string(*envelope.priority) + ' ';
  if (!text.empty()) text.pop_back();
  return text;
}

// What EHLO is answered, with the lines between " | " among what is always there.
std::string ehlo_reply(const Dialogue& dialogue, std::string extra) {
  std::vector<std::string> lines{
      "mx.example.org", "PIPELINING", "SIZE " + std::to_string(dialogue.smtp.message_size),
      "8BITMIME",       "SMTPUTF8",   "CHUNKING",
      "BINARYMIME",     "DSN",        "LIMITS RCPTMAX=" + std::to_string(dialogue.smtp.recipients),
      "DELIVERBY"};
  if (dialogue.smtp.service == SmtpService::kSubmission) {
    lines.emplace_back("FUTURERELEASE 2592000 2023-12-14T22:13:20Z");
    lines.emplace_back("MT-PRIORITY");
  }
  while (!extra.empty()) {
    const std::size_t bar = extra.find(" | ");
    lines.push_back(extra.substr(0, bar));
    extra = bar == std::string::npos ? "" : extra.substr(bar + 3);
  }
  std::string reply;
  for (const std::string& line : lines) reply += "250-" + line + "\r\n";
  return reply + "250 ENHANCEDSTATUSCODES\r\n";
}

// "C: text" a line, "C> text" bytes, "C* n text" bytes n times; the same with S.
std::string said(char how, std::string rest) {
  if (how == ':') return unescape(rest) + "\r\n";
  if (how == '>') return unescape(rest);
  const std::size_t times = std::stoul(take_word(rest));
  return repeat(times, unescape(rest));
}

void read_line(Dialogue& dialogue, const std::string& line, std::size_t number) {
  const auto begins = [&](char who) {
    return line.size() >= 2 && line[0] == who &&
           std::string_view(":>*").find(line[1]) != std::string_view::npos &&
           (line.size() == 2 || line[2] == ' ');
  };
  if (line.empty() || line[0] == '#') return;
  const std::string words = line.size() > 3 ? line.substr(3) : "";
  if (begins('C')) {
    if (dialogue.turns.empty() || !dialogue.turns.back().server.empty() ||
        !dialogue.turns.back().event.empty()) {
      dialogue.turns.push_back({{}, {}, {}, number});
    }
    dialogue.turns.back().client += said(line[1], words);
  } else if (begins('S')) {
    if (dialogue.turns.empty()) dialogue.turns.push_back({{}, {}, {}, number});
    dialogue.turns.back().server += said(line[1], words);
  } else if (line.starts_with("S@ ehlo")) {
    if (dialogue.turns.empty()) dialogue.turns.push_back({{}, {}, {}, number});
    dialogue.turns.back().server += ehlo_reply(dialogue, line.size() > 8 ? line.substr(8) : "");
  } else if (line.starts_with("! ")) {
    dialogue.turns.push_back({line.substr(2), {}, {}, number});
  } else if (line.starts_with("= ")) {
    std::string rest = line.substr(2);
    const std::string what = take_word(rest);
    dialogue.outcomes.push_back({what, rest, number});
  } else {
    if (!dialogue.turns.empty()) throw std::runtime_error("a direction after the first words: " + line);
    std::string rest = line;
    choose(directives(), take_word(rest))(dialogue, rest);
  }
}

// One session while its dialogue is played.
template <typename S>
class Player {
 public:
  Player(const Dialogue& dialogue, S& session)
      : dialogue_(dialogue), session_(session), world_(dialogue.world) {}

  std::string play(Cut cut) {
    if (cut.how == Cut::How::kAtOnce) return play_at_once();
    heard_ = start(session_, world_);
    // The first turn is the greeting, if no client bytes stand in it.
    std::size_t before = 0;
    for (const Turn& turn : dialogue_.turns) {
      if (!turn.event.empty()) {
        if (const std::string problem = happen(turn); !problem.empty()) return problem;
      } else {
        speak(turn.client, cut, before);
        before += turn.client.size();
      }
      if (heard_ != turn.server) return differs(turn.line, turn.server);
      heard_.clear();
    }
    return check_outcomes();
  }

 private:
  std::string play_at_once() {
    std::string client;
    std::string server;
    for (const Turn& turn : dialogue_.turns) {
      client += turn.client;
      server += turn.server;
    }
    heard_ = start(session_, world_);
    heard_ += feed(session_, world_, client);
    if (heard_ != server) return differs(0, server);
    return check_outcomes();
  }

  void speak(std::string_view bytes, Cut cut, std::size_t before) {
    if (cut.how == Cut::How::kBytes) {
      for (std::size_t i = 0; i < bytes.size(); ++i) heard_ += feed(session_, world_, bytes.substr(i, 1));
    } else if (cut.how == Cut::How::kSplit && cut.position > before && cut.position < before + bytes.size()) {
      heard_ += feed(session_, world_, bytes.substr(0, cut.position - before));
      heard_ += feed(session_, world_, bytes.substr(cut.position - before));
    } else {
      heard_ += feed(session_, world_, bytes);
    }
  }

  std::string happen(const Turn& turn) {
    const std::string where = "line " + std::to_string(turn.line) + ": ";
    if (turn.event == "tls") {
      if (session_.wants() != Wants::kTls) return where + "the session wants no handshake";
      PeerFacts facts = dialogue_.peer;
      facts.tls = true;
      facts.tls_version = "TLSv1.3";
      facts.tls_cipher = "TLS_AES_128_GCM_SHA256";
      facts.tls_group = "x25519";
      session_.tls_established(facts);
    } else if (turn.event == "timeout") {
      session_.timed_out();
    } else if (turn.event == "shutdown") {
      session_.shut_down();
    } else if (turn.event == "closed") {
      if (session_.wants() != Wants::kClose) return where + "the session does not want to close";
    } else if (turn.event == "open") {
      if (session_.wants() != Wants::kInput) return where + "the session wants no more input";
    } else {
      return where + "unknown event " + turn.event;
    }
    heard_ += settle(session_, world_);
    return {};
  }

  std::string differs(std::size_t line, const std::string& expected) const {
    return "line " + std::to_string(line) + ": expected\n" + visible(expected) + "but heard\n" +
           visible(heard_);
  }

  std::string check_outcomes() {
    for (const Outcome& outcome : dialogue_.outcomes) {
      std::string rest = outcome.argument;
      const auto [actual, expected] = compare(outcome.what, rest);
      if (actual != expected) {
        return "line " + std::to_string(outcome.line) + ": " + outcome.what + " is\n" + visible(actual) +
               "\nand not\n" + visible(expected);
      }
    }
    return {};
  }

  // The actual value of an outcome, and the expected one.
  std::pair<std::string, std::string> compare(const std::string& what, std::string& rest) {
    if (what == "stored") return {std::to_string(world_.stored.size()), rest};
    if (what == "asked") {
      const std::string ask = take_word(rest);
      return {std::to_string(world_.asked[ask]), rest};
    }
    if (what == "deleted") {
      std::string numbers;
      for (const std::size_t index : world_.deleted)
        numbers += (numbers.empty() ? "" : " ") + std::to_string(index + 1);
      return {numbers, rest};
    }
    const std::size_t number = std::stoul(take_word(rest));
    if (number > world_.stored.size()) return {"no such message", "one"};
    const StoredMessage& message = world_.stored[number - 1];
    if (what == "envelope") {
      std::string text = message.envelope.reverse_path ? message.envelope.reverse_path->text() : "<>";
      for (const Recipient& each : message.envelope.recipients) text += ' ' + words_of(each);
      return {text, rest};
    }
    if (what == "terms") return {terms_of(message.envelope), rest};
    // The trace line is all up to the first line that is not folded.
    std::size_t end = message.content.find("\r\n") + 2;
    while (end < message.content.size() && message.content[end] == '\t')
      end = message.content.find("\r\n", end) + 2;
    if (what == "trace") return {message.content.substr(0, end), unescape(rest)};
    if (what == "tags") return {message.tags, unescape(rest)};
    if (what == "content") return {message.content.substr(end), unescape(rest)};
    if (what == "content-octets") return {std::to_string(message.content.size() - end), rest};
    return {"an unknown outcome: " + what, {}};
  }

  const Dialogue& dialogue_;
  S& session_;
  World world_;
  std::string heard_;
};

}  // namespace

std::size_t Dialogue::input_octets() const {
  std::size_t octets = 0;
  for (const Turn& turn : turns) octets += turn.client.size();
  return octets;
}

Dialogue read_dialogue(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  Dialogue dialogue;
  dialogue.protocol =
      std::filesystem::path(path).parent_path().filename() == "pop3" ? Protocol::kPop3 : Protocol::kSmtp;
  dialogue.smtp.hostname = dialogue.pop3.hostname = "mx.example.org";
  dialogue.smtp.now = [] { return std::int64_t{1'700'000'000}; };  // 2023-11-14T22:13:20Z
  dialogue.pop3.version = "1.0";
  dialogue.peer.address = "192.0.2.1";
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    try {
      read_line(dialogue, line, number);
    } catch (const std::exception& error) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  if (dialogue.turns.empty() || dialogue.input_octets() == 0)
    throw std::runtime_error(path + ": nobody speaks");
  return dialogue;
}

std::string play(const Dialogue& dialogue, Cut cut) {
  if (dialogue.protocol == Protocol::kSmtp) {
    SmtpSession session(dialogue.smtp, dialogue.peer);
    return Player(dialogue, session).play(cut);
  }
  Pop3Session session(dialogue.pop3, dialogue.peer);
  return Player(dialogue, session).play(cut);
}

}  // namespace mailstead::test
