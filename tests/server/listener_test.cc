#include "server/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "server/net/listener_set.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

// A loop with a set of listeners; who comes is only counted.
class ListenerFixture {
 public:
  ListenerFixture() {
    uv_loop_init(&loop_);
    set = std::make_unique<ListenerSet>(&loop_, log_, [this](Listener&, std::unique_ptr<TcpStream> stream) {
      ++accepted;
      TcpStream* done = stream.release();
      done->close([done] { delete done; });
    });
  }

  ~ListenerFixture() {
    set = nullptr;
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  void begin(const Config::Listen& listen) {
    std::vector<Error> left_out;
    auto bound = bind_all(listen, left_out);
    REQUIRE(bound.has_value());
    REQUIRE(set->start(*std::move(bound)).has_value());
  }

  // "smtp 127.0.0.1:2525 pop3 ..."
  std::string running() const {
    std::string text;
    for (const auto& listener : set->all()) {
      text += std::string(service_name(listener->service())) + " " + listener->socket().bound.text() + " ";
    }
    return text;
  }

  // Does this set get the connections to this address?
  bool serves(const ListenAddress& address) {
    union {
      sockaddr any;
      sockaddr_in v4;
      sockaddr_in6 v6;
    } to{};
    const bool ipv6 = uv_ip4_addr(address.host.c_str(), address.port, &to.v4) != 0;
    if (ipv6) uv_ip6_addr(address.host.c_str(), address.port, &to.v6);
    const int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(fd, &to.any, ipv6 ? sizeof to.v6 : sizeof to.v4) == 0;
    const int before = accepted;
    for (int i = 0; connected && accepted == before && i < 100; ++i) uv_run(&loop_, UV_RUN_NOWAIT);
    ::close(fd);
    return accepted > before;
  }

  std::unique_ptr<ListenerSet> set;
  int accepted = 0;

 private:
  uv_loop_t loop_{};
  Log log_{LogLevel::kError, LogFormat::kText};
};

// Nobody has it now.
ListenAddress free_address(const std::string& host = "127.0.0.1") {
  auto socket = bind_one(Service::kSmtp, {host, 0}, {});
  REQUIRE(socket.has_value());
  ::close(socket->fd);
  return {host, socket->bound.port};
}

bool has_ipv6() {
  auto socket = bind_one(Service::kSmtp, {"::1", 0}, {});
  if (socket.has_value()) ::close(socket->fd);
  return socket.has_value();
}

}  // namespace

TEST_CASE("port 0 becomes a port of its own", "[listener]") {
  auto socket = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(socket.has_value());
  CHECK(socket->bound.port != 0);
  CHECK(socket->wanted.port == 0);
  ::close(socket->fd);
}

TEST_CASE("a port in use is named, with what to do", "[listener]") {
  auto first = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(first.has_value());
  auto second = bind_one(Service::kPop3, first->bound, {});
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().kind == ErrorKind::kInUse);
  CHECK(second.error().message.find("pop3 on " + first->bound.text()) != std::string::npos);
  CHECK(second.error().message.find('\n') == std::string::npos);
  ::close(first->fd);
}

TEST_CASE("all are bound or none", "[listener]") {
  auto taken = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(taken.has_value());
  auto free_port = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(free_port.has_value());
  const ListenAddress again = free_port->bound;
  ::close(free_port->fd);
  Config::Listen listen;
  listen.smtp = {again};
  listen.pop3 = {taken->bound};
  std::vector<Error> left_out;
  CHECK_FALSE(bind_all(listen, left_out).has_value());
  // The first port was let go again.
  auto retried = bind_one(Service::kSmtp, again, {});
  REQUIRE(retried.has_value());
  ::close(retried->fd);
  ::close(taken->fd);
}

TEST_CASE("an address this machine does not have is an error, not a surprise", "[listener]") {
  auto socket = bind_one(Service::kSmtp, {"192.0.2.77", 0}, {});
  REQUIRE_FALSE(socket.has_value());
  CHECK(socket.error().message.find("192.0.2.77") != std::string::npos);
}

TEST_CASE("addresses of the configuration that overlap are not blamed on another program", "[listener]") {
  for (const auto& [any, one] : {std::pair{"0.0.0.0", "127.0.0.1"}, std::pair{"::", "::1"}}) {
    if (std::string(any) == "::" && !has_ipv6()) continue;
    Config::Listen listen;
    const std::uint16_t port = free_address(any).port;
    listen.smtp = {{any, port}};
    listen.pop3 = {{one, port}};
    std::vector<Error> left_out;
    const auto bound = bind_all(listen, left_out);
    REQUIRE_FALSE(bound.has_value());
    CHECK(bound.error().message.find("also has smtp on " + listen.smtp[0].text()) != std::string::npos);
    CHECK(bound.error().message.find("another program") == std::string::npos);
  }
}

TEST_CASE("what was left out is opened once its port is free", "[listener]") {
  ListenerFixture fixture;
  auto taken = bind_one(Service::kHttp, {"127.0.0.1", 0}, {});
  REQUIRE(taken.has_value());
  REQUIRE(::listen(taken->fd, 1) == 0);
  const ListenAddress port = taken->bound;
  Config::Listen listen;
  listen.smtp = {free_address("127.0.0.1")};
  listen.http = {port};
  std::vector<Error> left_out;
  auto bound = bind_all(listen, left_out);
  REQUIRE(bound.has_value());
  REQUIRE(left_out.size() == 1);
  REQUIRE(fixture.set->start(*std::move(bound)).has_value());
  fixture.set->try_left_out(listen);
  CHECK(fixture.set->all().size() == 1);
  ::close(taken->fd);
  for (int i = 0; i < 2; ++i) {  // once
    fixture.set->try_left_out(listen);
    CHECK(fixture.running() == "smtp " + listen.smtp[0].text() + " http " + port.text() + " ");
  }
  CHECK(fixture.serves(port));
}

TEST_CASE("an IPv4 address in the form of IPv6 is told apart", "[listener]") {
  const auto socket = bind_one(Service::kSmtp, {"::ffff:127.0.0.1", 2525}, {});
  REQUIRE_FALSE(socket.has_value());
  CHECK(socket.error().message.find("write 127.0.0.1:2525") != std::string::npos);
}

TEST_CASE("a listener that cannot start leaves no descriptor behind, and the start fails", "[listener]") {
  ListenerFixture fixture;
  auto good = bind_one(Service::kPop3, {"127.0.0.1", 0}, {});
  REQUIRE(good.has_value());
  BoundSocket bad;
  bad.fd = ::open("/", O_PATH | O_CLOEXEC);  // nothing that could be waited for
  const auto started = fixture.set->start({*good, bad});
  CHECK_FALSE(started.has_value());
  CHECK(fixture.set->all().empty());
  for (const int fd : {good->fd, bad.fd}) {
    errno = 0;
    CHECK(::fcntl(fd, F_GETFD) == -1);
    CHECK(errno == EBADF);
  }
}

TEST_CASE("a change of listeners happens whole or not at all", "[listener]") {
  ListenerFixture fixture;
  auto taken = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(taken.has_value());
  Config::Listen old;
  old.smtp = {free_address()};
  fixture.begin(old);
  const std::string before = fixture.running();

  Config::Listen wrong;
  wrong.smtp = {free_address()};
  wrong.pop3 = {taken->bound};
  const auto changed = fixture.set->change_to(wrong);
  REQUIRE_FALSE(changed.has_value());
  CHECK(changed.error().message.find("pop3 on " + taken->bound.text()) != std::string::npos);
  CHECK(fixture.running() == before);
  CHECK(fixture.serves(old.smtp[0]));
  CHECK_FALSE(fixture.serves(wrong.smtp[0]));

  ::close(taken->fd);
  REQUIRE(fixture.set->change_to(wrong).has_value());
  CHECK(fixture.running() == "smtp " + wrong.smtp[0].text() + " pop3 " + wrong.pop3[0].text() + " ");
  CHECK(fixture.serves(wrong.smtp[0]));
  CHECK(fixture.serves(wrong.pop3[0]));
  CHECK_FALSE(fixture.serves(old.smtp[0]));
}

TEST_CASE("what is in the new one's way listens again when the change fails", "[listener]") {
  if (!has_ipv6()) return;
  ListenerFixture fixture;
  auto taken = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(taken.has_value());
  Config::Listen old;
  old.smtp = {free_address("::")};
  const std::uint16_t port = old.smtp[0].port;
  fixture.begin(old);

  Config::Listen wanted;
  wanted.smtp = {{"::", port}, {"127.0.0.1", port}};  // two sockets instead of one that takes IPv4 as well
  wanted.pop3 = {taken->bound};
  CHECK_FALSE(fixture.set->change_to(wanted).has_value());
  CHECK(fixture.running() == "smtp " + old.smtp[0].text() + " ");
  CHECK(fixture.serves({"127.0.0.1", port}));
  CHECK(fixture.serves({"::1", port}));

  wanted.pop3.clear();
  REQUIRE(fixture.set->change_to(wanted).has_value());
  CHECK(fixture.set->all().size() == 2);
  CHECK(fixture.serves({"127.0.0.1", port}));
  CHECK(fixture.serves({"::1", port}));
  REQUIRE(fixture.set->change_to(old).has_value());
  CHECK(fixture.set->all().size() == 1);
  CHECK(fixture.serves({"127.0.0.1", port}));
  ::close(taken->fd);
}

TEST_CASE("a port that the kernel chose comes back, too", "[listener]") {
  ListenerFixture fixture;
  auto taken = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  REQUIRE(taken.has_value());
  Config::Listen old;
  old.smtp = {{"127.0.0.1", 0}};
  fixture.begin(old);
  const ListenAddress bound = fixture.set->all()[0]->socket().bound;
  Config::Listen wanted;
  wanted.smtp = {{"0.0.0.0", bound.port}};
  wanted.pop3 = {taken->bound};
  CHECK_FALSE(fixture.set->change_to(wanted).has_value());
  CHECK(fixture.serves(bound));
  // And it is still what the configuration asked for.
  CHECK(fixture.set->change_to(old).has_value());
  CHECK(fixture.running() == "smtp " + bound.text() + " ");
  ::close(taken->fd);
}

TEST_CASE("an address that changes its service is not bound again", "[listener]") {
  ListenerFixture fixture;
  Config::Listen old;
  old.smtp = {free_address()};
  old.pop3 = {free_address()};
  fixture.begin(old);
  Config::Listen swapped;
  swapped.smtp = old.pop3;
  swapped.pop3 = old.smtp;
  REQUIRE(fixture.set->change_to(swapped).has_value());
  CHECK(fixture.running() == "smtp " + old.pop3[0].text() + " pop3 " + old.smtp[0].text() + " ");
  CHECK(fixture.serves(old.smtp[0]));
  CHECK(fixture.serves(old.pop3[0]));
}
