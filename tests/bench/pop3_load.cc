// A POP3 client that does nothing but load a server: N connections at a time, each with a user of its own,
// each playing the same session over and over.
//
//   pop3_load PORT SECONDS CONNECTIONS PASSWORD COMMANDS USER…
//
// COMMANDS are what stands between login and QUIT, "STAT;LIST;UIDL"; all commands of a session go out in one
// packet. Prints "sessions octets seconds". Ends with 1 when a reply is not what the first session of that
// user got: a server that answers wrongly has no speed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "pop3_load: %s\n", why.c_str());
  std::exit(1);
}

struct Session {
  int fd = -1;
  std::string commands;
  std::string first_line;      // of this reply so far, up to where it is judged
  std::uint64_t octets = 0;    // of this session's replies
  std::uint64_t expected = 0;  // octets of the first one; 0: not known yet
  bool greeted = false;
};

class Load {
 public:
  Load(std::uint16_t port, double seconds)
      : port_(port), seconds_(seconds), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  void add(std::string commands) {
    sessions_.emplace_back();
    sessions_.back().commands = std::move(commands);
  }

  void run() {
    const auto begin = Clock::now();
    const auto end =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_));
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
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf("%llu %llu %.3f\n", static_cast<unsigned long long>(finished_),
                static_cast<unsigned long long>(octets_), took);
  }

 private:
  void connect(Session& session) {
    session.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(session.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      give_up("cannot connect");
    const int on = 1;
    ::setsockopt(session.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(session.fd, F_SETFL, O_NONBLOCK);
    session.octets = 0;
    session.greeted = false;
    session.first_line.clear();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &session;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, session.fd, &event);
  }

  // True when the server has closed.
  bool read(Session& session) {
    while (true) {
      const ssize_t got = ::read(session.fd, buffer_.data(), buffer_.size());
      if (got < 0 && errno == EAGAIN) return false;
      if (got < 0) give_up("the connection broke");
      if (got == 0) return true;
      const std::string_view piece(buffer_.data(), static_cast<std::size_t>(got));
      if (!session.greeted) {
        session.first_line += piece;
        if (!session.first_line.ends_with("\r\n")) continue;
        session.greeted = true;
        if (!session.first_line.starts_with("+OK")) give_up(session.first_line);
        if (::write(session.fd, session.commands.data(), session.commands.size()) !=
            static_cast<ssize_t>(session.commands.size()))
          give_up("the commands do not fit into one packet");
      } else {
        if (session.octets < 4096 && piece.find("-ERR") != std::string_view::npos)
          give_up(std::string(piece));
        session.octets += piece.size();
      }
    }
  }

  void finish(Session& session) {
    ::close(session.fd);
    if (session.expected == 0) session.expected = session.octets;
    if (session.octets == 0 || session.octets != session.expected)
      give_up("replies of another length than before");
    ++finished_;
    octets_ += session.octets;
  }

  std::uint16_t port_;
  double seconds_;
  int epoll_;
  std::vector<Session> sessions_;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
  std::uint64_t finished_ = 0;
  std::uint64_t octets_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) give_up("PORT SECONDS CONNECTIONS PASSWORD COMMANDS USER...");
  const auto connections = static_cast<std::size_t>(std::atoi(argv[3]));
  const std::vector<std::string> users(argv + 6, argv + argc);
  if (users.size() < connections) give_up("fewer users than connections");
  std::string commands = std::string(argv[5]) + ";";
  for (std::size_t at = 0; (at = commands.find(';', at)) != std::string::npos; at += 2)
    commands.replace(at, 1, "\r\n");
  Load load(static_cast<std::uint16_t>(std::atoi(argv[1])), std::atof(argv[2]));
  for (std::size_t i = 0; i < connections; ++i) {
    load.add("USER " + users[i] + "\r\nPASS " + argv[4] + "\r\n" + (commands == "\r\n" ? "" : commands) +
             "QUIT\r\n");
  }
  load.run();
}
