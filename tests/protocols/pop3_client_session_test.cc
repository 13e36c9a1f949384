#include "protocols/pop3/pop3_client_session.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "protocols/base64.h"
#include "tests/catch.h"

namespace mailstead::test {
namespace {

using Session = Pop3ClientSession;
using FailureKind = Pop3ClientFailure::Kind;

struct Fetched : Pop3ClientSink {
  std::map<std::uint32_t, std::string> content;
  std::vector<std::uint32_t> ended;
  std::vector<std::string> refused;

  void message_content(std::uint32_t number, std::string_view bytes) override { content[number] += bytes; }
  void message_ends(std::uint32_t number) override { ended.push_back(number); }
  void message_refused(std::uint32_t number, const std::string& words) override {
    refused.push_back(fmt::format("{}: {}", number, words));
  }
};

// What the server says to each thing that the client says: a line of it at a time.
using Script = std::vector<std::pair<std::string, std::string>>;

// A dialogue, the server's bytes in pieces of this size; 0: whole.
class Dialogue {
 public:
  Dialogue(Pop3ClientOptions options, std::size_t piece) : session(std::move(options), sink), piece_(piece) {}

  void hear(std::string_view bytes) {
    if (piece_ == 0) return session.receive(bytes);
    while (!bytes.empty()) {
      session.receive(bytes.substr(0, piece_));
      bytes.remove_prefix(std::min(piece_, bytes.size()));
    }
  }

  void play(const Script& script) {
    for (const auto& [said, answer] : script) {
      INFO("expected: " << said);
      CHECK(session.take_output() == said);
      hear(answer);
      if (session.wants() == Session::Wants::kTls) session.tls_established();
    }
  }

  Fetched sink;
  Session session;

 private:
  std::size_t piece_;
};

Pop3ClientOptions options(Pop3ClientOptions::Tls tls = Pop3ClientOptions::Tls::kImplicit) {
  return {"anna", "secret", tls, false, ""};
}

const std::string kCapa = "+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n";

Script login() {
  return {{"", "+OK ready\r\n"},
          {"CAPA\r\n", kCapa},
          {"USER anna\r\n", "+OK\r\n"},
          {"PASS secret\r\n", "+OK in\r\n"},
          {"CAPA\r\n", kCapa},
          {"UIDL\r\n", "+OK\r\n1 first\r\n3 third!\r\n.\r\n"},
          {"LIST\r\n", "+OK\r\n1 120\r\n2 7\r\n3 4294967296\r\n.\r\n"}};
}

constexpr std::size_t kPieces[] = {0, 1, 2, 3, 7};

}  // namespace

TEST_CASE("a mailbox is fetched, however the packets are cut", "[pop3-client]") {
  for (const std::size_t piece : kPieces) {
    INFO("pieces of " << piece);
    Dialogue it(options(), piece);
    it.play(login());
    REQUIRE(it.session.wants() == Session::Wants::kWork);
    REQUIRE(it.session.messages().size() == 2);
    CHECK(it.session.messages()[0].uidl == "first");
    CHECK(it.session.messages()[0].size == 120);
    CHECK(it.session.messages()[1].number == 3);
    CHECK(it.session.messages()[1].size == 4'294'967'296);
    CHECK(it.session.pipelines());
    it.session.retrieve(1);
    it.session.retrieve(3);
    it.session.remove(1);
    CHECK(it.session.take_output() == "RETR 1\r\nRETR 3\r\nDELE 1\r\n");
    it.hear("+OK 120 octets\r\nA: b\r\n\r\n..dot\r\n...\r\nlone\n.\nlf\r\n.\r\n");
    CHECK(it.session.wants() == Session::Wants::kInput);
    it.hear("-ERR gone\r\n+OK deleted\r\n");
    CHECK(it.session.wants() == Session::Wants::kWork);
    CHECK(it.sink.content[1] == "A: b\r\n\r\n.dot\r\n..\r\nlone\n.\nlf\r\n");
    CHECK(it.sink.ended == std::vector<std::uint32_t>{1});
    CHECK(it.sink.refused == std::vector<std::string>{"3: gone"});
    it.session.quit();
    CHECK(it.session.take_output() == "QUIT\r\n");
    it.hear("+OK bye\r\n");
    CHECK(it.session.wants() == Session::Wants::kEnd);
    CHECK_FALSE(it.session.failure().has_value());
    CHECK(it.session.has_quit());
  }
}

TEST_CASE("without PIPELINING one command waits for the other", "[pop3-client]") {
  Dialogue it(options(), 0);
  it.play({{"", "+OK\r\n"},
           {"CAPA\r\n", "-ERR what?\r\n"},
           {"USER anna\r\n", "+OK\r\n"},
           {"PASS secret\r\n", "+OK\r\n"},
           {"UIDL\r\n", "+OK\r\n1 a\r\n.\r\n"},
           {"LIST\r\n", "-ERR not now\r\n"}});
  REQUIRE(it.session.wants() == Session::Wants::kWork);
  CHECK(it.session.has_room());
  it.session.retrieve(1);
  CHECK_FALSE(it.session.has_room());
  it.hear("+OK\r\n.\r\n");
  CHECK(it.session.has_room());
  CHECK(it.sink.content[1].empty());
  CHECK(it.sink.ended.size() == 1);
}

TEST_CASE("STLS comes before the password, and what was said before it is forgotten", "[pop3-client]") {
  const Script script = {
      {"", "+OK\r\n"},
      {"CAPA\r\n", "+OK\r\nSTLS\r\nSASL SCRAM-SHA-256 PLAIN\r\n.\r\n"},
      {"STLS\r\n", "+OK go\r\n"},
      {"CAPA\r\n", "+OK\r\nSASL PLAIN LOGIN\r\n.\r\n"},
      {"AUTH PLAIN " + base64::encode(std::string_view("\0anna\0secret", 12)) + "\r\n", "+OK\r\n"},
      {"CAPA\r\n", kCapa}};
  for (const std::size_t piece : kPieces) {
    Dialogue it(options(Pop3ClientOptions::Tls::kStls), piece);
    it.play(script);
    CHECK(it.session.take_output() == "UIDL\r\n");
  }
  // Somebody in the middle puts an answer behind the one to STLS.
  Dialogue it(options(Pop3ClientOptions::Tls::kStls), 0);
  it.play({{"", "+OK\r\n"},
           {"CAPA\r\n", "+OK\r\nSTLS\r\n.\r\n"},
           {"STLS\r\n", "+OK go\r\n+OK\r\nUSER\r\n.\r\n"}});
  CHECK(it.session.wants() == Session::Wants::kEnd);
  REQUIRE(it.session.failure().has_value());
  CHECK(it.session.failure()->kind == FailureKind::kProtocol);
  // The server does not offer it, or takes it back: the password is not said.
  for (const std::string& capa : {std::string("+OK\r\nUSER\r\n.\r\n"), std::string("-ERR\r\n")}) {
    Dialogue without(options(Pop3ClientOptions::Tls::kStls), 0);
    without.play({{"", "+OK\r\n"}, {"CAPA\r\n", capa}});
    if (without.session.wants() == Session::Wants::kInput) without.play({{"STLS\r\n", "-ERR no\r\n"}});
    CHECK(without.session.wants() == Session::Wants::kEnd);
    CHECK(without.session.take_output().empty());
    CHECK(without.session.failure()->kind == FailureKind::kCannot);
  }
}

TEST_CASE("APOP says a digest of the greeting's timestamp (RFC 1939 7)", "[pop3-client]") {
  Pop3ClientOptions with = options(Pop3ClientOptions::Tls::kNone);
  with.user = "mrose";
  with.password = "tanstaaf";
  with.use_apop = true;
  Dialogue it(with, 0);
  it.play({{"", "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"},
           {"CAPA\r\n", kCapa},
           {"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n", "+OK\r\n"}});
  CHECK(it.session.take_output() == "CAPA\r\n");
  Dialogue old(with, 0);
  old.play({{"", "+OK no stamp <x>\r\n"}, {"CAPA\r\n", kCapa}});
  CHECK(old.session.failure()->kind == FailureKind::kCannot);
}

TEST_CASE("a login that is refused says why, and one by SCRAM that fails is tried by another way",
          "[pop3-client]") {
  Dialogue it(options(), 0);
  it.play({{"", "+OK\r\n"},
           {"CAPA\r\n", kCapa},
           {"USER anna\r\n", "+OK\r\n"},
           {"PASS secret\r\n", "-ERR [AUTH] no \x1b[31m such\r\n"}});
  REQUIRE(it.session.failure().has_value());
  CHECK(it.session.failure()->kind == FailureKind::kRefused);
  CHECK(it.session.failure()->words.find("[AUTH] no") != std::string::npos);
  CHECK(it.session.failure()->words.find('\x1b') == std::string::npos);

  Pop3ClientOptions with = options();
  with.nonce = "abcdefgh";
  Dialogue scram(with, 0);
  scram.hear("+OK\r\n");
  scram.play({{"CAPA\r\n", "+OK\r\nSASL SCRAM-SHA-256 PLAIN\r\n.\r\n"}});
  CHECK(scram.session.take_output().starts_with("AUTH SCRAM-SHA-256 "));
  scram.hear("-ERR [AUTH] no keys\r\n");
  CHECK(scram.session.take_output().starts_with("AUTH PLAIN "));
  scram.hear("-ERR [AUTH] no\r\n");
  CHECK(scram.session.failure()->kind == FailureKind::kRefused);
  // A password that would end its line says two commands.
  Pop3ClientOptions evil = options();
  evil.password = "x\r\nDELE 1";
  Dialogue two(evil, 0);
  two.play({{"", "+OK\r\n"}, {"CAPA\r\n", kCapa}});
  CHECK(two.session.failure()->kind == FailureKind::kRefused);
}

TEST_CASE("UIDLs that are none are told as none, and a list out of order ends the session", "[pop3-client]") {
  const auto listed = [](const std::string& lines) {
    Dialogue it(options(), 0);
    Script script = login();
    script.resize(5);
    it.play(script);
    CHECK(it.session.take_output() == "UIDL\r\n");
    it.hear("+OK\r\n" + lines + ".\r\n");
    if (it.session.wants() == Session::Wants::kInput) {
      static_cast<void>(it.session.take_output());
      it.hear("+OK\r\n.\r\n");
    }
    std::string all;
    for (const Pop3Listed& each : it.session.messages()) all += fmt::format("{}={};", each.number, each.uidl);
    return it.session.failure() ? std::string("failed") : all;
  };
  CHECK(listed("") == "");
  CHECK(listed("1 " + std::string(70, 'u') + "\r\n") == "1=" + std::string(70, 'u') + ";");
  CHECK(listed("1 " + std::string(71, 'u') + "\r\n2 a b\r\n3 \xc3\xa9\r\n4\r\n5  x\r\n6 good\r\n") ==
        "1=;2=;3=;4=;5=;6=good;");
  CHECK(listed("1 a\r\n2 a\r\n") == "1=a;2=a;");
  CHECK(listed("2 a\r\n1 b\r\n") == "failed");
  CHECK(listed("1 a\r\n1 b\r\n") == "failed");
  CHECK(listed("0 a\r\n") == "failed");
  CHECK(listed("-1 a\r\n") == "failed");
  CHECK(listed("99999999999999999999 a\r\n") == "failed");
  CHECK(listed("no number\r\n") == "failed");
  CHECK(listed("..1 a\r\n") == "failed");
}

TEST_CASE("a server that does not speak POP3, or never ends, is left", "[pop3-client]") {
  const auto failure_after = [](const std::string& bytes) {
    Dialogue it(options(), 0);
    it.hear(bytes);
    REQUIRE(it.session.failure().has_value());
    CHECK(it.session.wants() == Session::Wants::kEnd);
    return it.session.failure()->kind;
  };
  CHECK(failure_after("220 mail ESMTP\r\n") == FailureKind::kProtocol);
  CHECK(failure_after("* OK IMAP4rev1\r\n") == FailureKind::kProtocol);
  CHECK(failure_after("+OK\n") == FailureKind::kProtocol);
  CHECK(failure_after(std::string("+OK\0\r\n", 6)) == FailureKind::kProtocol);
  CHECK(failure_after("-ERR try later\r\n") == FailureKind::kRefused);
  CHECK(failure_after(std::string(1 << 20, 'x')) == FailureKind::kLimit);
  Dialogue it(options(), 0);
  it.play(login());
  it.hear("+OK you have mail\r\n");
  CHECK(it.session.failure()->kind == FailureKind::kProtocol);
  Dialogue lost(options(), 0);
  lost.session.lost("reset");
  CHECK(lost.session.failure()->kind == FailureKind::kLost);
}

}  // namespace mailstead::test
