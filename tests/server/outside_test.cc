// The command line's network, with servers on loopback that a test writes.
#include "server/outside.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "protocols/sntp.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;

namespace {

using namespace std::chrono_literals;

const IpAddress kLoopback = parse_ip("127.0.0.1").value();

int bound_socket(int kind, std::uint16_t& port) {
  const int file = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(file, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t length = sizeof address;
  REQUIRE(::getsockname(file, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  port = ntohs(address.sin_port);
  return file;
}

// Says its greeting to one client, and a reply to each line; "" hangs up.
class ScriptedServer {
 public:
  ScriptedServer(std::string greeting, std::string reply)
      : greeting_(std::move(greeting)), reply_(std::move(reply)) {
    listener_ = bound_socket(SOCK_STREAM, port);
    REQUIRE(::listen(listener_, 1) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port = 0;
  // Good when go_outside() has returned and the server's end was seen.
  std::string heard() {
    while (!over_) std::this_thread::sleep_for(1ms);
    return heard_;
  }

 private:
  void serve() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) {
      say(client, greeting_);
      char bytes[1000];
      for (ssize_t got = 0; !greeting_.empty() && (got = ::recv(client, bytes, sizeof bytes, 0)) > 0;) {
        heard_.append(bytes, static_cast<std::size_t>(got));
        if (reply_.empty()) break;
        say(client, reply_);
      }
      ::close(client);
    }
    over_ = true;
  }
  static void say(int client, const std::string& text) {
    ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
  }

  const std::string greeting_;
  const std::string reply_;
  std::string heard_;
  std::atomic<bool> over_ = false;
  int listener_ = -1;
  std::thread thread_;
};

Heard talk(const Dialogue& dialogue, std::chrono::milliseconds limit = 20s) {
  Heard answer;
  answer.failure = "not told";
  go_outside({{}, limit, {}},
             [&](Outside& outside) { outside.talk(dialogue, [&](const Heard& heard) { answer = heard; }); });
  return answer;
}

Heard talk_to(const ScriptedServer& server, std::vector<std::string> commands,
              Dialogue::Kind kind = Dialogue::Kind::kSmtp) {
  return talk({kLoopback, server.port, kind, std::move(commands)});
}

}  // namespace

TEST_CASE("commands are said one after the other, and QUIT at the end", "[outside]") {
  ScriptedServer server("220-a\r\n220 b\r\n", "250 2.1.0 ok\r\n");
  const Heard heard = talk_to(server, {"EHLO x", "RSET"});
  CHECK(heard.failure.empty());
  CHECK(heard.replies == std::vector<std::string>{"220 a b", "250 2.1.0 ok", "250 2.1.0 ok"});
  CHECK(server.heard() == "EHLO x\r\nRSET\r\nQUIT\r\n");
}

TEST_CASE("who does not let us in is asked nothing, and told goodbye", "[outside]") {
  ScriptedServer server("554 5.7.1 go away\r\n", "221 bye\r\n");
  CHECK(talk_to(server, {"EHLO x"}).replies == std::vector<std::string>{"554 5.7.1 go away"});
  CHECK(server.heard() == "QUIT\r\n");
}

TEST_CASE("a server of POP3 greets in its own words", "[outside]") {
  ScriptedServer server("+OK ready\r\n", "+OK\r\n");
  CHECK(talk_to(server, {}, Dialogue::Kind::kPop3).replies == std::vector<std::string>{"+OK ready"});
  CHECK(server.heard() == "QUIT\r\n");
}

TEST_CASE("where it is only looked for a listener, nothing is said", "[outside]") {
  ScriptedServer server("", "");
  const Heard heard = talk_to(server, {}, Dialogue::Kind::kConnect);
  CHECK(heard.is_connected);
  CHECK(heard.failure.empty());
}

TEST_CASE("TLS from the start is begun before a greeting is waited for", "[outside]") {
  ScriptedServer server("220 in the clear\r\n", "");
  const Heard heard = talk({kLoopback, server.port, Dialogue::Kind::kSmtp, {}, Dialogue::Tls::kFromTheStart});
  CHECK(heard.is_connected);
  CHECK(heard.failure == "the TLS handshake failed");
  CHECK(heard.replies.empty());
  CHECK(server.heard().starts_with("\x16\x03"));
}

TEST_CASE("a server that hangs up or speaks another protocol is told of", "[outside]") {
  SECTION("in the midst") {
    ScriptedServer server("220 a\r\n", "");
    const Heard heard = talk_to(server, {"EHLO x"});
    CHECK(heard.replies.size() == 1);
    CHECK(heard.failure == "it hung up");
  }
  SECTION("at once") {
    ScriptedServer server("", "");
    CHECK(talk_to(server, {"EHLO x"}).failure == "it hung up");
  }
  SECTION("another protocol") {
    ScriptedServer server("SSH-2.0-x\r\n", "x\r\n");
    CHECK_FALSE(talk_to(server, {"EHLO x"}).failure.empty());
  }
}

TEST_CASE("nobody at a port is told at once", "[outside]") {
  std::uint16_t port = 0;
  ::close(bound_socket(SOCK_STREAM, port));
  const Heard heard = talk({kLoopback, port});
  CHECK_FALSE(heard.is_connected);
  CHECK(heard.failure == "connection refused");
}

TEST_CASE("what has no answer when the time is up is never heard of", "[outside]") {
  std::uint16_t port = 0;
  const int silent = bound_socket(SOCK_STREAM, port);
  REQUIRE(::listen(silent, 1) == 0);
  std::uint16_t dns_port = 0;
  const int silent_dns = bound_socket(SOCK_DGRAM, dns_port);
  bool is_told = false;
  const auto began = std::chrono::steady_clock::now();
  go_outside({{{"127.0.0.1", dns_port}}, 300ms, {}}, [&](Outside& outside) {
    outside.talk({kLoopback, port}, [&](const Heard&) { is_told = true; });
    outside.ask({"example.org", dns::Type::kA}, [&](const dns::Answer&) { is_told = true; });
    outside.ask_time(kLoopback, dns_port, [&](std::optional<double>) { is_told = true; });
  });
  CHECK_FALSE(is_told);
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  ::close(silent);
  ::close(silent_dns);
}

TEST_CASE("an answer may lead to further looks", "[outside]") {
  ScriptedServer second("220 second\r\n", "221 bye\r\n");
  ScriptedServer first("220 first\r\n", "221 bye\r\n");
  std::string greeting;
  std::size_t most_open = 0;
  go_outside(
      {{}, 20s, [&](std::size_t open) { most_open = std::max(most_open, open); }}, [&](Outside& outside) {
        outside.talk({kLoopback, first.port}, [&](const Heard&) {
          outside.talk({kLoopback, second.port}, [&](const Heard& heard) { greeting = heard.replies.at(0); });
        });
      });
  CHECK(greeting == "220 second");
  CHECK(most_open == 1);
}

TEST_CASE("the time is asked for, and forged answers are passed over", "[outside]") {
  std::uint16_t port = 0;
  const int server = bound_socket(SOCK_DGRAM, port);
  std::thread clock([server] {
    char question[100];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t got =
        ::recvfrom(server, question, sizeof question, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got != 48) return;
    std::string answer = {0x24, 1, 6, 0};
    answer.append(20, '\0');
    answer.append(question + 40, 8);
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const auto stamp = static_cast<std::uint64_t>((now + 100 + 2208988800.0) * 4294967296.0);
    for (int i = 0; i < 2; ++i) {
      for (int shift = 56; shift >= 0; shift -= 8) answer += static_cast<char>(stamp >> shift);
    }
    std::string forged = answer;
    forged[24] = static_cast<char>(forged[24] ^ 1);
    for (const std::string* each : {&forged, &answer})
      ::sendto(server, each->data(), each->size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  });
  std::optional<double> behind;
  go_outside({{}, 20s, {}}, [&](Outside& outside) {
    outside.ask_time(kLoopback, port, [&](std::optional<double> seconds) { behind = seconds; });
  });
  clock.join();
  ::close(server);
  REQUIRE(behind);
  CHECK(*behind > 99);
  CHECK(*behind < 101);
}
