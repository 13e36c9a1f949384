// A loop with one listener on loopback, for tests of the pump: the server's side runs in the test's thread, a
// client's side in a thread of its own with blocking calls.
#pragma once

#include <uv.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/log.h"
#include "server/net/connection_set.h"
#include "server/net/listener.h"
#include "server/net/proxy_gate.h"

namespace mailstead::testing {

// A session of one command a line: the test decides what a line does.
class LineSession final : public Session {
 public:
  void start() override { output_ = "hello\r\n"; }
  std::size_t receive(std::string_view bytes) override;
  void drained() override;
  void tls_established(const PeerFacts& facts) override;
  void timed_out() override;
  void shut_down() override;
  Wants wants() const override { return wants_; }
  std::chrono::seconds patience() const override { return patience_; }

  void answer(const std::string& text);

  std::string lines;            // all that was understood, for the test to look at
  std::atomic<int> drains = 0;  // also read by the client's thread

 private:
  void run(const std::string& line);

  std::string partial_;
  Wants wants_ = Wants::kInput;
  std::chrono::seconds patience_{60};
  int chunks_left_ = 0;
};

class LineDriver final : public Driver {
 public:
  Session& session() override { return line_session; }
  Answered answer_ask() override;
  void secured(const PeerFacts& peer) override { line_session.tls_established(peer); }
  bool answers_to_nobody() override {
    end_seen = true;
    return futile;
  }
  void before_farewell() override { ++farewells; }
  bool hears_last_words() const override { return true; }
  void connection_closed(std::string_view unread) override {
    closed = true;
    last_words = unread;
  }

  LineSession line_session;
  std::function<Answered(LineDriver&)> on_ask;
  void resume_now() { resume(); }
  std::atomic<bool> end_seen = false;  // the client's half ended before the answer; also read by its thread
  bool futile = false;                 // its asks change nothing but what the session says
  int farewells = 0;
  bool closed = false;
  std::string last_words;  // that no session has had
};

enum class Entry { kDirect, kProxyGate };

class Loopback {
 public:
  explicit Loopback(TlsStart tls = TlsStart::kOnCommand, std::shared_ptr<const TlsParty> context = nullptr,
                    Entry entry = Entry::kDirect);
  ~Loopback();

  std::uint16_t port() const { return port_; }
  uv_loop_t* loop() { return &loop_; }
  // Runs the client in a thread and the loop until the client has returned and its connections are gone.
  void run(const std::function<void(std::uint16_t port)>& client);

  std::shared_ptr<LineDriver> driver = std::make_shared<LineDriver>();
  ConnectionSet connections;
  ProxyGate gate{&loop_, log_, [this](NewConnection connection) { admit(std::move(connection)); }};
  std::optional<PeerFacts> claimed;  // what a connection's peer is taken for
  PeerFacts peer;                    // what the last driver was made for

 private:
  void admit(NewConnection connection);

  uv_loop_t loop_{};
  Log log_{LogLevel::kError, LogFormat::kText};
  TlsStart tls_;
  std::shared_ptr<const TlsParty> context_;
  Entry entry_;
  std::unique_ptr<Listener> listener_;
  std::uint16_t port_ = 0;
};

// A blocking client. Throws std::runtime_error when something takes longer than a minute.
class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  void send(std::string_view bytes);
  std::string read_line();
  std::string read_all();  // to the end of the stream
  void half_close();
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace mailstead::testing
