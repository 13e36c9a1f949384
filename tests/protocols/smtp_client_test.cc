// The client's side of SMTP against scripts of servers, each heard whole, octet by octet, and split at every
// place; and against our own server's side.
#include "protocols/smtp_client_session.h"

#include <functional>

#include "protocols/reply_reader.h"
#include "protocols/scram_client.h"
#include "protocols/smtp_session.h"
#include "protocols/xtext.h"
#include "tests/catch.h"
#include "world.h"

using namespace mailstead;
using Kind = RecipientOutcome::Kind;

namespace {

// A line of the server, "S: …", or of ours that has to come, "C: …", or "TLS": the handshake.
using Script = std::vector<std::string>;

struct Sent {
  std::vector<std::vector<RecipientOutcome>> outcomes;  // of each transaction
  std::optional<SessionFailure> failure;
  std::string said;  // all of it
  bool ended = false;
};

ClientTransaction to(const std::vector<std::string>& recipients, const std::string& content) {
  ClientTransaction transaction;
  transaction.envelope.reverse_path = *parse_address("anna@example.org");
  for (const std::string& each : recipients)
    transaction.envelope.recipients.emplace_back(*parse_address(each));
  transaction.size = content.size();
  return transaction;
}

class Talk {
 public:
  Talk(SmtpClientOptions options, std::vector<ClientTransaction> transactions, std::string content)
      : session_(std::move(options)), transactions_(std::move(transactions)), content_(std::move(content)) {
    session_.start();
  }

  // `piece`: octets that the server's words come in at a time; `first`: in the first piece.
  Sent run(const Script& script, std::size_t piece, std::size_t first) {
    std::string heard;
    for (const std::string& line : script) {
      if (line.starts_with("S: ")) {
        heard += line.substr(3) + "\r\n";
        continue;
      }
      hear(heard, piece, first);
      heard.clear();
      if (line == "TLS") {
        REQUIRE(session_.wants() == Wants::kTls);
        session_.tls_established({});
        settle();
      } else {
        expect(line.substr(3) + "\r\n");
      }
    }
    hear(heard, piece, first);
    if (session_.wants() != Wants::kClose) session_.disconnected();
    settle();
    CHECK(unread_.empty());
    if (!session_.outcomes().empty()) sent_.outcomes.push_back(session_.outcomes());
    sent_.failure = session_.failure();
    sent_.ended = session_.wants() == Wants::kClose;
    return sent_;
  }

 private:
  void hear(std::string_view bytes, std::size_t piece, std::size_t& first) {
    while (!bytes.empty() && session_.wants() != Wants::kClose) {
      std::size_t size = std::min(piece, bytes.size());
      if (first > 0) size = std::min(first, size);
      first -= std::min(first, size);
      std::string_view part = bytes.substr(0, size);
      bytes.remove_prefix(size);
      while (!part.empty() && session_.wants() == Wants::kInput) {
        part.remove_prefix(session_.receive(part));
        settle();
      }
      if (session_.wants() != Wants::kClose) CHECK(part.empty());
    }
  }

  void settle() {
    while (true) {
      const std::string output = session_.take_output();
      sent_.said += output;
      unread_ += output;
      if (session_.wants() == Wants::kDrain) {
        session_.drained();
      } else if (session_.wants() == Wants::kAnswer) {
        answer();
      } else {
        const std::string last = session_.take_output();
        sent_.said += last;
        unread_ += last;
        return;
      }
    }
  }

  void answer() {
    switch (session_.ask()) {
      case SmtpClientAsk::kTransaction:
        if (next_ == transactions_.size()) return session_.answer_transaction(std::nullopt);
        at_ = 0;
        return session_.answer_transaction(transactions_[next_++]);
      case SmtpClientAsk::kContent: {
        const std::string part = content_.substr(at_, kContentPiece);
        at_ += part.size();
        return session_.answer_content(
            part, at_ == content_.size() ? SmtpClientSession::Piece::kLast : SmtpClientSession::Piece::kMore);
      }
      case SmtpClientAsk::kReport:
        sent_.outcomes.push_back(session_.outcomes());
        return session_.answer_report();
    }
  }

  void expect(const std::string& line) {
    CHECK(unread_.substr(0, line.size()) == line);
    unread_.erase(0, line.size());
  }

  static constexpr std::size_t kContentPiece = 7;

  SmtpClientSession session_;
  std::vector<ClientTransaction> transactions_;
  std::string content_;
  std::size_t next_ = 0;
  std::size_t at_ = 0;
  std::string unread_;
  Sent sent_;
};

const std::string kContent = "Subject: x\r\n\r\n.dot\r\n";

SmtpClientOptions plain() {
  SmtpClientOptions options;
  options.hostname = "mail.example.org";
  return options;
}

Sent talk(const Script& script, std::vector<ClientTransaction> transactions,
          const SmtpClientOptions& options = plain(), const std::string& content = kContent) {
  Sent whole = Talk(options, transactions, content).run(script, SIZE_MAX, 0);
  std::size_t octets = 0;
  for (const std::string& line : script) octets += line.starts_with("S: ") ? line.size() - 1 : 0;
  const auto same = [&](const Sent& other) {
    CHECK(other.said == whole.said);
    REQUIRE(other.outcomes.size() == whole.outcomes.size());
    for (std::size_t i = 0; i < other.outcomes.size(); ++i) {
      REQUIRE(other.outcomes[i].size() == whole.outcomes[i].size());
      for (std::size_t j = 0; j < other.outcomes[i].size(); ++j) {
        CHECK(other.outcomes[i][j].kind == whole.outcomes[i][j].kind);
        CHECK(other.outcomes[i][j].reply.words() == whole.outcomes[i][j].reply.words());
      }
    }
    CHECK(other.failure.has_value() == whole.failure.has_value());
  };
  same(Talk(options, transactions, content).run(script, 1, 0));
  for (std::size_t split = 1; split < octets; ++split)
    same(Talk(options, transactions, content).run(script, SIZE_MAX, split));
  return whole;
}

const Script kGreeted = {"S: 220 mx.far.example ESMTP", "C: EHLO mail.example.org", "S: 250 mx.far.example"};

Script behind(const Script& begin, const Script& more) {
  Script script = begin;
  script.insert(script.end(), more.begin(), more.end());
  return script;
}

Script offering(const std::vector<std::string>& extensions) {
  Script script = {"S: 220 mx.far.example ESMTP", "C: EHLO mail.example.org", "S: 250-mx.far.example"};
  for (const std::string& each : extensions) script.push_back("S: 250-" + each);
  script.back()[6] = ' ';
  return script;
}

}  // namespace

TEST_CASE("a message goes one command at a time to a server without extensions", "[client]") {
  const Sent sent =
      talk(behind(kGreeted, {"C: MAIL FROM:<anna@example.org>", "S: 250 OK", "C: RCPT TO:<carl@far.example>",
                             "S: 250 OK", "C: DATA", "S: 354 go on", "C: Subject: x", "C: ", "C: ..dot",
                             "C: .", "S: 250 2.0.0 kept as 17", "C: QUIT", "S: 221 bye"}),
           {to({"carl@far.example"}, kContent)});
  REQUIRE(sent.outcomes.size() == 1);
  CHECK(sent.outcomes[0][0].kind == Kind::kDelivered);
  CHECK(sent.outcomes[0][0].reply.words() == "250 2.0.0 kept as 17");
  CHECK(sent.ended);
  CHECK_FALSE(sent.failure.has_value());
}

TEST_CASE("pipelined commands are answered in order, each recipient for itself", "[client]") {
  const Sent sent = talk(behind(offering({"PIPELINING", "SIZE 1000000", "8BITMIME"}),
                                {"C: MAIL FROM:<anna@example.org> SIZE=20", "C: RCPT TO:<a@far.example>",
                                 "C: RCPT TO:<b@far.example>", "C: RCPT TO:<c@far.example>", "S: 250 OK",
                                 "S: 250 OK", "S: 550-5.1.1 there is no", "S: 550 5.1.1 b here",
                                 "S: 450 4.2.1 later", "C: DATA", "S: 354 go on", "C: Subject: x",
                                 "C: ", "C: ..dot", "C: .", "S: 250 OK", "C: QUIT", "S: 221 bye"}),
                         {to({"a@far.example", "b@far.example", "c@far.example"}, kContent)});
  REQUIRE(sent.outcomes.size() == 1);
  CHECK(sent.outcomes[0][0].kind == Kind::kDelivered);
  CHECK(sent.outcomes[0][1].kind == Kind::kFailed);
  CHECK(sent.outcomes[0][1].reply.words() == "550 5.1.1 there is no b here");
  CHECK(sent.outcomes[0][2].kind == Kind::kDeferred);
  CHECK(sent.outcomes[0][2].command == "RCPT");
}

TEST_CASE("a refused sender or no recipient left ends the transaction, and the next one begins clean",
          "[client]") {
  const Sent sent = talk(
      behind(offering({"PIPELINING"}),
             {"C: MAIL FROM:<anna@example.org>", "C: RCPT TO:<a@far.example>", "S: 451 4.3.0 not now",
              "S: 503 5.5.1 MAIL first", "C: RSET", "C: MAIL FROM:<anna@example.org>",
              "C: RCPT TO:<b@far.example>", "S: 250 OK", "S: 250 OK", "S: 550 no b", "C: RSET",
              "C: MAIL FROM:<anna@example.org>", "C: RCPT TO:<c@far.example>", "S: 250 OK", "S: 250 OK",
              "S: 250 OK", "C: DATA", "S: 554 no", "C: QUIT"}),
      {to({"a@far.example"}, kContent), to({"b@far.example"}, kContent), to({"c@far.example"}, kContent)});
  REQUIRE(sent.outcomes.size() == 3);
  CHECK(sent.outcomes[0][0].kind == Kind::kDeferred);
  CHECK(sent.outcomes[0][0].command == "MAIL");
  CHECK(sent.outcomes[1][0].kind == Kind::kFailed);
  CHECK(sent.outcomes[2][0].command == "DATA");
  CHECK(sent.outcomes[2][0].kind == Kind::kFailed);
}

TEST_CASE("chunks go unstuffed, each after the reply to the one before", "[client]") {
  const Sent sent = talk(
      behind(offering({"CHUNKING", "PIPELINING"}),
             {"C: MAIL FROM:<anna@example.org>", "C: RCPT TO:<a@far.example>", "S: 250 OK", "S: 250 OK",
              "C: BDAT 7", "C: .a", "C: .", "S: 250 OK", "C: BDAT 3 LAST", "C: b", "S: 250 kept", "C: QUIT"}),
      {to({"a@far.example"}, ".a\r\n.\r\nb\r\n")}, plain(), ".a\r\n.\r\nb\r\n");
  REQUIRE(sent.outcomes.size() == 1);
  CHECK(sent.outcomes[0][0].kind == Kind::kDelivered);
}

TEST_CASE("a chunk that is refused ends the transaction", "[client]") {
  const Sent sent =
      talk(behind(offering({"CHUNKING"}),
                  {"C: MAIL FROM:<anna@example.org>", "S: 250 OK", "C: RCPT TO:<a@far.example>", "S: 250 OK",
                   "C: BDAT 7", "C: 12345", "S: 552 5.3.4 too much", "C: QUIT", "S: 221 bye"}),
           {to({"a@far.example"}, "12345\r\n12345\r\n")}, plain(), "12345\r\n12345\r\n");
  REQUIRE(sent.outcomes.size() == 1);
  CHECK(sent.outcomes[0][0].kind == Kind::kFailed);
  CHECK(sent.outcomes[0][0].reply.enhanced == "5.3.4");
}

TEST_CASE("STARTTLS forgets what was said in the clear", "[client]") {
  const Sent sent =
      talk(behind(offering({"STARTTLS", "SIZE 5"}),
                  {"C: STARTTLS", "S: 220 go on", "TLS", "C: EHLO mail.example.org", "S: 250 mx.far.example",
                   "C: MAIL FROM:<anna@example.org>", "S: 550 no", "C: QUIT"}),
           {to({"a@far.example"}, kContent)});
  REQUIRE(sent.outcomes.size() == 1);
  CHECK(sent.outcomes[0][0].reply.words() == "550 no");
}

TEST_CASE("without TLS a session goes on in the clear or ends, as it was told", "[client]") {
  const Script refused = behind(offering({"STARTTLS"}), {"C: STARTTLS", "S: 454 4.7.0 not now"});
  const Sent opportunistic = talk(behind(refused, {"C: QUIT", "S: 221 bye"}), {});
  CHECK_FALSE(opportunistic.failure.has_value());
  SmtpClientOptions strict = plain();
  strict.tls = TlsUse::kRequired;
  const Sent required = talk(refused, {}, strict);
  REQUIRE(required.failure.has_value());
  CHECK(required.failure->stage == SessionFailure::Stage::kTls);
  CHECK_FALSE(required.failure->permanent);
  const Sent not_offered = talk(kGreeted, {}, strict);
  REQUIRE(not_offered.failure.has_value());
  CHECK(not_offered.failure->stage == SessionFailure::Stage::kTls);
  SmtpClientOptions never = plain();
  never.tls = TlsUse::kNever;
  CHECK_FALSE(talk(behind(offering({"STARTTLS"}), {"C: QUIT"}), {}, never).failure.has_value());
}

TEST_CASE("an old server gets HELO", "[client]") {
  const Sent sent = talk({"S: 220 old", "C: EHLO mail.example.org", "S: 500 what?",
                          "C: HELO mail.example.org", "S: 250 old", "C: QUIT", "S: 221 bye"},
                         {});
  CHECK_FALSE(sent.failure.has_value());
}

TEST_CASE("a greeting that is none ends the session", "[client]") {
  const auto failure_of = [](const Script& script) {
    const Sent sent = talk(script, {to({"a@far.example"}, kContent)});
    REQUIRE(sent.failure.has_value());
    CHECK(sent.outcomes.empty());
    return *sent.failure;
  };
  CHECK(failure_of({"S: 554 5.3.2 no SMTP here"}).permanent);
  CHECK_FALSE(failure_of({"S: 421 4.3.2 busy"}).permanent);
  CHECK_FALSE(failure_of({}).permanent);
  for (const char* nonsense : {"SSH-2.0-OpenSSH", "+OK POP3", "22", "999 x", "220_x", "", "2200 x"})
    CHECK_FALSE(failure_of({std::string("S: ") + nonsense}).permanent);
  CHECK_FALSE(failure_of({"S: 220-x", "S: 250 y"}).permanent);
  CHECK_FALSE(failure_of({"S: 220 " + std::string(5000, 'x')}).permanent);
}

TEST_CASE("a reply is one harmless line, however long and whatever is in it", "[client]") {
  const Sent sent =
      talk(behind(kGreeted, {"C: MAIL FROM:<anna@example.org>",
                             std::string("S: 550 5.7.1 a") + '\0' + "b\x1b[31m\x80 \xC3\xA4", "C: QUIT"}),
           {to({"a@far.example"}, kContent)});
  REQUIRE(sent.outcomes.size() == 1);
  CHECK(sent.outcomes[0][0].reply.words() == "550 5.7.1 a?b?[31m? \xC3\xA4");
  ReplyReader reader;
  std::string many;
  for (int i = 0; i < 100; ++i) many += "250-" + std::string(500, 'x') + "\n";
  std::size_t used = 0;
  REQUIRE(reader.read(many + "250 \r\n", used) == ReplyReader::Event::kReply);
  CHECK(reader.take().text.size() <= kMaxReplyText);
  for (int i = 0; i < 100; ++i) many += "250-" + std::string(500, 'x') + "\n";
  CHECK(reader.read(many, used) == ReplyReader::Event::kBroken);
}

TEST_CASE("421 at any time, silence and a lost connection defer what is not decided", "[client]") {
  const Script begin =
      behind(offering({"PIPELINING"}), {"C: MAIL FROM:<anna@example.org>", "C: RCPT TO:<a@far.example>",
                                        "C: RCPT TO:<b@far.example>", "S: 250 OK"});
  const auto outcomes_of = [&](const Script& more) {
    const Sent sent = talk(behind(begin, more), {to({"a@far.example", "b@far.example"}, kContent)});
    REQUIRE(sent.outcomes.size() == 1);
    CHECK(sent.ended);
    return sent.outcomes[0];
  };
  auto busy = outcomes_of({"S: 550 no a", "S: 421 4.3.2 closing"});
  CHECK(busy[0].kind == Kind::kFailed);
  CHECK(busy[1].kind == Kind::kDeferred);
  CHECK(busy[1].reply.words() == "421 4.3.2 closing");
  auto lost = outcomes_of({"S: 250 OK"});
  CHECK(lost[0].kind == Kind::kDeferred);
  CHECK(lost[0].command == "connection");
  auto unsure = outcomes_of(
      {"S: 250 OK", "S: 250 OK", "C: DATA", "S: 354 go on", "C: Subject: x", "C: ", "C: ..dot", "C: ."});
  CHECK(unsure[0].kind == Kind::kDeferred);
  CHECK(unsure[0].reply.text.find("before the server said") != std::string::npos);
  auto odd = outcomes_of({"S: 250 OK", "S: 354 what?"});
  CHECK(odd[1].kind == Kind::kDeferred);
  auto eager = outcomes_of({"S: 250 OK", "S: 250 OK", "C: DATA", "S: 250 OK"});
  CHECK(eager[0].kind == Kind::kDeferred);
}

TEST_CASE("a transaction that is full goes on in the next", "[client]") {
  const Sent limited =
      talk(behind(offering({"LIMITS RCPTMAX=1 MAILMAX=1"}),
                  {"C: MAIL FROM:<anna@example.org>", "S: 250 OK", "C: RCPT TO:<a@far.example>",
                   "S: 550 no a", "C: QUIT"}),
           {to({"a@far.example", "b@far.example"}, kContent), to({"c@far.example"}, kContent)});
  REQUIRE(limited.outcomes.size() == 1);
  CHECK(limited.outcomes[0][0].kind == Kind::kFailed);
  CHECK(limited.outcomes[0][1].kind == Kind::kNotTried);
  const Sent full =
      talk(behind(offering({"PIPELINING"}),
                  {"C: MAIL FROM:<anna@example.org>", "C: RCPT TO:<a@far.example>",
                   "C: RCPT TO:<b@far.example>", "S: 250 OK", "S: 250 OK", "S: 452 4.5.3 too many", "C: DATA",
                   "S: 354 go on", "C: Subject: x", "C: ", "C: ..dot", "C: .", "S: 250 OK", "C: QUIT"}),
           {to({"a@far.example", "b@far.example"}, kContent)});
  CHECK(full.outcomes[0][0].kind == Kind::kDelivered);
  CHECK(full.outcomes[0][1].kind == Kind::kNotTried);
  const Sent none = talk(behind(kGreeted, {"C: MAIL FROM:<anna@example.org>", "S: 250 OK",
                                           "C: RCPT TO:<a@far.example>", "S: 452 4.5.3 too many", "C: QUIT"}),
                         {to({"a@far.example"}, kContent)});
  CHECK(none.outcomes[0][0].kind == Kind::kDeferred);
}

TEST_CASE("what a server does not offer is not sent to it", "[client]") {
  const auto status_of = [](const ClientTransaction& transaction,
                            const std::vector<std::string>& extensions) {
    Script script = extensions.empty() ? kGreeted : offering(extensions);
    script.push_back("C: QUIT");
    const Sent sent = talk(script, {transaction});
    REQUIRE(sent.outcomes.size() == 1);
    CHECK(sent.outcomes[0][0].kind == Kind::kFailed);
    return sent.outcomes[0][0].reply.enhanced;
  };
  ClientTransaction large = to({"a@far.example"}, kContent);
  large.size = 1001;
  CHECK(status_of(large, {"SIZE 1000"}) == "5.3.4");
  ClientTransaction eight_bit = to({"a@far.example"}, kContent);
  eight_bit.eight_bit = true;
  CHECK(status_of(eight_bit, {}) == "5.6.3");
  CHECK(status_of(to({"\xC3\xA4@far.example"}, kContent), {"8BITMIME"}) == "5.6.7");
  ClientTransaction header = eight_bit;
  header.utf8_header = header.envelope.smtputf8 = true;
  CHECK(status_of(header, {"8BITMIME"}) == "5.6.7");
  ClientTransaction secret = to({"a@far.example"}, kContent);
  secret.envelope.require_tls = true;
  CHECK(status_of(secret, {"REQUIRETLS"}) == "5.7.30");
}

TEST_CASE("what a message needs stands in its commands", "[client]") {
  ClientTransaction transaction = to({"a@far.example"}, kContent);
  transaction.eight_bit = true;
  transaction.envelope.envelope_id = "an id+\r\nRCPT";
  transaction.envelope.returned = ReturnedContent::kHeaders;
  transaction.envelope.recipients[0].notify = Notify{true, true, false};
  transaction.envelope.recipients[0].original = "rfc822;A b\r\n@far.example";
  const std::string rcpt =
      "C: RCPT TO:<a@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;A+20b+0D+0A@far.example";
  talk(behind(offering({"8BITMIME", "DSN", "SIZE"}),
              {"C: MAIL FROM:<anna@example.org> SIZE=20 BODY=8BITMIME RET=HDRS ENVID=an+20id+2B+0D+0ARCPT",
               "S: 250 OK", rcpt, "S: 550 no", "C: QUIT"}),
       {transaction});
  ClientTransaction never = to({"\xC3\xA4@far.example"}, kContent);
  never.envelope.recipients[0].notify = Notify{};
  never.envelope.reverse_path.reset();
  talk(behind(offering({"DSN", "SMTPUTF8", "8BITMIME"}),
              {"C: MAIL FROM:<> SMTPUTF8", "S: 250 OK", "C: RCPT TO:<\xC3\xA4@far.example> NOTIFY=NEVER",
               "S: 550 no", "C: QUIT"}),
       {never});
}

TEST_CASE("logging in shows a password over TLS only", "[client]") {
  SmtpClientOptions options = plain();
  options.user = "anna";
  options.password = "secret";
  const Sent in_the_clear = talk(offering({"AUTH PLAIN LOGIN"}), {}, options);
  REQUIRE(in_the_clear.failure.has_value());
  CHECK(in_the_clear.failure->stage == SessionFailure::Stage::kLogin);
  CHECK(in_the_clear.said.find("AUTH") == std::string::npos);
  options.tls = TlsUse::kImplicit;
  const Sent by_plain = talk(behind(offering({"AUTH LOGIN PLAIN"}),
                                    {"C: AUTH PLAIN AGFubmEAc2VjcmV0", "S: 235 2.7.0 welcome", "C: QUIT"}),
                             {}, options);
  CHECK_FALSE(by_plain.failure.has_value());
  const Sent by_login = talk(behind(offering({"AUTH=LOGIN"}), {"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6",
                                                               "C: YW5uYQ==", "S: 334 UGFzc3dvcmQ6",
                                                               "C: c2VjcmV0", "S: 535 5.7.8 wrong"}),
                             {}, options);
  REQUIRE(by_login.failure.has_value());
  CHECK_FALSE(by_login.failure->permanent);
  CHECK(by_login.failure->reply.enhanced == "5.7.8");
}

TEST_CASE("SCRAM as RFC 7677 3 shows it, and a server that does not know the password is found out",
          "[client]") {
  scram::Client client("user", "pencil");
  client.set_nonce("rOprNGfwEbeRWgbNEkqO");
  CHECK(client.first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const std::string nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const auto final = client.final("r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  REQUIRE(final.has_value());
  CHECK(*final == "c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  CHECK_FALSE(client.check("v=AAAATRiuAf17HQpLs8Kv1ZCfLQLb8lbAjWGR4hbQTrE="));
  CHECK_FALSE(client.check("e=other-error"));
  CHECK(client.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
  for (const char* wrong :
       {"", "r=x", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999999999",
        "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"}) {
    scram::Client another("user", "pencil");
    another.set_nonce("rOprNGfwEbeRWgbNEkqO");
    CHECK_FALSE(another.final(wrong).has_value());
  }
}

TEST_CASE("a session that is shut down ends its transaction first, and at the second time gives it up",
          "[client]") {
  SmtpClientSession session(plain());
  session.start();
  session.receive("220 x\r\n250 x\r\n");
  static_cast<void>(session.take_output());
  REQUIRE(session.ask() == SmtpClientAsk::kTransaction);
  session.answer_transaction(to({"a@far.example"}, kContent));
  session.shut_down();
  CHECK(session.wants() == Wants::kInput);
  session.shut_down();
  REQUIRE(session.wants() == Wants::kAnswer);
  CHECK(session.ask() == SmtpClientAsk::kReport);
  CHECK(session.outcomes()[0].kind == Kind::kDeferred);
  session.answer_report();
  CHECK(session.wants() == Wants::kClose);
  SmtpClientSession idle(plain());
  idle.start();
  idle.receive("220 x\r\n250 x\r\n");
  idle.shut_down();
  CHECK(idle.take_output().ends_with("QUIT\r\n"));
}

TEST_CASE("a message that cannot be read is nobody's", "[client]") {
  SmtpClientSession session(plain());
  session.start();
  session.receive("220 x\r\n250 x\r\n");
  session.answer_transaction(to({"a@far.example"}, kContent));
  session.receive("250 OK\r\n250 OK\r\n");
  session.receive("354 go on\r\n");
  REQUIRE(session.ask() == SmtpClientAsk::kContent);
  session.answer_content("half of it", SmtpClientSession::Piece::kMore);
  static_cast<void>(session.take_output());
  session.drained();
  session.answer_content(std::nullopt, SmtpClientSession::Piece::kLast);
  CHECK(session.outcomes()[0].kind == Kind::kDeferred);
  session.answer_report();
  CHECK(session.wants() == Wants::kClose);
  CHECK(session.take_output().empty());
}

TEST_CASE("xtext is one word and comes back", "[client]") {
  CHECK(encode_xtext("a b+=\r\n\xC3") == "a+20b+2B+3D+0D+0A+C3");
  CHECK(decode_xtext("a+20b+2B+3D+0D+0A+C3") == "a b+=\r\n\xC3");
  for (const char* wrong : {"+", "+2", "+2b", "a b", "a=b", "\x7f", "\xC3"})
    CHECK_FALSE(decode_xtext(wrong).has_value());
}

TEST_CASE("our two sides hand over every message as it is, and log in to each other", "[client]") {
  const auto hand_over = [](const std::string& content, std::size_t piece, std::size_t recipients,
                            bool login) {
    test::World world;
    SmtpOptions server_options;
    server_options.hostname = "mx.far.example";
    server_options.service = login ? SmtpService::kSubmission : SmtpService::kExchange;
    server_options.recipients = 3;
    server_options.scram = sasl::Scram::kAvailable;
    ClientTransaction transaction = to({}, content);
    for (std::size_t i = 0; i < recipients; ++i) {
      const std::string name = "u" + std::to_string(i) + "@far.example";
      world.add_mailbox(name, "secret");
      transaction.envelope.recipients.emplace_back(*parse_address(name));
    }
    transaction.eight_bit = true;
    PeerFacts peer;
    peer.loopback = true;
    SmtpSession server(server_options, peer);
    SmtpClientOptions client_options = plain();
    if (login) client_options.user = "u0@far.example", client_options.password = "secret";
    if (login) transaction.envelope.reverse_path = *parse_address("u0@far.example");
    SmtpClientSession client(client_options);
    server.start();
    client.start();
    std::string to_server;
    std::string to_client;
    std::vector<RecipientOutcome> outcomes;
    std::size_t at = 0;
    bool sent = false;
    for (int turns = 0; turns < 1'000'000; ++turns) {
      to_client += server.take_output();
      if (server.wants() == Wants::kAnswer) {
        world.answer(server);
        continue;
      }
      if (server.wants() == Wants::kDrain) server.drained();
      to_server += client.take_output();
      if (client.wants() == Wants::kDrain) client.drained();
      if (client.wants() == Wants::kAnswer && client.ask() == SmtpClientAsk::kTransaction) {
        std::exchange(sent, true) ? client.answer_transaction(std::nullopt)
                                  : client.answer_transaction(transaction);
      } else if (client.wants() == Wants::kAnswer && client.ask() == SmtpClientAsk::kContent) {
        const std::string part = content.substr(at, piece);
        at += part.size();
        client.answer_content(
            part, at == content.size() ? SmtpClientSession::Piece::kLast : SmtpClientSession::Piece::kMore);
      } else if (client.wants() == Wants::kAnswer) {
        outcomes = client.outcomes();
        client.answer_report();
      }
      if (client.wants() == Wants::kInput && !to_client.empty())
        to_client.erase(0, client.receive(to_client.substr(0, 5)));
      if (server.wants() == Wants::kInput && !to_server.empty())
        to_server.erase(0, server.receive(to_server.substr(0, 1000)));
      if (client.wants() == Wants::kClose) break;
    }
    REQUIRE(outcomes.size() == recipients);
    REQUIRE(world.stored.size() == 1);
    const std::string& stored = world.stored[0].content;
    CHECK(stored.size() > content.size());
    CHECK(stored.ends_with(content));
    CHECK(world.stored[0].envelope.recipients.size() == std::min<std::size_t>(recipients, 3));
    for (std::size_t i = 0; i < recipients; ++i)
      CHECK(outcomes[i].kind == (i < 3 ? Kind::kDelivered : Kind::kNotTried));
  };
  const std::string head = "From: u0@far.example\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\n";
  for (const bool login : {false, true}) {
    for (const std::string& body :
         {std::string(), std::string(".\r\n..\r\n.a\r\n\xFF\x80 b\r\n"), std::string(200, '.') + "\r\n"}) {
      for (const std::size_t piece : {1u, 2u, 7u, 65536u}) hand_over(head + body, piece, 1, login);
    }
  }
  std::string long_body;
  for (int i = 0; i < 30'000; ++i) long_body += std::to_string(i) + "\r\n";
  hand_over(head + long_body, 65536, 5, false);
}
