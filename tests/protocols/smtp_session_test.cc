// What a dialogue cannot show: how much is consumed and kept, time, the log, and ends at awkward moments.
#include "protocols/smtp/smtp_session.h"

#include <string>

#include "tests/catch.h"
#include "tests/protocols/world.h"

namespace mailstead::test {
namespace {

constexpr std::string_view kToRcpt =
    "EHLO client.example\r\nMAIL FROM:<bob@remote.example>\r\nRCPT TO:<anna@example.org>\r\n";

struct SmtpConversation {
  explicit SmtpConversation(SmtpOptions options = {}) : session(named(std::move(options)), peer()) {
    world.add_mailbox("anna@example.org", "secret");
    start(session, world);
  }

  static SmtpOptions named(SmtpOptions options) {
    options.hostname = "mx.example.org";
    return options;
  }
  static PeerFacts peer() {
    PeerFacts facts;
    facts.address = "127.0.0.1";
    facts.loopback = true;
    return facts;
  }

  std::string say(std::string_view bytes) { return feed(session, world, bytes); }

  World world;
  SmtpSession session;
};

std::string lines(std::size_t octets) {
  std::string text;
  while (text.size() < octets) text += "0123456789012345678901234567890123456789012345678901234567890\r\n";
  return text;
}

}  // namespace

TEST_CASE("a session that asks consumes nothing more", "[smtp]") {
  SmtpConversation it;
  it.say("EHLO a\r\nMAIL FROM:<>\r\n");
  const std::string_view command = "RCPT TO:<anna@example.org>\r\n";
  CHECK(it.session.receive(std::string(command) + "NOOP\r\n") == command.size());
  REQUIRE(it.session.wants() == Wants::kAnswer);
  CHECK_FALSE(it.session.has_output());
  const auto* ask = std::get_if<AskRecipient>(&it.session.ask());
  REQUIRE(ask != nullptr);
  CHECK(ask->recipient.key() == "anna@example.org");
  CHECK_FALSE(ask->authenticated);
  CHECK_FALSE(ask->declared_size.has_value());
  it.session.answer_recipient(RecipientVerdict::kOurs);
  CHECK(it.session.take_output() == "250 2.1.5 OK\r\n");
  CHECK(it.session.wants() == Wants::kInput);
}

TEST_CASE("a recipient is asked about with the size that MAIL declared, and not with an earlier one",
          "[smtp]") {
  SmtpConversation it;
  it.say("EHLO a\r\nMAIL FROM:<> SIZE=12345\r\n");
  CHECK(it.session.receive("RCPT TO:<anna@example.org>\r\n") > 0);
  REQUIRE(it.session.wants() == Wants::kAnswer);
  CHECK(std::get<AskRecipient>(it.session.ask()).declared_size == 12345);
  it.session.answer_recipient(RecipientVerdict::kTooLarge);
  it.say("RSET\r\nMAIL FROM:<>\r\n");
  CHECK(it.session.receive("RCPT TO:<anna@example.org>\r\n") > 0);
  CHECK_FALSE(std::get<AskRecipient>(it.session.ask()).declared_size.has_value());
}

TEST_CASE("a client that never reads makes bounded output", "[smtp]") {
  SmtpConversation it;
  std::string flood;
  for (int i = 0; i < 100000; ++i) flood += "NOOP\r\n";
  const std::size_t consumed = it.session.receive(flood);
  CHECK(consumed < flood.size());
  REQUIRE(it.session.wants() == Wants::kDrain);
  const std::string output = it.session.take_output();
  CHECK(output.size() >= kOutputChunk);
  CHECK(output.size() < kOutputChunk + 100);
  it.session.drained();
  CHECK(it.session.wants() == Wants::kInput);
  CHECK(it.session.receive(std::string_view(flood).substr(consumed)) > 0);
}

TEST_CASE("a large message never stands in memory as a whole", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  const std::string message = lines(10 << 20);
  it.say(message);
  it.say(".\r\n");
  REQUIRE(it.world.stored.size() == 1);
  CHECK(it.world.stored[0].content.ends_with(message));
  CHECK(it.world.largest_piece <= kSpoolChunk + 2);
  CHECK(it.world.asked["spool"] == 160);
}

TEST_CASE("a drip of bytes in DATA is no progress, 64 KiB are", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  const std::uint64_t before = it.session.progress();
  for (int i = 0; i < 1000; ++i) it.say("a\r\n");
  CHECK(it.session.progress() == before);
  it.say(lines(70000));
  CHECK(it.session.progress() > before);
}

TEST_CASE("a drip of bytes in a command is no progress, a command is", "[smtp]") {
  SmtpConversation it;
  const std::uint64_t before = it.session.progress();
  for (int i = 0; i < 5000; ++i) it.say("x");
  CHECK(it.session.progress() <= before + 1);  // the line that grew too long was answered
  const std::uint64_t after = it.session.progress();
  for (int i = 0; i < 5000; ++i) it.say("x");
  CHECK(it.session.progress() == after);
  it.say("\r\nNOOP\r\n");
  CHECK(it.session.progress() > after);
}

TEST_CASE("patience is short before EHLO and RFC 5321's after", "[smtp]") {
  SmtpConversation it;
  CHECK(it.session.patience() == std::chrono::seconds(60));
  it.say("EHLO client.example\r\n");
  CHECK(it.session.patience() == std::chrono::minutes(5));
}

TEST_CASE("refusals are kept for the log, without secrets", "[smtp]") {
  SmtpOptions options;
  options.service = SmtpService::kSubmission;
  SmtpConversation it(options);
  it.say("EHLO a\r\nAUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAd3Jvbmc=\r\n");  // anna@example.org, "wrong"
  it.say("AUTH LOGIN\r\n*\r\nc2VjcmV0\r\n");                            // a password sent too late
  it.say("MAIL FROM:<x@y.example>\r\n");
  const auto refusals = it.session.take_refusals();
  REQUIRE(refusals.size() == 4);
  CHECK(refusals[0].command == "AUTH");
  CHECK(refusals[0].reply == "535 5.7.8 Authentication failed");
  CHECK(refusals[0].subject == "anna@example.org");
  CHECK(refusals[2].command.empty());
  CHECK(refusals[3].command == "MAIL");
  CHECK(refusals[3].subject == "FROM:<x@y.example>");
  for (const auto& refusal : refusals) {
    const std::string all = refusal.command + refusal.reply + refusal.subject;
    CHECK(all.find("wrong") == std::string::npos);
    CHECK(all.find("d3Jvbmc") == std::string::npos);
    CHECK(all.find("c2VjcmV0") == std::string::npos);
  }
  CHECK(it.session.take_refusals().empty());
}

TEST_CASE("no more refusals are kept than the limit", "[smtp]") {
  SmtpOptions options;
  options.recipients = 1;
  SmtpConversation it(options);
  it.say(kToRcpt);
  for (std::size_t i = 0; i < 3 * kMaxRefusals; ++i) it.say("RCPT TO:<b@example.org>\r\n");
  CHECK(it.session.take_refusals().size() == kMaxRefusals);
}

TEST_CASE("a password is forgotten when it has been checked", "[smtp]") {
  SmtpOptions options;
  options.service = SmtpService::kSubmission;
  SmtpConversation it(options);
  CHECK(it.session.helo().empty());
  it.say("EHLO a.example\r\nAUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAc2VjcmV0\r\n");
  CHECK(it.session.user() == "anna@example.org");
  CHECK(it.session.helo() == "a.example");
}

TEST_CASE("the Delivered-To addresses of a message go with it", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  it.say("Delivered-To: Carl@example.org\r\nDelivered-To: dora@example.org\r\n\r\n.\r\n");
  REQUIRE(it.world.stored.size() == 1);
  CHECK(it.world.stored[0].delivered_to == std::vector<std::string>{"carl@example.org", "dora@example.org"});
}

TEST_CASE("a shutdown waits for the commit and then says 421", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  CHECK(it.session.receive("Hi\r\n.\r\nNOOP\r\n") == 7);
  REQUIRE(it.session.wants() == Wants::kAnswer);
  it.session.shut_down();
  REQUIRE(it.session.wants() == Wants::kAnswer);
  CHECK_FALSE(it.session.has_output());
  it.session.answer_commit(CommitVerdict::kKept);
  CHECK(it.session.take_output() == "250 2.0.0 OK id=id1\r\n421 4.3.2 mx.example.org shutting down\r\n");
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a second shutdown does not wait for the end of a message", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  it.say("Subject: Hi\r\n");
  it.session.shut_down();
  CHECK_FALSE(it.session.has_output());
  REQUIRE(it.session.wants() == Wants::kInput);
  it.session.shut_down();
  CHECK(it.session.take_output() == "421 4.3.2 mx.example.org shutting down\r\n");
  CHECK(it.session.wants() == Wants::kClose);
  CHECK(it.world.asked["commit"] == 0);
  CHECK(it.world.stored.empty());
}

TEST_CASE("who lost the mailbox is told so, after the message under way", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  it.session.expel();
  REQUIRE(it.session.wants() == Wants::kInput);
  CHECK(it.say("Subject: Hi\r\n.\r\n") ==
        "250 2.0.0 OK id=id1\r\n421 4.7.0 The login is no longer valid\r\n");
  CHECK(it.session.wants() == Wants::kClose);
  CHECK(it.world.stored.size() == 1);
}

TEST_CASE("who lost the mailbox and has nothing under way is told at once", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.session.expel();
  CHECK(it.session.take_output() == "421 4.7.0 The login is no longer valid\r\n");
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a server that stops does not wait for the message of who lost the mailbox", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  it.session.expel();
  it.session.shut_down();
  CHECK(it.session.take_output() == "421 4.7.0 The login is no longer valid\r\n");
  CHECK(it.session.wants() == Wants::kClose);
  CHECK(it.world.asked["commit"] == 0);
}

TEST_CASE("a shutdown before 354 takes no message any more", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.session.receive("DATA\r\n");
  REQUIRE(std::holds_alternative<AskBegin>(it.session.ask()));
  it.session.shut_down();
  it.session.answer_begin("id", "date");
  CHECK(it.session.take_output() == "421 4.3.2 mx.example.org shutting down\r\n");
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a shutdown during the handshake says nothing in the clear", "[smtp]") {
  SmtpOptions options;
  options.starttls_available = true;
  SmtpConversation it(options);
  it.say("EHLO a\r\nSTARTTLS\r\n");
  REQUIRE(it.session.wants() == Wants::kTls);
  it.session.shut_down();
  CHECK_FALSE(it.session.has_output());
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("an answer that comes after the time-out is ignored", "[smtp]") {
  SmtpConversation it;
  it.say(kToRcpt);
  it.say("DATA\r\n");
  it.session.receive("Hi\r\n.\r\n");
  REQUIRE(it.session.wants() == Wants::kAnswer);
  it.session.timed_out();
  CHECK(it.session.take_output() == "421 4.4.2 mx.example.org timed out, closing connection\r\n");
  it.session.answer_commit(CommitVerdict::kKept);
  CHECK_FALSE(it.session.has_output());
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("nothing behind STARTTLS is consumed before the handshake", "[smtp]") {
  SmtpOptions options;
  options.starttls_available = true;
  SmtpConversation it(options);
  it.say("EHLO a\r\n");
  CHECK(it.session.receive("STARTTLS\r\n") == 10);
  CHECK(it.session.wants() == Wants::kTls);
  CHECK(it.session.patience() == std::chrono::seconds(30));
}

TEST_CASE("chunks have to come on like any message, however small they are", "[smtp]") {
  SmtpOptions options;
  options.data_rate = 4096;
  SmtpConversation it(std::move(options));
  it.say("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\n");
  CHECK(it.session.patience() == std::chrono::minutes(5));
  it.say("BDAT 1\r\na");
  CHECK(it.session.patience() == std::chrono::seconds(16));
  const std::uint64_t progress = it.session.progress();
  for (int i = 0; i < 1000; ++i) it.say("BDAT 1\r\na");
  it.say("NOOP\r\n");
  CHECK(it.session.progress() == progress);
  it.say("BDAT 65536\r\n" + std::string(65536, 'a'));
  CHECK(it.session.progress() > progress);
  CHECK(it.say("BDAT 0 LAST\r\n").ends_with("250 2.0.0 OK id=id1\r\n"));
  CHECK(it.session.patience() == std::chrono::minutes(5));
}

TEST_CASE("a hello that a policy refuses changes nothing", "[smtp]") {
  SmtpOptions options;
  options.judged.add(PolicyStage::kHello);
  SmtpConversation it(std::move(options));
  it.say("EHLO a\r\n");
  it.world.policies[PolicyStage::kHello] = {PolicyVerdict::Action::kRefuse, "No"};
  CHECK(it.say("HELO b\r\n") == "550 5.7.1 No\r\n");
  CHECK(it.say("MAIL FROM:<> SIZE=1\r\n") == "250 2.1.0 OK\r\n");
  CHECK(it.session.helo() == "a");
}

}  // namespace mailstead::test
