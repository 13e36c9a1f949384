#include "bench/load.h"

#include <sys/epoll.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string_view>

#include "bench/client.h"
#include "bench/give_up.h"

namespace mailstead::bench {

namespace {

using Clock = std::chrono::steady_clock;

struct Session {
  Client client;
  std::string commands;
  std::string greeting;
  std::string first;                            // what the first session was answered, while it is that
  std::shared_ptr<const std::string> expected;  // nullptr: this is the first
  std::size_t octets = 0;                       // of this session's replies
  bool greeted = false;
};

class Load {
 public:
  explicit Load(const LoadOrder& order)
      : order_(order), epoll_(::epoll_create1(EPOLL_CLOEXEC)), sessions_(order.users.size()) {
    std::string commands;
    for (const char c : order.commands) commands += c == ';' ? std::string("\r\n") : std::string(1, c);
    if (!commands.empty()) commands += "\r\n";
    for (std::size_t i = 0; i < sessions_.size(); ++i)
      sessions_[i].commands =
          "USER " + order.users[i] + "\r\nPASS " + order.password + "\r\n" + commands + "QUIT\r\n";
  }

  LoadResult run() {
    const auto begin = Clock::now();
    const auto end =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(order_.seconds));
    for (Session& session : sessions_) connect(session);
    std::size_t open = sessions_.size();
    std::vector<epoll_event> events(sessions_.size());
    while (open > 0) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 30'000);
      if (ready == 0) give_up("no answer for 30 s");
      for (int i = 0; i < ready; ++i) {
        Session& session = *static_cast<Session*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (!read(session)) continue;
        finish(session);
        if (Clock::now() < end) {
          connect(session);
        } else {
          --open;
        }
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return result_;
  }

 private:
  void connect(Session& session) {
    session.client.open(order_.port, order_.tls);
    session.octets = 0;
    session.greeted = false;
    session.greeting.clear();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &session;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, session.client.fd(), &event);
    if (order_.tls != nullptr && read(session)) give_up("closed in the handshake");
  }

  // True when the server has closed.
  bool read(Session& session) {
    while (true) {
      std::size_t got = 0;
      const Client::Outcome outcome = session.client.read(buffer_.data(), buffer_.size(), got);
      if (outcome == Client::Outcome::kNothingYet) return false;
      if (outcome == Client::Outcome::kEnd) return true;
      const std::string_view piece(buffer_.data(), got);
      if (session.greeted) {
        take(session, piece);
        continue;
      }
      session.greeting += piece;
      if (!session.greeting.ends_with("\r\n")) continue;
      session.greeted = true;
      if (!session.greeting.starts_with("+OK")) give_up(session.greeting);
      session.client.write(session.commands);
    }
  }

  static void take(Session& session, std::string_view piece) {
    if (session.expected == nullptr) {
      session.first += piece;
    } else if (piece.size() > session.expected->size() - session.octets ||
               std::memcmp(session.expected->data() + session.octets, piece.data(), piece.size()) != 0) {
      give_up("another reply than before: " + std::string(piece.substr(0, 200)));
    }
    session.octets += piece.size();
  }

  void finish(Session& session) {
    session.client.close();
    if (session.expected == nullptr) {
      expect(session);
    } else if (session.octets != session.expected->size()) {
      give_up("the replies end early");
    }
    ++result_.sessions;
    result_.octets += session.octets;
  }

  void expect(Session& session) {
    if (!session.first.starts_with("+OK") || session.first.find("\r\n-ERR") != std::string::npos)
      give_up(session.first.substr(0, 400));
    // Users with the same mail share what they expect, which then stays in the processor's cache.
    const auto& shared = sessions_.front().expected;
    session.expected = shared != nullptr && *shared == session.first
                           ? shared
                           : std::make_shared<const std::string>(std::move(session.first));
    session.first = std::string();
  }

  const LoadOrder& order_;
  int epoll_;
  std::vector<Session> sessions_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  LoadResult result_;
};

}  // namespace

LoadResult load(const LoadOrder& order) {
  return Load(order).run();
}

}  // namespace mailstead::bench
