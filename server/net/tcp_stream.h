// A TCP connection, or one over a Unix socket, as a Stream. See stream.h.
//
// The process has to ignore SIGPIPE: libuv writes without MSG_NOSIGNAL, and a client may have reset the
// connection by then. Writing to it then is WriteState::kFailed.
#pragma once

#include <uv.h>

#include <string>

#include "server/net/stream.h"

namespace mailstead {

class TcpStream final : public Stream {
 public:
  // Takes over a connected, non-blocking socket. Check ok(): when it is false, only close() may be called.
  TcpStream(uv_loop_t* loop, int socket);

  bool ok() const { return ok_; }
  // The other side's address without port; IPv4-mapped IPv6 addresses as IPv4. Over a Unix socket there is
  // none, and it is the machine itself.
  PeerFacts peer() const;
  // Has the other side sent something that nobody has read yet?
  bool has_input() const;

  void set_events(StreamEvents* events) override { events_ = events; }
  void start_reading() override;
  void stop_reading() override;
  WriteState write(std::string& bytes) override;
  void finish_writing() override;
  void close(std::function<void()> closed) override;

 private:
  static void on_alloc(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer);
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  StreamEnd kind_of_end() const;
  static void on_write(uv_write_t* request, int status);

  uv_tcp_t handle_{};
  uv_write_t write_request_{};
  uv_shutdown_t shutdown_request_{};
  std::string writing_;  // kept while the write is outstanding
  StreamEvents* events_ = nullptr;
  std::function<void()> closed_;
  bool ok_ = false;
  bool reading_ = false;
  bool closing_ = false;
};

}  // namespace mailstead
