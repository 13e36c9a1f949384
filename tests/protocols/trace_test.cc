#include "protocols/smtp/trace.h"

#include <sstream>

#include "tests/catch.h"

namespace mailstead {
namespace {

ReceivedTrace example() {
  ReceivedTrace trace;
  trace.helo = "client.example";
  trace.peer.address = "192.0.2.1";
  trace.host = "mx.example.org";
  trace.id = "0123456789abcde";
  trace.date = "Sat, 1 Jan 2000 00:00:00 +0000";
  return trace;
}

// Without the folds.
std::string unfolded(std::string line) {
  for (std::size_t fold = line.find("\r\n\t"); fold != std::string::npos; fold = line.find("\r\n\t")) {
    line.replace(fold, 3, " ");
  }
  return line;
}

}  // namespace

TEST_CASE("a Received line tells who, by whom, how, its id and when", "[trace]") {
  CHECK(unfolded(received_line(example())) ==
        "Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTP id 0123456789abcde; "
        "Sat, 1 Jan 2000 00:00:00 +0000\r\n");
  ReceivedTrace trace = example();
  trace.peer.tls = true;
  trace.peer.tls_version = "TLSv1.3";
  trace.peer.tls_cipher = "TLS_AES_128_GCM_SHA256";
  trace.peer.tls_group = "x25519";
  trace.recipient = Address{"a b", "example.org"};
  trace.peer.address = "2001:db8::1";
  CHECK(unfolded(received_line(trace)) ==
        "Received: from client.example ([IPv6:2001:db8::1]) by mx.example.org with ESMTPS "
        "(TLSv1.3) id 0123456789abcde for <\"a b\"@example.org> tls TLS_AES_128_GCM_SHA256 group x25519; "
        "Sat, 1 Jan 2000 00:00:00 +0000\r\n");
  trace.greeting = Greeting::kHelo;
  CHECK(unfolded(received_line(trace)).find("with SMTP ") != std::string::npos);
}

TEST_CASE("a user's network address stays out of the Received line", "[trace]") {
  ReceivedTrace trace = example();
  trace.authenticated = true;
  CHECK(received_line(trace).find("192.0.2.1") == std::string::npos);
  CHECK(unfolded(received_line(trace)).find("with ESMTPA ") != std::string::npos);
  trace.peer.tls = true;
  CHECK(unfolded(received_line(trace)).find("with ESMTPSA ") != std::string::npos);
}

TEST_CASE("trace lines are folded before column 78", "[trace]") {
  ReceivedTrace trace = example();
  for (std::size_t length = 1; length < 200; ++length) {
    trace.helo = std::string(length, 'h');
    trace.recipient = Address{std::string(length % 60 + 1, 'r'), "example.org"};
    std::istringstream lines(received_line(trace));
    bool first = true;
    for (std::string line; std::getline(lines, line);) {
      REQUIRE(line.ends_with('\r'));
      line.pop_back();
      if (!first) CHECK(line.starts_with('\t'));
      // A line that is longer is one word that cannot be folded.
      if (line.size() > 78) CHECK(line.find("hhhh") != std::string::npos);
      first = false;
    }
  }
}

TEST_CASE("what a client calls itself is one harmless word", "[trace]") {
  const auto word = [](std::string helo) {
    ReceivedTrace trace = example();
    trace.helo = std::move(helo);
    const std::string line = received_line(trace);
    const std::size_t begin = std::string("Received: from ").size();
    return line.substr(begin, line.find_first_of(" \r", begin) - begin);
  };
  CHECK(word("a.example") == "a.example");
  CHECK(word("[192.0.2.7]") == "[192.0.2.7]");
  CHECK(word("[IPv6:2001:db8::7]") == "[IPv6:2001:db8::7]");
  CHECK(word("a\r\nX: y") == "a??X??y");
  CHECK(word("(a)") == "?a?");
  CHECK(word("\"a\";<b>\\") == "?a???b??");
  CHECK(word(std::string("a\0b\x7f\xff", 5)) == "a?b??");
  CHECK(word("") == "?");
  CHECK(word(std::string(1000, 'a')) == std::string(255, 'a'));
}

TEST_CASE("Return-Path and Delivered-To quote what needs it", "[trace]") {
  CHECK(return_path_line(std::nullopt) == "Return-Path: <>\r\n");
  CHECK(return_path_line(Address{"a b", "x.example"}) == "Return-Path: <\"a b\"@x.example>\r\n");
  CHECK(delivered_to_line(Address{"anna", "example.org"}) == "Delivered-To: anna@example.org\r\n");
}

}  // namespace mailstead
