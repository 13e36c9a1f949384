// The pump: one client's connection, its stream and its session, and the bytes between them.
//
// The same for SMTP and POP3, plain TCP and TLS. Bounds: at most kMaxPending octets of input wait for the
// session; input is read only while the client takes its replies. Deadlines are the session's (patience() and
// progress()), the handshake's (30 s) and the write's (a client that does not take its reply). Ownership:
// made by a listener, owned by the ConnectionSet it is given to; leaves it in its stream's last close
// callback. Threads: the reactor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/driver.h"
#include "server/log.h"
#include "server/net/stream.h"
#include "server/net/tcp_stream.h"
#include "server/net/tls_party.h"
#include "server/net/tls_stream.h"

namespace mailstead {

struct ConnectionOptions {
  PeerFacts peer;
  std::shared_ptr<const TlsParty> tls;  // for implicit TLS and STARTTLS; null: no TLS
  // Makes the driver with its session when the connection is ready for the protocol: at once, or after the
  // handshake of implicit TLS.
  std::function<std::shared_ptr<Driver>(const PeerFacts&)> make_driver;
  std::string input;             // what the client has said already, read from the stream before
  std::function<void()> closed;  // the connection is gone; destroy it
  // A TLS handshake has ended; empty: nobody wants to know. "TLSv1.3", or "failed".
  std::function<void(const std::string&)> handshaken = {};
};

enum class TlsStart { kImplicit, kOnCommand };

class Connection final : private StreamEvents {
 public:
  Connection(uv_loop_t* loop, std::unique_ptr<TcpStream> stream, Log& log, ConnectionOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start(TlsStart tls);
  // Mailboxes or passwords have changed: a session that may not go on says farewell when what it does now has
  // ended, and lets go of its maildrop.
  void check();
  // Called once a minute.
  void tidy() {
    if (driver_ != nullptr && !closing_) driver_->tidy();
  }
  // The server stops: the session says farewell when what it does now has ended.
  void shut_down();
  // Ends it at once.
  void close();

  const PeerFacts& peer() const { return options_.peer; }

 private:
  void on_read(std::string_view bytes) override;
  void on_end(StreamEnd end) override;
  void on_written(bool ok) override;

  void begin_protocol();
  void begin_tls(bool first);
  void secured(bool ok, bool first);
  void run();
  void run_guarded();
  // One step of the loop; false: nothing more can be done now.
  bool step();
  bool feed();
  bool await_answer();
  // Writes the session's output. True: it has all gone out.
  bool flush();
  void hear_out();
  void finish();
  void give_up(std::string_view why);

  void arm();
  void on_deadline();
  std::uint64_t now_ms() const { return uv_now(loop_); }

  uv_loop_t* loop_;
  Log& log_;
  ConnectionOptions options_;
  std::unique_ptr<Stream> stream_;
  TlsStream* tls_ = nullptr;  // stream_, when it is one
  std::shared_ptr<Driver> driver_;
  std::string pending_;  // input the session has not consumed
  uv_timer_t timer_{};
  std::uint64_t deadline_ = 0;  // loop time, ms
  std::uint64_t seen_progress_ = 0;
  bool handshaking_ = false;
  bool running_ = false;
  bool run_again_ = false;
  bool asked_ = false;      // the driver has the session's ask
  bool writing_ = false;    // a write is outstanding
  bool ended_ = false;      // no more input will come
  bool reset_ = false;      // nor will anybody hear an answer
  bool lingering_ = false;  // the farewell is out; waiting for the client to close
  bool broken_ = false;     // writes fail; what was said before is still read
  bool closing_ = false;
};

}  // namespace mailstead
