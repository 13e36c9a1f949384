// A server in memory: it answers what the sessions ask, from a few mailboxes, and remembers what it was told
// to keep.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/pop3/pop3_session.h"
#include "protocols/smtp/smtp_session.h"

namespace mailstead::test {

struct StoredMessage {
  Envelope envelope;
  std::string content;  // trace line included
  std::string tags;
  std::vector<std::string> delivered_to;
};

class World {
 public:
  // Directions, given before the session starts.
  void add_mailbox(const std::string& address, const std::string& password);
  void add_message(const std::string& content) { messages_.push_back(content); }
  std::map<std::string, RecipientVerdict> recipients;  // by key; else the mailboxes decide
  std::map<std::string, LoginVerdict> logins;          // by key; else the password decides
  // Reading message n fails from this octet on.
  std::map<std::size_t, std::pair<std::uint64_t, ReadVerdict>> failing_reads;
  std::size_t page = 2;  // entries of a maildrop's page: so small that every dialogue meets several
  std::set<std::size_t> failing_pages;
  bool begin_refused = false;
  CommitVerdict spool_verdict = CommitVerdict::kKept;
  CommitVerdict commit_verdict = CommitVerdict::kKept;
  std::map<std::string, CommitVerdict> commits;  // by a recipient's key, where each has a reply
  std::map<PolicyStage, PolicyVerdict> policies;
  bool delete_fails = false;
  bool unexamined = false;  // nobody has looked at the messages' headers yet

  // The session's wants() is kAnswer.
  void answer(SmtpSession& session);
  void answer(Pop3Session& session);

  // What came of it.
  std::vector<StoredMessage> stored;
  std::vector<std::size_t> deleted;
  std::map<std::string, int> asked;  // "password", "sender", "login", …
  std::size_t largest_piece = 0;     // octets of a message that came with one ask

 private:
  void answer(SmtpSession& session, AskPassword& ask);
  void answer(SmtpSession& session, AskScramChallenge& ask);
  void answer(SmtpSession& session, AskScramProof& ask);
  void answer(SmtpSession& session, AskSender& ask);
  void answer(SmtpSession& session, AskRecipient& ask);
  void answer(SmtpSession& session, AskBegin& ask);
  void answer(SmtpSession& session, AskSpool& ask);
  void answer(SmtpSession& session, AskAuthor& ask);
  void answer(SmtpSession& session, AskPolicy& ask);
  void answer(SmtpSession& session, AskCommit& ask);
  void answer(Pop3Session& session, AskLogin& ask);
  void answer(Pop3Session& session, AskApop& ask);
  void answer(Pop3Session& session, AskScramChallenge& ask);
  void answer(Pop3Session& session, AskScramProof& ask);
  void answer(Pop3Session& session, AskMaildrop& ask);
  void answer(Pop3Session& session, AskPage& ask);
  void answer(Pop3Session& session, AskRead& ask);
  void answer(Pop3Session& session, AskDelete& ask);

  LoginVerdict judge(const std::string& user, const std::string& password) const;
  void open_maildrop(Pop3Session& session, LoginVerdict verdict);
  MaildropEntry entry(std::size_t index) const;
  // What the proof's maker is answered; nothing for a wrong proof.
  std::optional<std::string> judge(const AskScramProof& ask) const;

  std::map<std::string, std::string> passwords_;  // by key
  std::vector<std::string> messages_;
  std::string spool_;
  int ids_ = 0;
};

// What the pump does between two pieces of input: takes the output, answers, drains, until input or the end
// is wanted.
template <typename S>
std::string settle(S& session, World& world) {
  std::string output = session.take_output();
  while (session.wants() == Wants::kAnswer || session.wants() == Wants::kDrain) {
    if (session.wants() == Wants::kAnswer) {
      world.answer(session);
    } else {
      session.drained();
    }
    output += session.take_output();
  }
  return output;
}

// Hands over input as the pump does, and returns all that was said. What is left when the session wants no
// more input is dropped.
template <typename S>
std::string feed(S& session, World& world, std::string_view bytes) {
  std::string output;
  while (session.wants() == Wants::kInput && !bytes.empty()) {
    const std::size_t consumed = session.receive(bytes);
    if (consumed == 0 || consumed > bytes.size())
      return output + "<the session consumed nothing, or too much>";
    bytes.remove_prefix(consumed);
    output += settle(session, world);
  }
  return output;
}

template <typename S>
std::string start(S& session, World& world) {
  session.start();
  return settle(session, world);
}

}  // namespace mailstead::test
