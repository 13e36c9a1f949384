// TLS (RFC 8446, 5246) over another Stream, by BoringSSL and two memory BIOs. See stream.h.
//
// The handshake begins with the construction and ends with on_secured(). Until then nothing may be written.
#pragma once

#include <openssl/base.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/net/stream.h"
#include "server/net/tls_party.h"

namespace mailstead {

class TlsStream final : public Stream, private StreamEvents {
 public:
  // Takes over `below`, which must not have a write outstanding. What makes
  // the SSL must outlive it, so it is kept. `secured` is called once when the handshake has ended, with false
  // when it failed; then the stream can only be closed.
  TlsStream(std::unique_ptr<Stream> below, std::shared_ptr<const TlsParty> party,
            std::function<void(bool ok)> secured);
  ~TlsStream() override;

  // Begins the handshake; events have to be set before. `input` was read from the stream below already.
  void handshake(std::string_view input);
  // After the handshake: fills in version, cipher and channel bindings.
  void describe(PeerFacts& facts) const;
  // After the handshake: an authority looked whether a name is ours (RFC 8737), and nothing may follow.
  bool was_validation() const;

  void set_events(StreamEvents* events) override { events_ = events; }
  void start_reading() override;
  void stop_reading() override;
  WriteState write(std::string& bytes) override;
  void finish_writing() override;
  void close(std::function<void()> closed) override;

 private:
  void on_read(std::string_view bytes) override;
  void on_end(StreamEnd end) override;
  void on_written(bool ok) override;

  void advance_handshake();
  void deliver();
  void end(StreamEnd how);
  // Hands what BoringSSL wants to send to the stream below.
  void flush();

  enum class State { kHandshake, kOpen, kEnded };

  std::unique_ptr<Stream> below_;
  std::shared_ptr<const TlsParty> party_;
  bssl::UniquePtr<SSL> ssl_;
  std::function<void(bool)> secured_;
  StreamEvents* events_ = nullptr;
  State state_ = State::kHandshake;
  bool reading_ = false;
  bool delivering_ = false;     // inside deliver(): start_reading() must not enter it again
  bool writing_below_ = false;  // a write of the stream below is outstanding
  bool broken_ = false;         // the stream below cannot be written any more
  bool finish_when_flushed_ = false;
  bool notify_when_flushed_ = false;  // the user's write is outstanding
  bool below_ended_ = false;
  StreamEnd end_below_ = StreamEnd::kTruncated;  // what that is without a closing alert
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace mailstead
