// What a dialogue cannot show: how much is kept, time, and ends and answers at awkward moments.
#include "protocols/smtp/smtp_client_session.h"

#include <algorithm>
#include <string>

#include "tests/catch.h"

namespace mailstead::test {
namespace {

using Verdict = RecipientOutcome::Verdict;

ClientTransaction transaction_for(std::size_t recipients) {
  ClientTransaction transaction;
  for (std::size_t i = 0; i < recipients; ++i) {
    transaction.envelope.recipients.emplace_back(Address{"user" + std::to_string(i), "example.net"});
  }
  transaction.size = 4;
  return transaction;
}

struct ClientConversation {
  explicit ClientConversation(const std::string& extensions = {}, SmtpClientOptions options = {})
      : session(std::move(options), {}) {
    session.start();
    session.receive("220 mx\r\n");
    session.receive("250-mx\r\n" + extensions + "250 HELP\r\n");
    session.take_output();
  }

  // Up to the first AskContent.
  void begin_message(std::size_t recipients = 1) {
    session.answer_transaction(transaction_for(recipients));
    for (std::size_t i = 0; i < recipients + 1; ++i) session.receive("250 OK\r\n");
    session.receive("354 go\r\n");
    session.take_output();
  }

  template <typename Ask>
  bool asks() {
    return session.wants() == Wants::kAnswer && std::holds_alternative<Ask>(session.ask());
  }

  SmtpClientSession session;
};

std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

}  // namespace

TEST_CASE("a group of commands is bounded, and goes on while it is answered", "[smtp-client]") {
  ClientConversation it("250-PIPELINING\r\n");
  it.session.answer_transaction(transaction_for(1000));
  std::size_t said = 0;
  std::size_t answered = 0;
  while (it.session.wants() == Wants::kInput) {
    const std::string output = it.session.take_output();
    said += count_lines(output);
    CHECK(output.size() < kCommandOctets + 2048);
    REQUIRE(said > answered);
    CHECK(said - answered <= kMaxUnanswered);
    it.session.receive(answered == 1001 ? "354 go\r\n" : "250 OK\r\n");
    ++answered;
  }
  CHECK(said == 1002);
  CHECK(answered == 1002);
  CHECK(it.asks<AskContent>());
}

TEST_CASE("a server that answers all in advance is not talked to any more", "[smtp-client]") {
  ClientConversation it("250-PIPELINING\r\n");
  it.session.answer_transaction(transaction_for(1000));
  std::string flood;
  for (int i = 0; i < 100000; ++i) flood += "250 OK\r\n";
  it.session.receive(flood);
  CHECK(it.session.output_size() < kCommandOctets + 2048);
  CHECK(it.asks<AskReport>());
  for (const RecipientOutcome& outcome : it.session.outcomes()) CHECK(outcome.verdict != Verdict::kDelivered);
  it.session.answer_report();
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a session never reads while content goes out, and makes one piece at a time", "[smtp-client]") {
  ClientConversation it;
  it.begin_message();
  const std::string piece(64 * 1024, '.');
  for (std::uint64_t i = 0; i < 10; ++i) {
    REQUIRE(it.asks<AskContent>());
    CHECK(std::get<AskContent>(it.session.ask()).offset == i * piece.size());
    it.session.answer_content(piece, ContentPart::kMore);
    REQUIRE(it.session.wants() == Wants::kDrain);
    CHECK(it.session.take_output().size() <= piece.size() + 1);
    const std::uint64_t before = it.session.progress();
    it.session.drained();
    CHECK(it.session.progress() > before);
  }
}

TEST_CASE("patience is that of RFC 5321 4.5.3.2", "[smtp-client]") {
  using namespace std::chrono_literals;
  SmtpClientSession session({}, {});
  session.start();
  CHECK(session.patience() == 5min);
  session.receive("220 mx\r\n");
  CHECK(session.patience() == 5min);
  session.receive("250 mx\r\n");
  session.answer_transaction(transaction_for(1));
  CHECK(session.patience() == 5min);
  session.receive("250 OK\r\n");
  CHECK(session.patience() == 5min);
  session.receive("250 OK\r\n");
  CHECK(session.patience() == 2min);
  session.receive("354 go\r\n");
  CHECK(session.patience() == 3min);
  session.take_output();
  session.answer_content("a\r\n", ContentPart::kLast);
  CHECK(session.patience() == 3min);
  session.take_output();
  session.drained();
  CHECK(session.patience() == 10min);
}

TEST_CASE("a drip of bytes is no progress, a reply is", "[smtp-client]") {
  ClientConversation it;
  it.session.answer_transaction(transaction_for(1));
  const std::uint64_t before = it.session.progress();
  for (const char c : std::string("250-a\r\n250-b\r\n250 c\r")) it.session.receive(std::string(1, c));
  CHECK(it.session.progress() == before);
  it.session.receive("\n");
  CHECK(it.session.progress() == before + 1);
}

TEST_CASE("answers that come too late are ignored", "[smtp-client]") {
  ClientConversation it;
  it.session.timed_out();
  CHECK(it.session.wants() == Wants::kClose);
  REQUIRE(it.session.failure().has_value());
  it.session.answer_transaction(transaction_for(1));
  CHECK(it.session.wants() == Wants::kClose);
  CHECK_FALSE(it.session.has_output());

  ClientConversation other;
  other.begin_message();
  other.session.disconnected();
  REQUIRE(other.asks<AskReport>());
  other.session.answer_content("a", ContentPart::kLast);
  other.session.answer_content_failed();
  other.session.answer_transaction(std::nullopt);
  REQUIRE(other.asks<AskReport>());
  CHECK(other.session.outcomes()[0].verdict == Verdict::kDeferred);
  CHECK_FALSE(other.session.outcomes()[0].may_be_delivered);
  other.session.answer_report();
  CHECK(other.session.wants() == Wants::kClose);
  CHECK_FALSE(other.session.failure().has_value());
}

TEST_CASE("an event between a report and its answer changes no outcome", "[smtp-client]") {
  for (int event = 0; event < 3; ++event) {
    ClientConversation it;
    it.session.answer_transaction(transaction_for(1));
    it.session.receive("550 no\r\n");
    REQUIRE(it.asks<AskReport>());
    if (event == 0) it.session.timed_out();
    if (event == 1) it.session.disconnected();
    if (event == 2) it.session.shut_down();
    REQUIRE(it.asks<AskReport>());
    CHECK(it.session.outcomes()[0].verdict == Verdict::kFailed);
    it.session.answer_report();
    CHECK(it.session.wants() == (event == 2 ? Wants::kInput : Wants::kClose));
  }
}

TEST_CASE("a shutdown while a transaction is asked for tries nobody", "[smtp-client]") {
  ClientConversation it;
  it.session.shut_down();
  it.session.answer_transaction(transaction_for(2));
  REQUIRE(it.asks<AskReport>());
  for (const RecipientOutcome& outcome : it.session.outcomes()) CHECK(outcome.verdict == Verdict::kNotTried);
  it.session.answer_report();
  CHECK(it.session.take_output() == "QUIT\r\n");
}

TEST_CASE("why a server closes in the middle of a message is heard", "[smtp-client]") {
  ClientConversation it;
  it.begin_message(2);
  it.session.answer_content("a\r\n", ContentPart::kMore);
  it.session.take_output();
  it.session.disconnected("552 5.3.4 too large\r\n");
  REQUIRE(it.asks<AskReport>());
  for (const RecipientOutcome& outcome : it.session.outcomes()) {
    CHECK(outcome.verdict == Verdict::kFailed);
    CHECK(outcome.reply.line() == "552 5.3.4 too large");
  }
  it.session.answer_report();
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("nothing that is said before the end of a message can be its acceptance", "[smtp-client]") {
  for (const bool is_written : {false, true}) {
    ClientConversation it;
    it.begin_message();
    it.session.answer_content("a\r\n", is_written ? ContentPart::kMore : ContentPart::kLast);
    if (is_written) it.session.take_output();
    it.session.disconnected("250 kept\r\n");
    REQUIRE(it.asks<AskReport>());
    CHECK(it.session.outcomes()[0].verdict == Verdict::kDeferred);
    CHECK_FALSE(it.session.outcomes()[0].may_be_delivered);
    CHECK(it.session.messages_sent() == 0);
  }
}

TEST_CASE("chunks that were answered before the connection was lost", "[smtp-client]") {
  ClientConversation it("250-PIPELINING\r\n250-CHUNKING\r\n");
  it.session.answer_transaction(transaction_for(1));
  it.session.receive("250 OK\r\n250 OK\r\n");
  it.session.take_output();
  it.session.answer_content("a\r\n", ContentPart::kMore);
  it.session.take_output();
  it.session.drained();
  REQUIRE(it.asks<AskContent>());
  it.session.disconnected("554 5.7.1 spam\r\n");
  REQUIRE(it.asks<AskReport>());
  CHECK(it.session.outcomes()[0].reply.line() == "554 5.7.1 spam");
  it.session.answer_report();
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("addresses that cannot be said are failures, and leave no trace on the wire", "[smtp-client]") {
  ClientConversation it("250-PIPELINING\r\n");
  ClientTransaction transaction = transaction_for(1);
  transaction.envelope.recipients.emplace_back(Address{"a\r\nDATA", "example.net"});
  transaction.envelope.recipients.emplace_back(Address{"a", "example.net>\r\nDATA"});
  it.session.answer_transaction(transaction);
  CHECK(it.session.take_output() == "MAIL FROM:<>\r\nRCPT TO:<user0@example.net>\r\nDATA\r\n");
  it.session.disconnected();
  CHECK(it.session.outcomes()[0].verdict == Verdict::kDeferred);
  CHECK(it.session.outcomes()[1].verdict == Verdict::kFailed);
  CHECK(it.session.outcomes()[2].reply.enhanced == "5.1.3");

  ClientConversation other;
  transaction.envelope.reverse_path = Address{"a", "b\r\nRSET"};
  other.session.answer_transaction(transaction);
  REQUIRE(other.asks<AskReport>());
  CHECK_FALSE(other.session.has_output());
  CHECK(other.session.outcomes()[0].reply.enhanced == "5.1.7");
}

TEST_CASE("a transaction for nobody is reported at once", "[smtp-client]") {
  ClientConversation it;
  it.session.answer_transaction(transaction_for(0));
  REQUIRE(it.asks<AskReport>());
  CHECK(it.session.outcomes().empty());
  CHECK_FALSE(it.session.has_output());
  it.session.answer_report();
  CHECK(it.asks<AskTransaction>());
}

TEST_CASE("implicit TLS without TLS sends nothing", "[smtp-client]") {
  SmtpClientOptions options;
  options.tls = SmtpClientOptions::TlsUse::kImplicit;
  ClientConversation it("250-STARTTLS\r\n", options);
  REQUIRE(it.session.failure().has_value());
  CHECK(it.session.failure()->stage == SmtpStage::kStartTls);
}

}  // namespace mailstead::test
