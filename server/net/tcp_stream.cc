#include "server/net/tcp_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace mailstead {
namespace {

// One buffer serves every connection of the loop: bytes are consumed or copied before on_read() returns, so
// an idle connection holds none.
std::array<char, 64u << 10>& read_buffer() {
  thread_local std::array<char, 64u << 10> buffer;
  return buffer;
}

PeerFacts facts_of(const sockaddr_storage& address) {
  PeerFacts facts;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    facts.loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      in_addr v4{};
      std::memcpy(&v4, v6.sin6_addr.s6_addr + 12, sizeof v4);
      inet_ntop(AF_INET, &v4, text.data(), text.size());
      facts.loopback = (ntohl(v4.s_addr) >> 24) == 127;
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
      facts.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
  }
  if (address.ss_family == AF_UNIX) facts.loopback = true;
  facts.address = text.data();
  return facts;
}

}  // namespace

TcpStream::TcpStream(uv_loop_t* loop, int socket) {
  uv_tcp_init(loop, &handle_);
  handle_.data = this;
  ok_ = uv_tcp_open(&handle_, socket) == 0;
  if (ok_) {
    uv_tcp_nodelay(&handle_, 1);
  } else {
    ::close(socket);
  }
}

PeerFacts TcpStream::peer() const {
  sockaddr_storage address{};
  int length = sizeof address;
  uv_tcp_getpeername(&handle_, reinterpret_cast<sockaddr*>(&address), &length);
  return facts_of(address);
}

bool TcpStream::has_input() const {
  uv_os_fd_t fd = -1;
  char octet = 0;
  return uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_), &fd) == 0 &&
         recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void TcpStream::on_alloc(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(read_buffer().data(), static_cast<unsigned>(read_buffer().size()));
}

void TcpStream::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* self = static_cast<TcpStream*>(stream->data);
  if (count == 0 || self->closing_) return;
  if (count > 0) {
    self->events_->on_read({buffer->base, static_cast<std::size_t>(count)});
    return;
  }
  self->stop_reading();
  self->events_->on_end(count == UV_EOF ? self->kind_of_end() : StreamEnd::kFailed);
}

// A reset that comes together with the last octets is an end to libuv, and its error is still to be fetched.
StreamEnd TcpStream::kind_of_end() const {
  pollfd polled{-1, 0, 0};
  const bool was_reset = uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_), &polled.fd) == 0 &&
                         ::poll(&polled, 1, 0) > 0 && (polled.revents & POLLERR) != 0;
  return was_reset ? StreamEnd::kReset : StreamEnd::kClosed;
}

void TcpStream::start_reading() {
  if (reading_ || closing_) return;
  reading_ = uv_read_start(reinterpret_cast<uv_stream_t*>(&handle_), &on_alloc, &on_read) == 0;
}

void TcpStream::stop_reading() {
  if (!reading_) return;
  reading_ = false;
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&handle_));
}

WriteState TcpStream::write(std::string& bytes) {
  if (closing_) return WriteState::kFailed;
  auto* stream = reinterpret_cast<uv_stream_t*>(&handle_);
  uv_buf_t buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
  // Nearly every reply fits into the socket's buffer: no request, no callback.
  const int sent = uv_try_write(stream, &buffer, 1);
  if (sent == static_cast<int>(bytes.size())) return WriteState::kDone;
  if (sent < 0 && sent != UV_EAGAIN) return WriteState::kFailed;
  if (sent > 0) bytes.erase(0, static_cast<std::size_t>(sent));
  writing_ = std::move(bytes);
  buffer = uv_buf_init(writing_.data(), static_cast<unsigned>(writing_.size()));
  write_request_.data = this;
  return uv_write(&write_request_, stream, &buffer, 1, &on_write) == 0 ? WriteState::kPending
                                                                       : WriteState::kFailed;
}

void TcpStream::on_write(uv_write_t* request, int status) {
  auto* self = static_cast<TcpStream*>(request->data);
  self->writing_ = {};
  if (!self->closing_) self->events_->on_written(status == 0);
}

void TcpStream::finish_writing() {
  if (closing_) return;
  uv_shutdown(&shutdown_request_, reinterpret_cast<uv_stream_t*>(&handle_), [](uv_shutdown_t*, int) {});
}

void TcpStream::close(std::function<void()> closed) {
  closing_ = true;
  reading_ = false;
  closed_ = std::move(closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* handle) {
    // The callback may destroy the stream: nothing of it is touched afterwards.
    auto callback = std::move(static_cast<TcpStream*>(handle->data)->closed_);
    callback();
  });
}

}  // namespace mailstead
