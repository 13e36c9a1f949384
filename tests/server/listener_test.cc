#include "server/listener.h"

#include <unistd.h>

#include "tests/catch.h"

using namespace mailstead;

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
  CHECK_FALSE(bind_all(listen).has_value());
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
