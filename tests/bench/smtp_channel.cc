#include "bench/smtp_channel.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bench/give_up.h"

namespace mailstead::bench {

namespace {

constexpr std::size_t kReceived = 4096;
constexpr std::uint32_t kSources = 0x7F000100;  // 127.0.1.0

}  // namespace

void SmtpChannel::open(const sockaddr_in& server, std::uint8_t source) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) give_up(std::string("no socket: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source != 0) {
    // The port is chosen when the destination is known, or 28,000 would be all for one address.
    ::setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(kSources + source);
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0)
      give_up(std::string("cannot use 127.0.1.0/24: ") + std::strerror(errno));
  }
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0 && errno != EINPROGRESS)
    give_up(std::string("cannot connect: ") + std::strerror(errno));
}

void SmtpChannel::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  received_.clear();
  taken_ = 0;
  left_ = 0;
}

bool SmtpChannel::receive() {
  received_.erase(0, taken_);
  taken_ = 0;
  std::array<char, kReceived> buffer;
  while (true) {
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    received_.append(buffer.data(), static_cast<std::size_t>(got));
    if (static_cast<std::size_t>(got) < buffer.size()) return true;
  }
}

std::optional<std::string_view> SmtpChannel::reply() {
  const std::string_view all = std::string_view(received_).substr(taken_);
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = all.find("\r\n", begin);
    if (end == std::string_view::npos) return std::nullopt;
    const bool goes_on = end - begin > 3 && all[begin + 3] == '-';
    begin = end + 2;
    if (!goes_on) break;
  }
  taken_ += begin;
  return all.substr(0, begin);
}

void SmtpChannel::send(std::string first, std::string_view second, std::string_view third,
                       std::string_view fourth) {
  first_ = std::move(first);
  pieces_ = {first_, second, third, fourth};
  left_ = first_.size() + second.size() + third.size() + fourth.size();
  flush();  // a broken connection is seen by the next receive()
}

bool SmtpChannel::flush() {
  while (left_ > 0) {
    std::array<iovec, 4> parts{};
    std::size_t count = 0;
    for (const std::string_view piece : pieces_) {
      if (!piece.empty()) parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == ENOTCONN;
    left_ -= static_cast<std::size_t>(sent);
    auto gone = static_cast<std::size_t>(sent);
    for (std::string_view& piece : pieces_) {
      const std::size_t part = std::min(gone, piece.size());
      piece.remove_prefix(part);
      gone -= part;
    }
  }
  return true;
}

}  // namespace mailstead::bench
