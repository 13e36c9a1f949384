// What every protocol session looks like to the pump that moves its bytes.
//
// A session consumes bytes and produces bytes and asks. It does no I/O and knows no socket, file, clock or
// thread; so a whole dialogue runs in memory, at once, byte by byte, and split at every place.
//
// The pump's loop, after each call into the session:
//   1. take_output() and write it, all of it in one write;
//   2. look at wants():
//      kInput   hand over input by receive(); it returns how much it consumed, and may stop before the end
//               because it wants something else now. The rest is offered again later.
//      kAnswer  an ask waits (each session class has its own ask type); nothing is consumed until the answer.
//      kDrain   the output is long: call drained() when what was taken has been written.
//      kTls     write the output, then do the TLS handshake, then call tls_established(). Input that was
//               received and not consumed is dropped with the connection.
//      kClose   write the output, then close. Nothing more is consumed.
//
// Ownership: the pump owns the session. Threads: one at a time. Errors: none are returned; what is wrong on
// the wire becomes a reply. Memory: input that a session keeps and output that it makes ahead are bounded,
// see each class.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "protocols/smtp/envelope.h"

namespace mailstead {

// Octets of a command line with its CRLF, in every protocol; each may allow less. RFC 5321 4.5.3.1.4 wants
// 512 and room for what extensions add to MAIL and RCPT.
inline constexpr std::size_t kMaxCommandLine = 2048;
// Octets of output after which a session consumes and makes no more until they have been written.
inline constexpr std::size_t kOutputChunk = 64 * 1024;

// Refusals that a session keeps for the log between two calls of its take_refusals().
inline constexpr std::size_t kMaxRefusals = 32;

enum class Wants { kInput, kAnswer, kDrain, kTls, kClose };

class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  // Called once, first: makes the greeting.
  virtual void start() = 0;
  // Only while wants() is kInput. Returns the number of bytes consumed.
  virtual std::size_t receive(std::string_view bytes) = 0;
  // Only while wants() is kDrain.
  virtual void drained() = 0;
  // Only while wants() is kTls: the handshake is done; `facts` describe the connection from now on.
  virtual void tls_established(const PeerFacts& facts) = 0;
  // The state's deadline has passed: makes the reply that the protocol has for it, then kClose.
  virtual void timed_out() = 0;
  // The server stops: at once, or after what runs now has ended, makes the protocol's farewell (421, -ERR),
  // then kClose. A second call no longer waits for what the client still has to send.
  virtual void shut_down() = 0;

  virtual Wants wants() const = 0;

  // `empty` becomes the buffer of what is said next: one that grew already need not grow again.
  std::string take_output(std::string empty = {}) { return std::exchange(output_, std::move(empty)); }
  bool has_output() const { return !output_.empty(); }
  std::size_t output_size() const { return output_.size(); }  // octets

  // How long the state may last. The pump starts the clock anew only when progress() has changed: a complete
  // command, an answer, or a good piece of a message, never a single byte. So a slow drip does not extend it.
  virtual std::chrono::seconds patience() const = 0;
  std::uint64_t progress() const { return progress_; }

 protected:
  std::string output_;
  std::uint64_t progress_ = 0;
};

}  // namespace mailstead
