#include "server/net/dialer.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace mailstead {

namespace {

socklen_t fill(const IpAddress& address, std::uint16_t port, sockaddr_storage& into) {
  if (address.is_ipv4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(into);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address.octets.data() + 12, 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(into);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, address.octets.data(), 16);
  return sizeof v6;
}

std::string words_for(int error_number) {
  switch (error_number) {
    case ECONNREFUSED:
      return "connection refused";
    case ETIMEDOUT:
      return "no answer";
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return "no route to it";
    default:
      return std::string("cannot connect: ") + uv_strerror(uv_translate_sys_error(error_number));
  }
}

}  // namespace

struct Dialer::Attempt {
  uv_poll_t poll{};
  uv_timer_t timer{};
  int socket = -1;
  int error_number = 0;  // found before the loop had its turn
  int open_handles = 0;
  Done done;  // empty once it has run, or nobody waits

  void begin(uv_loop_t* loop, const IpAddress& address, std::uint16_t port);
  void finish(int error);
  void close();
  void closed() {
    if (--open_handles == 0) delete this;
  }
};

void Dialer::Attempt::begin(uv_loop_t* loop, const IpAddress& address, std::uint16_t port) {
  uv_timer_init(loop, &timer);
  timer.data = this;
  ++open_handles;
  sockaddr_storage to{};
  const socklen_t length = fill(address, port, to);
  socket = ::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0 ||
      (::connect(socket, reinterpret_cast<sockaddr*>(&to), length) != 0 && errno != EINPROGRESS)) {
    error_number = errno;
  } else if (uv_poll_init_socket(loop, &poll, socket) == 0) {
    poll.data = this;
    ++open_handles;
    uv_poll_start(&poll, UV_WRITABLE, [](uv_poll_t* handle, int status, int) {
      auto* self = static_cast<Attempt*>(handle->data);
      // libuv tells of a socket in error by a status of its own: only the socket knows why.
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(self->socket, SOL_SOCKET, SO_ERROR, &error, &size);
      self->finish(error == 0 && status != 0 ? ECONNABORTED : error);
    });
  } else {
    error_number = EMFILE;
  }
  const auto patience = error_number == 0 ? static_cast<std::uint64_t>(kDialPatience.count()) : 0;
  uv_timer_start(
      &timer,
      [](uv_timer_t* handle) {
        auto* self = static_cast<Attempt*>(handle->data);
        self->finish(self->error_number == 0 ? ETIMEDOUT : self->error_number);
      },
      patience, 0);
}

void Dialer::Attempt::finish(int error) {
  const auto told = std::exchange(done, nullptr);
  const int connected = error == 0 ? std::exchange(socket, -1) : -1;
  close();  // once: with `done` taken, nobody calls it again
  if (!told) return;
  if (error == 0) {
    told(connected);
  } else {
    told(Error{ErrorKind::kUnavailable, words_for(error)});
  }
}

void Dialer::Attempt::close() {
  // The loop lets go of the socket before it is closed, or somebody else's.
  if (open_handles == 2) {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll),
             [](uv_handle_t* handle) { static_cast<Attempt*>(handle->data)->closed(); });
  }
  if (socket >= 0) ::close(std::exchange(socket, -1));
  uv_close(reinterpret_cast<uv_handle_t*>(&timer),
           [](uv_handle_t* handle) { static_cast<Attempt*>(handle->data)->closed(); });
}

Dialer::Dialer(uv_loop_t* loop, const IpAddress& address, std::uint16_t port, Done done)
    : attempt_(new Attempt) {
  // When it has ended nobody may touch it any more: it frees itself in a later turn of the loop.
  attempt_->done = [this, told = std::move(done)](Result<int> socket) {
    attempt_ = nullptr;
    const auto last = told;  // which may destroy the Dialer, and this function with it
    last(std::move(socket));
  };
  attempt_->begin(loop, address, port);
}

Dialer::~Dialer() {
  if (attempt_ == nullptr) return;
  attempt_->done = nullptr;
  attempt_->close();
}

}  // namespace mailstead
