// One connection to a POP3 server, plain or over TLS, that never waits.
//
// Reads are by large pieces, so that TLS costs two system calls for a buffer and not for each record. A TLS
// handshake goes on inside read(); certificates are not looked at. Ownership: the socket. Threads: one.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace mailstead::bench {

class Client {
 public:
  enum class Outcome { kBytes, kNothingYet, kEnd };

  Client() = default;
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // To the loopback interface; `tls` may be nullptr. With TLS it is for the client to begin: read at once.
  void open(std::uint16_t port, SSL_CTX* tls);
  void close();
  int fd() const { return fd_; }

  Outcome read(char* into, std::size_t room, std::size_t& got);
  // All at once: commands are small, and whoever sends more than a socket takes is refused.
  void write(std::string_view bytes);

 private:
  friend struct Transport;
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  int fd_ = -1;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  // What came from the socket and TLS has not taken yet; nothing is held while there is nothing.
  std::unique_ptr<char[]> inbox_;
  std::size_t inbox_at_ = 0;
  std::size_t inbox_size_ = 0;
  bool ended_ = false;
};

// For Client::open.
SSL_CTX* tls_for_clients();

}  // namespace mailstead::bench
