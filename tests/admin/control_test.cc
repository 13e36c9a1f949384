#include "admin/control.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "tests/admin/folder.h"
#include "tests/admin/stub_server.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin_test;

TEST_CASE("requests come back as they were, whatever bytes they hold", "[control]") {
  std::string every;
  for (int octet = 0; octet < 256; ++octet) every += static_cast<char>(octet);
  const Request request{
      "mailbox add", {"anna@example.org", every, "", "Zürich", "\xff"}, {"keep-mail", every}, every};
  const std::string line = encode_request(request);
  CHECK(line.find('\n') == line.size() - 1);
  const Result<Request> back = decode_request(line);
  REQUIRE(back);
  CHECK(back->command == request.command);
  CHECK(back->arguments == request.arguments);
  CHECK(back->flags == request.flags);
  CHECK(back->secret == request.secret);
}

TEST_CASE("reports come back as they were", "[control]") {
  const Report report{1, "a\nb\xff", R"({"a": [1]})", "no \"luck\""};
  const Result<Report> back = decode_report(encode_report(report));
  REQUIRE(back);
  CHECK(back->exit_code == 1);
  CHECK(back->text == report.text);
  CHECK(back->json == report.json);
  CHECK(back->error == report.error);
}

TEST_CASE("what an import hands over travels with its request", "[control]") {
  Request request{"import batch", {"anna@example.org", "maildir"}, {}, ""};
  CHECK(encode_request(request).find("content") == std::string::npos);
  request.content = R"([{"item": "a\"b"}])";
  CHECK(decode_request(encode_request(request))->content == request.content);
}

TEST_CASE("where a report goes on travels with report and request, and not when there is nothing",
          "[control]") {
  Request request{"queue list", {}, {}, ""};
  CHECK(encode_request(request).find("after") == std::string::npos);
  request.after = "17 500";
  CHECK(decode_request(encode_request(request))->after == "17 500");
  Report report{0, "a\n", "[]", ""};
  CHECK(encode_report(report).find("next") == std::string::npos);
  report.next = "17 500";
  CHECK(decode_report(encode_report(report))->next == "17 500");
}

TEST_CASE("garbage is no request", "[control]") {
  for (const std::string& line : {std::string(),
                                  std::string("\n"),
                                  std::string("x"),
                                  std::string("{"),
                                  std::string("[]"),
                                  std::string("null"),
                                  std::string("{}"),
                                  std::string(R"({"command": 5})"),
                                  std::string(R"({"command": ""})"),
                                  std::string(R"({"command": null})"),
                                  std::string(R"({"command": "status", "arguments": "x"})"),
                                  std::string(R"({"command": "status", "arguments": [1]})"),
                                  std::string(R"({"command": "status", "arguments": [["x"]]})"),
                                  std::string(R"({"command": "status", "flags": {}})"),
                                  std::string(R"({"command": "status", "sudo": true})"),
                                  std::string(R"({"command": {"hex": "0"}})"),
                                  std::string(R"({"command": {"hex": "0g"}})"),
                                  std::string(R"({"command": {"hex": 5}})"),
                                  std::string(R"({"command": {"hex": "00", "x": "00"}})"),
                                  std::string(R"({"command": "status"} {})"),
                                  std::string("{\"command\": \"st\xff\"}"),
                                  std::string("\0\0\0", 3),
                                  std::string(100000, '['),
                                  std::string(100000, '{')}) {
    INFO(line.substr(0, 80));
    const Result<Request> request = decode_request(line);
    REQUIRE_FALSE(request);
    CHECK(request.error().kind == ErrorKind::kInvalid);
  }
  const Request large{"status", {std::string(kMaxControlRequest, 'a')}, {}, ""};
  CHECK_FALSE(decode_request(encode_request(large)));
}

TEST_CASE("garbage is no report", "[control]") {
  for (const char* line : {"", "{}", "[]", R"({"exit_code": "0"})", R"({"exit_code": 1.5})",
                           R"({"exit_code": -1})", R"({"exit_code": 256})", R"({"exit_code": 0, "text": []})",
                           R"({"exit_code": 99999999999999999999})"}) {
    INFO(line);
    CHECK_FALSE(decode_report(line));
  }
  CHECK(decode_report(R"({"exit_code": 0, "text": "x", "news": 1})"));
}

TEST_CASE("a server's report reaches the caller", "[control]") {
  const Folder folder;
  const std::string text(3u << 20, 'x');
  StubServer server(folder.path(), [&text](const std::string& line) {
    return encode_report({0, decode_request(line)->arguments.at(0) + text, "1", ""});
  });
  const Result<Report> report = call_server(folder.path(), {"mailbox show", {"a@b"}, {}, ""});
  REQUIRE(report);
  CHECK(report->text == "a@b" + text);
}

TEST_CASE("a socket below a very long path is reached", "[control]") {
  const Folder folder;
  const std::string data = folder / (std::string(120, 'd') + "/" + std::string(120, 'e'));
  std::filesystem::create_directories(data);
  StubServer server(data, [](const std::string&) { return encode_report({0, "here", "1", ""}); });
  const Result<Report> report = call_server(data, {"status", {}, {}, ""});
  REQUIRE(report);
  CHECK(report->text == "here");
  CHECK(call_server(folder / std::string(200, 'f'), {"status", {}, {}, ""}).error().kind ==
        ErrorKind::kNotFound);
}

TEST_CASE("no socket, and the socket of a dead server, mean that none runs", "[control]") {
  const Folder folder;
  CHECK(call_server(folder.path(), {"status", {}, {}, ""}).error().kind == ErrorKind::kNotFound);
  CHECK(call_server(folder / "none", {"status", {}, {}, ""}).error().kind == ErrorKind::kNotFound);
  {
    StubServer dead(folder.path(), [](const std::string&) { return std::string(); });
  }
  REQUIRE(std::filesystem::exists(control_socket_path(folder.path())));
  CHECK(call_server(folder.path(), {"status", {}, {}, ""}).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a server that hangs up or talks nonsense is an error, not the end", "[control]") {
  const Folder folder;
  std::string answer;
  StubServer server(folder.path(), [&answer](const std::string&) { return answer; });
  for (const char* text : {"", "{\"exit_code\": 0"}) {
    answer = text;
    CHECK(call_server(folder.path(), {"status", {}, {}, ""}).error().kind == ErrorKind::kIo);
  }
  answer = "nonsense\n";
  CHECK(call_server(folder.path(), {"status", {}, {}, ""}).error().kind == ErrorKind::kInvalid);
}

TEST_CASE("a server that hangs up while a large request is sent does not kill the caller", "[control]") {
  const Folder folder;
  StubServer server(folder.path(), nullptr);
  const Request large{"status", {std::string(8u << 20, 'a')}, {}, ""};
  CHECK(call_server(folder.path(), large).error().kind == ErrorKind::kIo);
}
