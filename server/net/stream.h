// A byte stream to a client: TCP, or TLS that wraps another stream.
//
// Ownership: whoever made a stream owns it; it may be destroyed only after close()'s callback has run.
// Threads: the reactor. At most one write is outstanding. Callbacks never run from inside a call into the
// stream, with one exception: start_reading() of a TLS stream may deliver at once what it had decrypted
// already.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "protocols/smtp/envelope.h"

namespace mailstead {

// Why no more bytes will come.
enum class StreamEnd {
  kClosed,     // the other side ended its half properly
  kTruncated,  // TLS: the transport ended without the closing alert (RFC 8446 6.1)
  kReset,      // behind what was read the connection was reset: nobody hears an answer any more
  kFailed,     // reset before that could be read, or a TLS error
};

class StreamEvents {
 public:
  // The bytes are good only during the call.
  virtual void on_read(std::string_view bytes) = 0;
  virtual void on_end(StreamEnd end) = 0;
  // The outstanding write is done; `ok` is false when the stream is broken.
  virtual void on_written(bool ok) = 0;

 protected:
  ~StreamEvents() = default;
};

enum class WriteState {
  kDone,     // all of it went to the kernel; no callback will come
  kPending,  // on_written() will come
  kFailed,   // the stream is broken; no callback will come
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual void set_events(StreamEvents* events) = 0;
  virtual void start_reading() = 0;
  virtual void stop_reading() = 0;
  // Only when no write is outstanding. Afterwards `bytes` hold nothing of use, but with kDone their buffer is
  // the caller's to use again.
  virtual WriteState write(std::string& bytes) = 0;
  // No more will be written (FIN, or TLS's closing alert and FIN).
  virtual void finish_writing() = 0;
  // Ends the stream at once; no other callback comes any more. Call it once.
  virtual void close(std::function<void()> closed) = 0;
};

}  // namespace mailstead
