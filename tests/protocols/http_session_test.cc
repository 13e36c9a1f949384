// HTTP/1.1 as the server's pages speak it: whole, byte by byte, and split at every place.
#include "protocols/http_session.h"

#include <vector>

#include "tests/catch.h"

namespace mailstead {

namespace {

HttpOptions options() {
  HttpOptions options;
  options.body = 100;
  options.now = [] { return std::int64_t{784111777}; };
  return options;
}

struct Seen {
  std::vector<HttpRequest> requests;
  std::string output;
  bool closed = false;
};

std::string told(const HttpRequest& request) {
  return request.method + " " + request.path + "?" + request.query + " " + request.host + " " + request.body;
}

// As the pump does: what is not consumed is offered again with what comes next.
Seen play(HttpSession& session, const std::string& input, std::size_t first = std::string::npos,
          std::size_t step = std::string::npos) {
  Seen seen;
  std::string pending;
  std::size_t at = 0;
  std::size_t size = first;
  while (at < input.size() && session.wants() != Wants::kClose) {
    pending += input.substr(at, size);
    at += std::min(size, input.size() - at);
    size = step;
    while (true) {
      const std::size_t consumed = session.receive(pending);
      REQUIRE(consumed <= pending.size());
      pending.erase(0, consumed);
      if (session.wants() == Wants::kAnswer) {
        seen.requests.push_back(session.request());
        HttpReply reply;
        reply.body = told(session.request()) + "\n";
        session.answer(reply);
      } else if (consumed == 0) {
        break;
      }
      seen.output += session.take_output();
      if (session.wants() == Wants::kClose || pending.empty()) break;
    }
    seen.output += session.take_output();
  }
  seen.closed = session.wants() == Wants::kClose;
  return seen;
}

Seen play(const std::string& input) {
  HttpSession session(options());
  session.start();
  return play(session, input);
}

bool begins(const Seen& seen, const std::string& status) {
  INFO(seen.output);
  return seen.output.rfind("HTTP/1.1 " + status, 0) == 0;
}

const std::string kTwo =
    "GET /one?a=b HTTP/1.1\r\nHost: Mail.Example.org:8025\r\nX-Odd: 1\r\nx-odd: 2\r\n\r\n"
    "\r\nPOST /two HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: "
    "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    "GET http://other.example:80/three%20%41?x HTTP/1.1\r\nHost: mail\r\nConnection: close\r\n\r\nGET /four";

}  // namespace

TEST_CASE("requests follow each other on a connection, however they are split", "[http]") {
  HttpSession session(options());
  const Seen whole = play(session, kTwo);
  REQUIRE(whole.requests.size() == 3);
  CHECK(told(whole.requests[0]) == "GET /one?a=b mail.example.org ");
  CHECK(whole.requests[0].field("X-ODD") == "1");
  CHECK(whole.requests[0].field("none").empty());
  CHECK(told(whole.requests[1]) == "POST /two? [::1] abcde");
  CHECK(told(whole.requests[2]) == "GET /three A?x other.example ");
  CHECK(whole.closed);
  CHECK(begins(whole,
               "200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 31\r\n"
               "Content-Type: text/plain; charset=utf-8\r\n\r\nGET /one?a=b mail.example.org \n"));
  for (std::size_t split = 1; split < kTwo.size(); ++split) {
    HttpSession again(options());
    CHECK(play(again, kTwo, split).output == whole.output);
  }
  HttpSession slow(options());
  CHECK(play(slow, kTwo, 1, 1).output == whole.output);
}

TEST_CASE("the end of a chunked body may come octet by octet, with what is no trailer", "[http]") {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& end :
       std::vector<std::string>{"0\r\nabHost: a\r\n\r\n", "0\r\na", "0\r\n\r\n", "00000\r\nA: b\r\n\r\n"}) {
    HttpSession slow(options());
    const Seen by_octets = play(slow, head + end, 1, 1);
    CHECK(by_octets.requests.size() == play(head + end).requests.size());
  }
}

TEST_CASE("a reply to HEAD has no body, and the length that GET's would have", "[http]") {
  const Seen seen = play("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(begins(seen, "200 OK\r\n"));
  CHECK(seen.output.find("Content-Length: 11\r\n") != std::string::npos);
  CHECK(seen.output.find("HEAD /") == std::string::npos);
}

TEST_CASE("a request names one host", "[http]") {
  CHECK(begins(play("GET / HTTP/1.1\r\n\r\n"), "400 "));
  CHECK(begins(play("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "400 "));
  CHECK(begins(play("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "400 "));
  CHECK(begins(play("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), "400 "));
  CHECK(begins(play("GET / HTTP/1.1\r\nHost: <a>\r\n\r\n"), "400 "));
  const Seen old = play("GET / HTTP/1.0\r\n\r\n");
  CHECK(begins(old, "200 "));
  CHECK(old.closed);
}

TEST_CASE("what is no request is refused, and ends the connection", "[http]") {
  for (const auto& [request, status] : std::vector<std::pair<std::string, std::string>>{
           {"EHLO mail.example.org\r\n\r\n", "400 "},
           {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 "},
           {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", "400 "},
           {"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400 "},
           {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", "400 "},
           {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400 "},
           {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "400 "},
           {"GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n", "400 "},
           {"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", "505 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "413 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", "417 "},
           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400 "},
           {"GET /" + std::string(kMaxRequestHeader, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "431 "},
           {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(kMaxRequestHeader, 'a'), "431 "}}) {
    const Seen seen = play(request + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    INFO(request.substr(0, 100));
    CHECK(begins(seen, status));
    CHECK(seen.requests.empty());
    CHECK(seen.closed);
    CHECK(seen.output.find("Connection: close\r\n") != std::string::npos);
  }
}

TEST_CASE("who asks whether the body is wanted is told so", "[http]") {
  const Seen seen = play("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(seen.output == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(seen.requests.empty());
}

TEST_CASE("a connection has an end: in time, in number, and with the server", "[http]") {
  HttpSession idle(options());
  idle.timed_out();
  CHECK(idle.wants() == Wants::kClose);
  CHECK_FALSE(idle.has_output());

  HttpSession slow(options());
  CHECK(slow.receive("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n") > 0);
  const std::uint64_t before = slow.progress();
  CHECK(slow.receive("abc") == 3);
  CHECK(slow.progress() == before);  // a drip is none
  slow.timed_out();
  CHECK(slow.take_output().rfind("HTTP/1.1 408 ", 0) == 0);
  CHECK(slow.wants() == Wants::kClose);

  HttpSession stuck(options());
  stuck.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(stuck.wants() == Wants::kAnswer);
  stuck.timed_out();
  CHECK(stuck.take_output().rfind("HTTP/1.1 503 ", 0) == 0);
  stuck.answer({});  // nobody hears it
  CHECK_FALSE(stuck.has_output());

  HttpSession stopping(options());
  stopping.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  stopping.shut_down();
  REQUIRE(stopping.wants() == Wants::kAnswer);
  stopping.answer({});
  CHECK(stopping.take_output().find("Connection: close\r\n") != std::string::npos);
  CHECK(stopping.wants() == Wants::kClose);
  HttpSession waiting(options());
  waiting.shut_down();
  CHECK(waiting.wants() == Wants::kClose);

  HttpOptions few = options();
  few.requests = 2;
  HttpSession bounded(few);
  std::string many;
  for (int i = 0; i < 5; ++i) many += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const Seen seen = play(bounded, many);
  CHECK(seen.requests.size() == 2);
  CHECK(seen.closed);
}

TEST_CASE("forms are read as browsers send them", "[http]") {
  const HttpFields form = parse_form("a=1&b=x+y%26z&&c&d=%zz%4&a=2");
  CHECK(form_value(form, "a") == "1");
  CHECK(form_value(form, "b") == "x y&z");
  CHECK(form_value(form, "c") == "");
  CHECK(form_value(form, "d") == "%zz%4");
  CHECK(form_value(form, "e") == std::nullopt);
  CHECK(parse_form("").empty());
}

}  // namespace mailstead
