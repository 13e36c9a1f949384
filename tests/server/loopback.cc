#include "tests/server/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace mailstead::testing {

std::size_t LineSession::receive(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && wants_ == Wants::kInput) {
    const char c = bytes[used++];
    if (c != '\n') {
      partial_ += c;
      continue;
    }
    ++progress_;
    const std::string line = std::exchange(partial_, {});
    lines += line + "|";
    run(line);
  }
  return used;
}

void LineSession::run(const std::string& line) {
  if (line == "ask") {
    wants_ = Wants::kAnswer;
  } else if (line == "tls") {
    output_ += "begin\r\n";
    wants_ = Wants::kTls;
  } else if (line == "quit") {
    output_ += "bye\r\n";
    wants_ = Wants::kClose;
  } else if (line == "hurry") {
    patience_ = std::chrono::seconds(1);
    output_ += "hurry\r\n";
  } else if (line == "much") {
    chunks_left_ = 200;
    drained();
  } else {
    output_ += "said " + line + "\r\n";
  }
}

void LineSession::drained() {
  ++drains;
  if (chunks_left_ == 0) {
    wants_ = Wants::kInput;
    output_ += "end\r\n";
    return;
  }
  --chunks_left_;
  output_ += std::string(64u << 10, 'x');
  wants_ = Wants::kDrain;
}

void LineSession::tls_established(const PeerFacts& facts) {
  partial_.clear();
  wants_ = Wants::kInput;
  output_ += "secured " + facts.tls_version + "\r\n";
}

void LineSession::timed_out() {
  output_ += "too late\r\n";
  wants_ = Wants::kClose;
}

void LineSession::shut_down() {
  output_ += "stopping\r\n";
  wants_ = Wants::kClose;
}

void LineSession::answer(const std::string& text) {
  ++progress_;
  output_ += text + "\r\n";
  wants_ = Wants::kInput;
}

Answered LineDriver::answer_ask() {
  if (on_ask) return on_ask(*this);
  line_session.answer("answered");
  return Answered::kNow;
}

Loopback::Loopback(TlsStart tls, std::shared_ptr<const TlsParty> context, Entry entry)
    : tls_(tls), context_(std::move(context)), entry_(entry) {
  std::signal(SIGPIPE, SIG_IGN);  // as the server does: see tcp_stream.h
  uv_loop_init(&loop_);
  auto socket = bind_one(Service::kSmtp, {"127.0.0.1", 0}, {});
  if (!socket.has_value()) throw std::runtime_error(socket.error().message);
  port_ = socket->bound.port;
  const auto accepted = [this](Listener& from, std::unique_ptr<TcpStream> stream) {
    const PeerFacts there = claimed.value_or(stream->peer());
    NewConnection connection{from.service(), from.open_connections, std::move(stream), there, {}};
    if (entry_ == Entry::kProxyGate) return gate.hold(std::move(connection));
    admit(std::move(connection));
  };
  listener_ = std::make_unique<Listener>(&loop_, *socket, Listener::Events{accepted, {}});
  if (!listener_->start().has_value()) throw std::runtime_error("cannot listen");
}

void Loopback::admit(NewConnection connection) {
  ConnectionOptions options;
  options.peer = std::move(connection.peer);
  options.input = std::move(connection.input);
  options.tls = context_;
  options.make_driver = [this](const PeerFacts& facts) {
    peer = facts;
    return driver;
  };
  connections.start(&loop_, std::move(connection.stream), log_, std::move(options), tls_, [] {});
}

Loopback::~Loopback() {
  listener_ = nullptr;
  gate.close_all();
  connections.close_all();
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

void Loopback::run(const std::function<void(std::uint16_t port)>& client) {
  std::atomic<bool> done = false;
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      client(port_);
    } catch (...) {
      failure = std::current_exception();
    }
    done = true;
  });
  // The listener keeps the loop alive; a timer makes it look at `done`.
  uv_timer_t tick;
  uv_timer_init(&loop_, &tick);
  uv_timer_start(
      &tick, [](uv_timer_t*) {}, 5, 5);
  while (!done || gate.waiting() > 0 || connections.size() > 0) uv_run(&loop_, UV_RUN_ONCE);
  uv_close(reinterpret_cast<uv_handle_t*>(&tick), nullptr);
  uv_run(&loop_, UV_RUN_NOWAIT);
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

Client::Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{60, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw std::runtime_error("cannot connect");
  }
}

Client::~Client() {
  ::close(fd_);
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error("cannot send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string Client::read_line() {
  std::string line;
  char c = 0;
  for (;;) {
    const ssize_t got = recv(fd_, &c, 1, 0);
    if (got == 0) throw std::runtime_error("the server closed after: " + line);
    if (got < 0) throw std::runtime_error("no answer in time");
    if (c == '\n') break;
    if (c != '\r') line += c;
  }
  return line;
}

std::string Client::read_all() {
  std::string all;
  char buffer[65536];
  for (;;) {
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got < 0) throw std::runtime_error("no answer in time");
    if (got == 0) return all;
    all.append(buffer, static_cast<std::size_t>(got));
  }
}

void Client::half_close() {
  shutdown(fd_, SHUT_WR);
}

}  // namespace mailstead::testing
