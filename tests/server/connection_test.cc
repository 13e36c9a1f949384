#include "server/net/connection.h"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "tests/catch.h"
#include "tests/server/loopback.h"

using namespace mailstead;
using namespace mailstead::testing;

TEST_CASE("pipelined commands are answered in order, around an ask", "[connection]") {
  Loopback house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("one\nask\ntwo\nquit\n");
    REQUIRE(client.read_all() == "hello\r\nsaid one\r\nanswered\r\nsaid two\r\nbye\r\n");
  });
  CHECK(house.driver->line_session.lines == "one|ask|two|quit|");
  CHECK(house.driver->farewells > 0);
  CHECK(house.driver->closed);
}

TEST_CASE("nothing is consumed between an ask and its answer", "[connection]") {
  Loopback house;
  uv_timer_t later;
  uv_timer_init(house.loop(), &later);
  later.data = house.driver.get();
  house.driver->on_ask = [&](LineDriver&) {
    uv_timer_start(
        &later,
        [](uv_timer_t* timer) {
          auto* driver = static_cast<LineDriver*>(timer->data);
          CHECK(driver->line_session.lines == "ask|");
          driver->line_session.answer("late");
          driver->resume_now();
        },
        50, 0);
    return Answered::kLater;
  };
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("ask\nnext\n");
    client.send("quit\n");
    REQUIRE(client.read_all() == "hello\r\nlate\r\nsaid next\r\nbye\r\n");
  });
  uv_close(reinterpret_cast<uv_handle_t*>(&later), nullptr);
}

TEST_CASE("an answer that comes after the connection has gone resumes nobody", "[connection]") {
  Loopback house;
  house.driver->on_ask = [](LineDriver&) { return Answered::kLater; };
  uv_timer_t later;
  uv_timer_init(house.loop(), &later);
  later.data = &house;
  const auto cut = [](uv_timer_t* timer) {
    auto* loopback = static_cast<Loopback*>(timer->data);
    // The end of the client's half alone does not end a connection that owes an answer.
    CHECK(loopback->driver->line_session.lines == "ask|");
    CHECK_FALSE(loopback->driver->closed);
    loopback->connections.close_all();
  };
  uv_timer_start(&later, cut, 200, 0);
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("ask\n");
    REQUIRE(client.read_line() == "hello");
    client.half_close();
    REQUIRE(client.read_all().empty());
  });
  CHECK(house.driver->closed);
  house.driver->line_session.answer("to nobody");
  house.driver->resume_now();
  uv_close(reinterpret_cast<uv_handle_t*>(&later), nullptr);
}

TEST_CASE("an answer to a client that has reset its connection ends that connection only", "[connection]") {
  Loopback house;
  house.driver->on_ask = [](LineDriver&) { return Answered::kLater; };
  struct Late {
    LineDriver* driver;
    std::atomic<bool> gone = false;
  } late{house.driver.get()};
  uv_timer_t later;
  uv_timer_init(house.loop(), &later);
  later.data = &late;
  uv_timer_start(
      &later,
      [](uv_timer_t* timer) {
        auto* now = static_cast<Late*>(timer->data);
        if (!now->gone) return;
        uv_timer_stop(timer);
        now->driver->line_session.answer("late");
        now->driver->resume_now();
      },
      5, 5);
  house.run([&](std::uint16_t port) {
    {
      Client client(port);
      client.send("ask\n");
      client.half_close();
      char c = 0;
      REQUIRE(recv(client.fd(), &c, 1, MSG_PEEK) == 1);
      for (int i = 0; i < 6000 && !house.driver->end_seen; ++i) uv_sleep(10);
      REQUIRE(house.driver->end_seen);
    }  // Closed with the greeting unread: a reset after the end of the stream, so that a write is an EPIPE.
    late.gone = true;
  });
  CHECK(house.driver->closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&later), nullptr);
}

TEST_CASE("who ends the stream while only a useless answer is awaited is let go", "[connection]") {
  Loopback house;
  house.driver->futile = true;
  house.driver->on_ask = [](LineDriver&) { return Answered::kLater; };
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("one\nask\n");
    client.half_close();
    // What was said before the ask still comes.
    REQUIRE(client.read_all() == "hello\r\nsaid one\r\n");
  });
  CHECK(house.driver->closed);
  CHECK(house.driver->line_session.lines == "one|ask|");
}

TEST_CASE("an answer is awaited for the commands behind it, also after the end of the stream",
          "[connection]") {
  Loopback house;
  house.driver->futile = true;
  uv_timer_t later;
  uv_timer_init(house.loop(), &later);
  later.data = house.driver.get();
  house.driver->on_ask = [&](LineDriver&) {
    uv_timer_start(
        &later,
        [](uv_timer_t* timer) {
          auto* driver = static_cast<LineDriver*>(timer->data);
          CHECK_FALSE(driver->closed);
          driver->line_session.answer("late");
          driver->resume_now();
        },
        100, 0);
    return Answered::kLater;
  };
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("ask\nnext\n");
    client.half_close();
    REQUIRE(client.read_all() == "hello\r\nlate\r\nsaid next\r\n");
  });
  uv_close(reinterpret_cast<uv_handle_t*>(&later), nullptr);
}

TEST_CASE("long output is made only as fast as the client takes it", "[connection]") {
  Loopback house;
  house.run([&](std::uint16_t port) {
    Client client(port);
    client.send("much\n");
    REQUIRE(client.read_line() == "hello");
    // 12.5 MB are on their way; what the kernel's buffers hold is much less.
    uv_sleep(300);
    CHECK(house.driver->line_session.drains < 200);
    client.send("quit\n");
    const std::string rest = client.read_all();
    CHECK(rest.size() == 200u * (64u << 10) + std::string("end\r\nbye\r\n").size());
    CHECK(rest.ends_with("xend\r\nbye\r\n"));
  });
}

TEST_CASE("what was said before a connection broke is handed to its driver", "[connection]") {
  Loopback house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("much\n");
    REQUIRE(client.read_line() == "hello");
    client.send("no more of it\n");
    // With so much unread this is a reset.
  });
  CHECK(house.driver->closed);
  CHECK(house.driver->last_words == "no more of it\n");
}

TEST_CASE("a write that fails finds what was said before in the socket", "[connection]") {
  Loopback house;
  std::atomic<bool> is_asked = false;
  std::atomic<bool> is_gone = false;
  // All that happens while the loop is elsewhere.
  house.driver->on_ask = [&](LineDriver& driver) {
    is_asked = true;
    while (!is_gone) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    driver.line_session.answer("too late");
    return Answered::kNow;
  };
  house.run([&](std::uint16_t port) {
    {
      Client client(port);
      client.send("ask\n");
      while (!is_asked) std::this_thread::yield();
      client.send("no more of it\n");
      const linger reset{1, 0};
      setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    is_gone = true;
  });
  CHECK(house.driver->closed);
  CHECK(house.driver->last_words == "no more of it\n");
}

TEST_CASE("commands before the end of the stream are still answered", "[connection]") {
  Loopback house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("one\ntwo\nunfinished");
    client.half_close();
    REQUIRE(client.read_all() == "hello\r\nsaid one\r\nsaid two\r\n");
  });
}

TEST_CASE("a drip of bytes does not extend the deadline", "[connection]") {
  Loopback house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("hurry\n");
    REQUIRE(client.read_line() == "hello");
    REQUIRE(client.read_line() == "hurry");
    try {
      for (int i = 0; i < 100; ++i) {
        client.send("x");
        uv_sleep(50);
      }
      FAIL("the server took bytes for five seconds");
    } catch (const std::runtime_error&) {
    }
  });
}

TEST_CASE("input behind the command that begins TLS ends the connection", "[connection]") {
  Loopback house;
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("tls\ninjected\n");
    REQUIRE(client.read_all() == "hello\r\nbegin\r\n");
  });
  CHECK(house.driver->line_session.lines == "tls|");
}

TEST_CASE("shutting down says farewell to an idle session", "[connection]") {
  Loopback house;
  uv_timer_t later;
  uv_timer_init(house.loop(), &later);
  later.data = &house;
  uv_timer_start(
      &later, [](uv_timer_t* timer) { static_cast<Loopback*>(timer->data)->connections.shut_down_all(); },
      100, 0);
  house.run([](std::uint16_t port) {
    Client client(port);
    REQUIRE(client.read_all() == "hello\r\nstopping\r\n");
  });
  uv_close(reinterpret_cast<uv_handle_t*>(&later), nullptr);
}

TEST_CASE("connections are counted for each address but loopback's and a proxy's", "[connection]") {
  Loopback house;
  PeerFacts far;
  far.address = "192.0.2.1";
  PeerFacts claimed;  // by a header
  claimed.address = "127.0.0.1";
  PeerFacts near = claimed;
  near.loopback = true;
  PeerFacts proxy = claimed;
  proxy.proxy = true;
  for (const PeerFacts& each : {far, claimed, near, proxy}) {
    INFO(each.address << " " << each.loopback << each.proxy);
    house.claimed = each;
    house.driver = std::make_shared<LineDriver>();
    house.driver->on_ask = [&](LineDriver& driver) {
      CHECK(house.connections.size() == 1);
      CHECK(house.connections.is_full_for(far, 1) == (each.address == far.address));
      CHECK(house.connections.is_full_for(claimed, 1) ==
            (each.address == claimed.address && !each.loopback && !each.proxy));
      CHECK_FALSE(house.connections.is_full_for(far, 2));
      CHECK_FALSE(house.connections.is_full_for(near, 1));
      CHECK_FALSE(house.connections.is_full_for(proxy, 1));
      driver.line_session.answer("counted");
      return Answered::kNow;
    };
    house.run([](std::uint16_t port) {
      Client client(port);
      client.send("ask\nquit\n");
      REQUIRE(client.read_all() == "hello\r\ncounted\r\nbye\r\n");
    });
    CHECK_FALSE(house.connections.is_full_for(each, 1));
  }
}
