// A connection to an SMTP server in the clear that never waits.
//
// Ownership: the socket. Threads: one. A program registers fd() with its epoll once after open():
// level-triggered, for reading, and for writing as long as busy() says so.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::bench {

class SmtpChannel {
 public:
  SmtpChannel() = default;
  ~SmtpChannel() { close(); }
  SmtpChannel(const SmtpChannel&) = delete;
  SmtpChannel& operator=(const SmtpChannel&) = delete;

  // From the loopback address 127.0.1.`source`, or from where the kernel likes when that is 0.
  void open(const sockaddr_in& server, std::uint8_t source);
  void close();
  int fd() const { return fd_; }

  // Takes what has come; false when the server has closed or the connection broke.
  bool receive();
  // The next whole reply, all of its lines with their ends. Lasts until the next receive().
  std::optional<std::string_view> reply();

  // Sends the three one after the other, as far as the socket takes them now. Nothing may be busy() before;
  // the two views have to last until that is so again.
  void send(std::string first, std::string_view second = {}, std::string_view third = {},
            std::string_view fourth = {});
  // After epoll has said that the socket can be written. False when the connection broke.
  bool flush();
  bool busy() const { return left_ > 0; }

 private:
  int fd_ = -1;
  std::string received_;
  std::size_t taken_ = 0;
  std::string first_;
  std::array<std::string_view, 4> pieces_;
  std::size_t left_ = 0;  // octets of the pieces
};

}  // namespace mailstead::bench
