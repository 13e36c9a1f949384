// The session against a model of RFC 1939 that knows nothing of it: random sessions, one after the other over
// one mailbox, 100,000 commands in all. The model says what each must be answered with; the session must say
// so whether its commands come together, octet by octet, or cut anywhere.
#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/smtp/surrogate.h"
#include "tests/catch.h"
#include "tests/protocols/world.h"

namespace mailstead::test {
namespace {

constexpr int kCommands = 100'000;
constexpr const char* kUser = "anna@example.org";
constexpr const char* kPassword = "se cret";

// A reply: how its first line begins, or all of it, and what follows.
struct Expected {
  std::string line;
  bool exact = false;
  std::string rest;
};

struct Message {
  std::string uidl;
  std::vector<std::string> lines;            // without CRLF
  std::vector<std::string> surrogate_lines;  // for who has not said UTF8

  const std::vector<std::string>& shown(bool utf8) const { return utf8 ? lines : surrogate_lines; }
  std::size_t octets(bool utf8) const {
    std::size_t sum = 0;
    for (const std::string& line : shown(utf8)) sum += line.size() + 2;
    return sum;
  }
};

const Expected kOk{"+OK", false, ""};
const Expected kErr{"-ERR", false, ""};

// What a POP3 server does, written down from RFC 1939 as simply as can be.
class Model {
 public:
  explicit Model(std::vector<Message> messages)
      : messages_(std::move(messages)), marked_(messages_.size(), false) {}

  bool done() const { return done_; }
  bool logged_in() const { return logged_in_; }
  std::vector<Message> what_is_left(bool quit) const {
    std::vector<Message> left;
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      if (!quit || !marked_[i]) left.push_back(messages_[i]);
    }
    return left;
  }

  Expected answer(const std::string& name, const std::string& argument) {
    if (name == "QUIT") {
      done_ = true;
      return kOk;
    }
    return logged_in_ ? in_transaction(name, argument) : in_authorization(name, argument);
  }

 private:
  Expected in_authorization(const std::string& name, const std::string& argument) {
    if (name == "UTF8" && argument.empty()) {
      utf8_ = true;
      return kOk;
    }
    if (name == "USER" && !argument.empty()) {
      user_ = argument;
      return kOk;
    }
    if (name == "PASS" && !argument.empty()) {
      logged_in_ = user_ == kUser && argument == kPassword;
      user_.clear();
      return logged_in_ ? kOk : kErr;
    }
    return kErr;
  }

  Expected in_transaction(const std::string& name, const std::string& argument) {
    if (name == "STAT" && argument.empty()) return stat();
    if (name == "NOOP" && argument.empty()) return kOk;
    if (name == "RSET" && argument.empty()) {
      marked_.assign(messages_.size(), false);
      return kOk;
    }
    if (name == "LIST" || name == "UIDL") return list(name, argument);
    if (name == "DELE") {
      const std::size_t number = message(argument);
      if (number == 0) return kErr;
      marked_[number - 1] = true;
      return kOk;
    }
    if (name == "RETR") {
      const std::size_t number = message(argument);
      if (number == 0) return kErr;
      return {"+OK", false, sent(messages_[number - 1].shown(utf8_))};
    }
    if (name == "TOP") return top(argument);
    return kErr;
  }

  // 0: none such.
  std::size_t message(const std::string& number) const {
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      if (std::to_string(i + 1) == number && !marked_[i]) return i + 1;
    }
    return 0;
  }

  Expected stat() const {
    std::size_t count = 0;
    std::size_t octets = 0;
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      if (marked_[i]) continue;
      ++count;
      octets += messages_[i].octets(utf8_);
    }
    return {"+OK " + std::to_string(count) + " " + std::to_string(octets), true, ""};
  }

  std::string listing(const std::string& name, std::size_t number) const {
    const Message& message = messages_[number - 1];
    return std::to_string(number) + " " +
           (name == "LIST" ? std::to_string(message.octets(utf8_)) : message.uidl);
  }

  Expected list(const std::string& name, const std::string& argument) const {
    if (!argument.empty()) {
      const std::size_t number = message(argument);
      if (number == 0) return kErr;
      return {"+OK " + listing(name, number), true, ""};
    }
    std::string rest;
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      if (!marked_[i]) rest += listing(name, i + 1) + "\r\n";
    }
    return {"+OK", false, rest + ".\r\n"};
  }

  Expected top(const std::string& argument) const {
    const std::size_t blank = argument.find(' ');
    if (blank == std::string::npos) return kErr;
    const std::size_t number = message(argument.substr(0, blank));
    const std::string count = argument.substr(blank + 1);
    if (number == 0 || count.empty() || count.find_first_not_of("0123456789") != std::string::npos)
      return kErr;
    if (count.size() > 19) return kErr;  // no number of lines that anybody counts
    const std::vector<std::string>& lines = messages_[number - 1].shown(utf8_);
    const auto head = std::find(lines.begin(), lines.end(), "");
    std::size_t wanted = static_cast<std::size_t>(head - lines.begin());
    if (head != lines.end()) wanted += 1 + std::stoul(count);
    return {
        "+OK", false,
        sent({lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(std::min(wanted, lines.size()))})};
  }

  static std::string sent(const std::vector<std::string>& lines) {
    std::string wire;
    for (const std::string& line : lines) wire += (line.starts_with('.') ? "." : "") + line + "\r\n";
    return wire + ".\r\n";
  }

  std::vector<Message> messages_;
  std::vector<bool> marked_;
  std::string user_;
  bool utf8_ = false;
  bool logged_in_ = false;
  bool done_ = false;
};

class Dice {
 public:
  std::size_t up_to(std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(engine_); }
  bool one_in(std::size_t many) { return up_to(many - 1) == 0; }
  template <typename T, std::size_t N>
  const T& of(const T (&choices)[N]) {
    return choices[up_to(N - 1)];
  }

 private:
  std::mt19937 engine_{1939};
};

Message random_message(Dice& dice) {
  static const std::string odd_lines[] = {"Subject: x", "",     ".",
                                          "..",         ".dot", "From: a@b.example",
                                          "text",       " ",    "a.b.c.",
                                          "...",        "+OK",  std::string(998, 'x'),
                                          "-ERR no",    "\xff", "Subject: \xc3\xa9"};
  Message message;
  const std::size_t count = dice.one_in(50) ? 5000 : dice.up_to(12);
  for (std::size_t i = 0; i < count; ++i) message.lines.push_back(dice.of(odd_lines));
  // What a surrogate is, surrogate_test.cc says; here it is when it is sent.
  Surrogate surrogate;
  std::string text;
  for (const std::string& line : message.lines) surrogate.read(line + "\r\n", &text);
  surrogate.finish(&text);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find("\r\n", begin);
    message.surrogate_lines.push_back(text.substr(begin, end - begin));
    begin = end + 2;
  }
  return message;
}

std::string random_number(Dice& dice, std::size_t messages) {
  static const std::string odd[] = {
      "0", "-1", "+1", "1.0", "x", "4294967297", "99999999999999999999", "1x", "1 ", "0x1 ignored", "1 2 3"};
  std::string number = dice.one_in(8) ? dice.of(odd) : std::to_string(1 + dice.up_to(messages));
  while (number.ends_with(' ')) number.pop_back();
  return number;
}

struct Command {
  std::string name;
  std::string argument;
};

Command random_command(Dice& dice, const Model& model, std::size_t messages) {
  static const std::string names[] = {"STAT", "LIST", "UIDL", "RETR", "TOP", "DELE",
                                      "NOOP", "RSET", "USER", "PASS", "UTF8"};
  if (!model.logged_in() && !dice.one_in(6)) {
    if (dice.one_in(5)) return {"UTF8", ""};
    if (dice.one_in(2)) return {"USER", dice.one_in(10) ? "bert@example.org" : kUser};
    return {"PASS", dice.one_in(10) ? "secret" : kPassword};
  }
  if (dice.one_in(60)) return {"QUIT", ""};
  if (dice.one_in(30)) return {"XYZZY", ""};
  Command command{dice.of(names), ""};
  if (command.name == "RETR" || command.name == "DELE") command.argument = random_number(dice, messages);
  if (command.name == "TOP") command.argument = random_number(dice, messages) + " " + random_number(dice, 8);
  if ((command.name == "LIST" || command.name == "UIDL") && dice.one_in(2))
    command.argument = random_number(dice, messages);
  if (command.name == "USER" || command.name == "PASS") command.argument = "x";
  return command;
}

std::string wire_of(const Command& command, Dice& dice) {
  std::string name = command.name;
  for (char& c : name) {
    if (c >= 'A' && dice.one_in(4)) c = static_cast<char>(c - 'A' + 'a');
  }
  return name + (command.argument.empty() ? "" : " " + command.argument) + "\r\n";
}

// Empty when the output is these replies and nothing else.
std::string compare(std::string_view output, const std::vector<Expected>& replies) {
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const Expected& reply = replies[i];
    const std::string where = "reply " + std::to_string(i) + ": ";
    const std::size_t end = output.find("\r\n");
    if (end == std::string_view::npos) return where + "there is none";
    const std::string_view line = output.substr(0, end);
    const bool good = reply.exact ? line == reply.line : line.starts_with(reply.line + " ");
    if (!good) return where + std::string(line) + " instead of " + reply.line;
    output.remove_prefix(end + 2);
    if (!output.starts_with(reply.rest)) return where + "other lines than\n" + reply.rest;
    output.remove_prefix(reply.rest.size());
  }
  return output.empty() ? "" : "and more: " + std::string(output);
}

struct Played {
  std::string output;
  std::vector<std::size_t> deleted;
};

// `cut`: octets of the next packet.
template <typename Cut>
Played play(const std::vector<Message>& messages, std::string_view wire, Cut cut) {
  World world;
  world.add_mailbox(kUser, kPassword);
  for (const Message& message : messages) {
    std::string content;
    for (const std::string& line : message.lines) content += line + "\r\n";
    world.add_message(content);
  }
  Pop3Options options;
  options.hostname = "mx.example.org";
  PeerFacts peer;
  peer.address = "127.0.0.1";
  peer.loopback = true;
  Pop3Session session(options, peer);
  Played played{start(session, world), {}};
  while (!wire.empty()) {
    const std::string_view packet = wire.substr(0, cut());
    played.output += feed(session, world, packet);
    wire.remove_prefix(packet.size());
  }
  played.deleted = world.deleted;
  return played;
}

}  // namespace

TEST_CASE("a hundred thousand random commands are answered as a model of RFC 1939 answers them", "[pop3]") {
  Dice dice;
  std::vector<Message> mailbox;
  int commands = 0;
  int sessions = 0;
  while (commands < kCommands) {
    ++sessions;
    while (mailbox.size() < 8 && !dice.one_in(3)) mailbox.push_back(random_message(dice));
    for (std::size_t i = 0; i < mailbox.size(); ++i) mailbox[i].uidl = "u" + std::to_string(i + 1);
    Model model(mailbox);
    std::vector<Expected> replies{kOk};
    std::string wire;
    int refused = 0;  // in a row; after many the session closes, which is not of RFC 1939
    for (std::size_t i = 0; i < 60 && !model.done() && refused < 8; ++i) {
      const Command command = random_command(dice, model, mailbox.size());
      wire += wire_of(command, dice);
      replies.push_back(model.answer(command.name, command.argument));
      refused = replies.back().line == "-ERR" ? refused + 1 : 0;
      ++commands;
    }
    const Played whole = play(mailbox, wire, [&] { return wire.size(); });
    const std::string problem = compare(whole.output, replies);
    if (!problem.empty()) {
      INFO("session " << sessions << "\n" << wire);
      INFO(problem);
      REQUIRE(problem.empty());
    }
    const Played bytes = play(mailbox, wire, [] { return std::size_t{1}; });
    const Played pieces = play(mailbox, wire, [&] { return 1 + dice.up_to(40); });
    REQUIRE(bytes.output == whole.output);
    REQUIRE(pieces.output == whole.output);
    const std::vector<Message> left = model.what_is_left(model.done() && model.logged_in());
    REQUIRE(whole.deleted.size() == mailbox.size() - left.size());
    REQUIRE(bytes.deleted == whole.deleted);
    REQUIRE(pieces.deleted == whole.deleted);
    mailbox = left;
  }
  CHECK(sessions > 1'000);
}

}  // namespace mailstead::test
