// The resolver with a server whose answers a test writes.
#include "server/net/resolver.h"

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/catch.h"

using namespace mailstead;

namespace {

enum class Code : unsigned char { kOk = 0, kServerFailure = 2, kNoName = 3 };

constexpr char kAuthenticatedBit = 0x20;

std::string two_octets(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}

// RFC 1035 4.1: an answer to this question, with address records that point back to its name.
std::string answer_to(const std::string& question, Code code, const std::vector<std::string>& addresses,
                      unsigned ttl = 300, char bits = 0) {
  std::string message = question.substr(0, 2);
  message += static_cast<char>(0x84);
  message += static_cast<char>(static_cast<char>(code) | bits);
  message +=
      two_octets(1) + two_octets(static_cast<unsigned>(addresses.size())) + two_octets(0) + two_octets(0);
  std::size_t end = 12;
  while (end < question.size() && question[end] != '\0')
    end += static_cast<unsigned char>(question[end]) + 1u;
  message += question.substr(12, end + 5 - 12);
  for (const std::string& address : addresses) {
    message += "\xC0\x0C" + two_octets(1) + two_octets(1) + two_octets(ttl >> 16) + two_octets(ttl & 0xFFFF) +
               two_octets(4) + address;
  }
  return message;
}

const std::string kHere("\x7F\x00\x00\x02", 4);
const std::string kThere("\xC0\x00\x02\x01", 4);

// On UDP, in the test's loop. Without an answer it is silent.
class NameServer {
 public:
  using Script = std::function<std::string(const std::string& question)>;

  NameServer(uv_loop_t* loop, Script script) : script_(std::move(script)) {
    uv_udp_init(loop, &socket_);
    socket_.data = this;
    sockaddr_in address{};
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_udp_bind(&socket_, reinterpret_cast<const sockaddr*>(&address), 0);
    uv_udp_recv_start(
        &socket_,
        [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
          auto& bytes = static_cast<NameServer*>(handle->data)->buffer_;
          *buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
        },
        [](uv_udp_t* handle, ssize_t length, const uv_buf_t* buffer, const sockaddr* from, unsigned) {
          if (length <= 0 || from == nullptr) return;
          static_cast<NameServer*>(handle->data)
              ->heard({buffer->base, static_cast<std::size_t>(length)}, from);
        });
  }

  Config::Resolver settings() const {
    sockaddr_in address{};
    int length = sizeof(address);
    uv_udp_getsockname(&socket_, reinterpret_cast<sockaddr*>(&address), &length);
    Config::Resolver resolver;
    resolver.servers = {ListenAddress{"127.0.0.1", ntohs(address.sin_port)}};
    return resolver;
  }
  int questions() const { return questions_; }
  void close() { uv_close(reinterpret_cast<uv_handle_t*>(&socket_), nullptr); }

 private:
  void heard(const std::string& question, const sockaddr* from) {
    ++questions_;
    std::string answer = script_(question);
    if (answer.empty()) return;
    const uv_buf_t buffer = uv_buf_init(answer.data(), static_cast<unsigned>(answer.size()));
    uv_udp_try_send(&socket_, &buffer, 1, from);
  }

  Script script_;
  uv_udp_t socket_{};
  std::vector<char> buffer_ = std::vector<char>(4096);
  int questions_ = 0;
};

struct World {
  uv_loop_t loop{};
  uv_timer_t tick{};  // a turn of the loop that has run a timer would wait for ever for a socket

  World() {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &tick);
    uv_timer_start(
        &tick, [](uv_timer_t*) {}, 10, 10);
    uv_unref(reinterpret_cast<uv_handle_t*>(&tick));
  }
  ~World() {
    uv_close(reinterpret_cast<uv_handle_t*>(&tick), nullptr);
    run();
    CHECK(uv_loop_close(&loop) == 0);
  }

  // To the end of all that is there.
  void run() { uv_run(&loop, UV_RUN_DEFAULT); }
  void run_while(const std::function<bool()>& goes_on) {
    while (goes_on()) uv_run(&loop, UV_RUN_ONCE);
  }
};

}  // namespace

TEST_CASE("a question is asked once, however many wait for its answer", "[resolver]") {
  World world;
  NameServer server(&world.loop, [](const std::string& q) {
    return answer_to(q, Code::kOk, {kHere, kThere});
  });
  Resolver resolver(&world.loop, server.settings());
  int heard = 0;
  std::vector<Resolver::Question> questions;
  for (int i = 0; i < 3; ++i) {
    questions.push_back(resolver.ask("mx.example", dns::Type::kA, [&](const dns::Answer& answer) {
      ++heard;
      REQUIRE(answer.verdict == dns::Verdict::kFound);
      REQUIRE(answer.records.size() == 2);
      CHECK(answer.records[0].address.text() == "127.0.0.2");
      CHECK(answer.records[1].address.text() == "192.0.2.1");
    }));
  }
  CHECK(heard == 0);
  world.run_while([&] { return heard < 3; });
  CHECK(server.questions() == 1);
  // It is remembered, and told later all the same.
  const auto again = resolver.ask("mx.example", dns::Type::kA, [&](const dns::Answer&) { ++heard; });
  CHECK(heard == 3);
  world.run_while([&] { return heard < 4; });
  CHECK(server.questions() == 1);
  // Of another type nothing is known.
  const auto other = resolver.ask("mx.example", dns::Type::kAaaa, [&](const dns::Answer&) { ++heard; });
  world.run_while([&] { return heard < 5; });
  CHECK(server.questions() == 2);
  resolver.stop();
  server.close();
  world.run();
}

TEST_CASE("an answer is good for as long as it says, and a failure is none", "[resolver]") {
  World world;
  Code code = Code::kOk;
  unsigned ttl = 0;
  NameServer server(&world.loop, [&](const std::string& q) {
    return answer_to(q, code, code == Code::kOk ? std::vector{kHere} : std::vector<std::string>(), ttl);
  });
  Resolver resolver(&world.loop, server.settings());
  const auto ask = [&](const std::string& name) {
    std::optional<dns::Answer> got;
    const auto question = resolver.ask(name, dns::Type::kA, [&](const dns::Answer& answer) { got = answer; });
    world.run_while([&] { return !got; });
    return *got;
  };
  CHECK(ask("short.example").verdict == dns::Verdict::kFound);
  const int before = server.questions();
  CHECK(ask("short.example").verdict == dns::Verdict::kFound);
  CHECK(server.questions() == before + 1);
  code = Code::kServerFailure;
  CHECK(ask("broken.example").verdict == dns::Verdict::kFailed);
  code = Code::kOk;
  ttl = 60;
  CHECK(ask("broken.example").verdict == dns::Verdict::kFound);
  code = Code::kServerFailure;
  CHECK(ask("broken.example").verdict == dns::Verdict::kFound);
  code = Code::kNoName;
  CHECK(ask("nowhere.example").verdict == dns::Verdict::kNoName);
  CHECK(ask("").verdict == dns::Verdict::kFailed);
  CHECK(ask("no..name").verdict == dns::Verdict::kFailed);
  resolver.stop();
  server.close();
  world.run();
}

TEST_CASE("who lets go of a question hears nothing, and who is left does", "[resolver]") {
  World world;
  NameServer server(&world.loop, [](const std::string& q) { return answer_to(q, Code::kOk, {kHere}); });
  Resolver resolver(&world.loop, server.settings());
  int heard = 0;
  auto gone = resolver.ask("mx.example", dns::Type::kA, [&](const dns::Answer&) { FAIL("nobody asks"); });
  Resolver::Question stays;
  stays = resolver.ask("mx.example", dns::Type::kA, [&](const dns::Answer&) {
    ++heard;
    // From inside an answer the next thing may be asked, and everything may end.
    stays = resolver.ask("mx.example", dns::Type::kA, [&](const dns::Answer&) {
      ++heard;
      resolver.stop();
      server.close();
    });
  });
  gone = nullptr;
  world.run();
  CHECK(heard == 2);
}

TEST_CASE("what is under way when the servers change is asked of the new ones", "[resolver]") {
  World world;
  NameServer silent(&world.loop, [](const std::string&) { return std::string(); });
  NameServer server(&world.loop, [](const std::string& q) { return answer_to(q, Code::kOk, {kHere}); });
  Resolver resolver(&world.loop, silent.settings());
  int heard = 0;
  const auto listen = [&](const dns::Answer& answer) {
    CHECK(answer.verdict == dns::Verdict::kFound);
    ++heard;
  };
  const auto one = resolver.ask("one.example", dns::Type::kA, listen);
  const auto two = resolver.ask("two.example", dns::Type::kA, listen);
  auto gone = resolver.ask("two.example", dns::Type::kA, [&](const dns::Answer&) { FAIL("nobody asks"); });
  gone = nullptr;
  world.run_while([&] { return silent.questions() < 2; });
  CHECK(heard == 0);
  resolver.use(server.settings());
  world.run_while([&] { return heard < 2; });
  CHECK(server.questions() == 2);
  resolver.stop();
  silent.close();
  server.close();
  world.run();
}

TEST_CASE("that an answer was validated is believed of whom the configuration says", "[resolver]") {
  World world;
  NameServer server(&world.loop, [](const std::string& q) {
    return answer_to(q, Code::kOk, {kHere}, 300, kAuthenticatedBit);
  });
  const auto is_authenticated = [&](DnssecTrust trust) {
    Config::Resolver settings = server.settings();
    settings.dnssec = trust;
    Resolver resolver(&world.loop, settings);
    std::optional<bool> got;
    const auto question = resolver.ask("mx.example", dns::Type::kA,
                                       [&](const dns::Answer& answer) { got = answer.authenticated; });
    world.run_while([&] { return !got; });
    resolver.stop();
    return *got;
  };
  CHECK(is_authenticated(DnssecTrust::kLoopback));
  CHECK(is_authenticated(DnssecTrust::kAlways));
  CHECK_FALSE(is_authenticated(DnssecTrust::kNever));
  server.close();
  world.run();
}

TEST_CASE("what is remembered has a bound, however large answers are", "[resolver]") {
  World world;
  const std::vector<std::string> many(25, kThere);
  NameServer server(&world.loop, [&](const std::string& q) { return answer_to(q, Code::kOk, many); });
  Resolver resolver(&world.loop, server.settings());
  const auto ask = [&](int number) {
    bool heard = false;
    const auto question = resolver.ask("mx" + std::to_string(number) + ".example", dns::Type::kA,
                                       [&](const dns::Answer& answer) {
                                         CHECK(answer.records.size() == many.size());
                                         heard = true;
                                       });
    world.run_while([&] { return !heard; });
  };
  // Longer than that in sum.
  constexpr int kNames = Resolver::kMostRememberedOctets / (25 * sizeof(dns::Record)) + 1;
  for (int i = 0; i < kNames; ++i) ask(i);
  CHECK(server.questions() == kNames);
  ask(kNames - 1);
  CHECK(server.questions() == kNames);
  ask(0);
  CHECK(server.questions() == kNames + 1);
  resolver.stop();
  server.close();
  world.run();
}

TEST_CASE("what strangers make us ask leaves room for what we ask ourselves", "[resolver]") {
  World world;
  NameServer silent(&world.loop, [](const std::string&) { return std::string(); });
  Resolver resolver(&world.loop, silent.settings());
  std::vector<Resolver::Question> questions;
  std::size_t failed = 0;
  const auto ask = [&](const std::string& name, Resolver::Behalf behalf) {
    questions.push_back(resolver.ask(
        name, dns::Type::kTxt,
        [&](const dns::Answer& answer) { failed += answer.verdict == dns::Verdict::kFailed ? 1U : 0U; },
        behalf));
  };
  for (std::size_t i = 0; i < Resolver::kMostOpenForStrangers + 2; ++i)
    ask("k" + std::to_string(i) + ".example", Resolver::Behalf::kStrangers);
  ask("mx.example", Resolver::Behalf::kOurs);
  ask("k1.example", Resolver::Behalf::kStrangers);  // is asked already
  world.run_while([&] { return failed == 0; });
  for (int i = 0; i < 5; ++i) uv_run(&world.loop, UV_RUN_ONCE);
  CHECK(failed == 2);
  resolver.stop();
  silent.close();
  world.run();
}
