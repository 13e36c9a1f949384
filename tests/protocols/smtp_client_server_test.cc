// Our client talks to our server, in memory: what is sent is what is kept.
#include <string>

#include "tests/catch.h"
#include "tests/protocols/client_world.h"
#include "tests/protocols/world.h"

namespace mailstead::test {
namespace {

// The two of them, and the bytes between them, `packet` octets at a time.
class BothSides {
 public:
  BothSides(ClientWorld from, SmtpOptions server_options, SmtpClientOptions client_options,
            std::size_t packet)
      : from_(std::move(from)),
        server_(std::move(server_options), {}),
        client_(std::move(client_options), {}),
        packet_(packet) {}

  // As if the server did not have this extension.
  void withhold(const std::string& extension) { withheld_ = extension; }
  void add_mailbox(const std::string& address) { to_.add_mailbox(address, "secret"); }

  void run() {
    client_.start();
    to_client_ = start(server_, to_);
    while (step()) {
    }
  }

  const World& world() const { return to_; }
  const ClientWorld& sender() const { return from_; }
  const SmtpClientSession& client() const { return client_; }

 private:
  bool step() {
    if (client_.wants() == Wants::kAnswer) {
      from_.answer(client_);
    } else if (client_.wants() == Wants::kDrain) {
      to_server_ += client_.take_output();
      client_.drained();
    } else if (client_.wants() == Wants::kTls) {
      secure();
    } else if (client_.wants() == Wants::kInput && !to_client_.empty()) {
      to_client_.erase(0, client_.receive(std::string_view(to_client_).substr(0, packet_)));
    } else if (to_server_.empty() && !client_.has_output()) {
      return false;
    }
    to_server_ += client_.take_output();
    const std::size_t octets = std::min(packet_, to_server_.size());
    to_client_ += feed(server_, to_, std::string_view(to_server_).substr(0, octets));
    to_server_.erase(0, octets);
    if (const std::size_t at = to_client_.find("-" + withheld_ + "\r\n"); !withheld_.empty() && at < 1000)
      to_client_.replace(at + 1, 1, "X");
    return true;
  }

  void secure() {
    PeerFacts facts;
    facts.tls = true;
    REQUIRE(server_.wants() == Wants::kTls);
    server_.tls_established(facts);
    client_.tls_established(facts);
  }

  ClientWorld from_;
  World to_;
  SmtpSession server_;
  SmtpClientSession client_;
  std::size_t packet_;
  std::string withheld_;
  std::string to_server_;
  std::string to_client_;
};

OutgoingMessage outgoing(std::string content, std::size_t recipients) {
  OutgoingMessage message;
  message.transaction.envelope.reverse_path = Address{"bob", "remote.example"};
  for (std::size_t i = 0; i < recipients; ++i) {
    message.transaction.envelope.recipients.emplace_back(Address{"user" + std::to_string(i), "example.org"});
  }
  message.transaction.size = content.size();
  message.content = std::move(content);
  return message;
}

std::string stored_content(const StoredMessage& message) {
  std::size_t end = message.content.find("\r\n") + 2;
  while (end < message.content.size() && message.content[end] == '\t')
    end = message.content.find("\r\n", end) + 2;
  return message.content.substr(end);
}

std::string dotted_lines(std::size_t octets) {
  std::string text = "Subject: dots\r\n\r\n";
  for (std::size_t i = 0; text.size() < octets; ++i) {
    text += std::string(i % 7, '.') + std::string(i % 5, 'x') + std::string(i % 3, '.') + "\r\n";
  }
  text.resize(octets);
  // No lone CR at the end.
  while (!text.ends_with("\r\n")) text.pop_back();
  return text;
}

SmtpOptions server_options() {
  SmtpOptions options;
  options.hostname = "mx.example.org";
  return options;
}

SmtpClientOptions client_options() {
  SmtpClientOptions options;
  options.hostname = "client.example.org";
  return options;
}

}  // namespace

TEST_CASE("what our client sends is what our server keeps, octet by octet", "[smtp-client]") {
  const std::size_t piece = GENERATE(1u, 7u, 1000u, 64u * 1024u);
  const std::size_t packet = GENERATE(1u, 1448u, 1u << 20);
  const std::string withheld = GENERATE("", "CHUNKING", "PIPELINING");
  INFO("pieces of " << piece << " in packets of " << packet << " without " << withheld);
  ClientWorld from;
  from.piece = piece;
  for (const std::size_t octets : {20u, 21u, 100u, 1999u, 8000u}) {
    from.messages.push_back(outgoing(dotted_lines(octets), 3));
  }
  BothSides both(from, server_options(), client_options(), packet);
  both.withhold(withheld);
  for (const char* user : {"user0", "user2"}) both.add_mailbox(std::string(user) + "@example.org");
  both.run();
  CHECK(both.client().extensions().chunking == (withheld != "CHUNKING"));
  CHECK(both.client().extensions().pipelining == (withheld != "PIPELINING"));
  REQUIRE(both.world().stored.size() == 5);
  REQUIRE(both.sender().reports.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(stored_content(both.world().stored[i]) == from.messages[i].content);
    CHECK(both.world().stored[i].envelope.recipients.size() == 2);
    CHECK(both.sender().reports[i][0].verdict == RecipientOutcome::Verdict::kDelivered);
    CHECK(both.sender().reports[i][1].reply.line() == "550 5.1.1 No such mailbox");
  }
  CHECK(both.client().wants() == Wants::kClose);
  CHECK_FALSE(both.client().failure().has_value());
}

TEST_CASE("a large message to many recipients", "[smtp-client]") {
  ClientWorld from;
  from.messages.push_back(outgoing(dotted_lines(3 << 20), 500));
  SmtpOptions options = server_options();
  options.recipients = 300;
  BothSides both(from, options, client_options(), 16384);
  for (std::size_t i = 0; i < 500; ++i) both.add_mailbox("user" + std::to_string(i) + "@example.org");
  both.run();
  REQUIRE(both.world().stored.size() == 1);
  CHECK(stored_content(both.world().stored[0]) == from.messages[0].content);
  REQUIRE(both.sender().reports.size() == 1);
  const auto& outcomes = both.sender().reports[0];
  REQUIRE(outcomes.size() == 500);
  CHECK(outcomes[299].verdict == RecipientOutcome::Verdict::kDelivered);
  CHECK(outcomes[300].verdict == RecipientOutcome::Verdict::kNotTried);
}

TEST_CASE("by DATA over TLS to submission, with a login", "[smtp-client]") {
  ClientWorld from;
  from.piece = 3;
  from.messages.push_back(
      outgoing("From: anna@example.org\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\n..\r\n.\r\n", 1));
  from.messages[0].transaction.envelope.reverse_path = Address{"anna", "example.org"};
  SmtpOptions options = server_options();
  options.service = SmtpService::kSubmission;
  options.starttls_available = true;
  SmtpClientOptions ours = client_options();
  ours.tls = SmtpClientOptions::TlsUse::kRequired;
  ours.login = SmtpClientLogin{"anna@example.org", "secret", ""};
  BothSides both(from, options, ours, 100);
  both.withhold("CHUNKING");
  both.add_mailbox("anna@example.org");
  both.add_mailbox("user0@example.org");
  both.run();
  REQUIRE(both.world().stored.size() == 1);
  CHECK(stored_content(both.world().stored[0]) == from.messages[0].content);
  CHECK(both.client().peer().tls);
}

}  // namespace mailstead::test
