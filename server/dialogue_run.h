// A few lines said to another server, one after the other, and what it answers: admin::Dialogue on a loop.
//
// Ownership: of who made it; it may be destroyed when is_over(). Threads: the reactor. Its deadlines are
// looked at by check(), which somebody calls a few times a second.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "admin/outside.h"
#include "protocols/smtp/reply_reader.h"
#include "server/net/dialer.h"
#include "server/net/stream.h"

namespace mailstead {

class DialogueRun final : private StreamEvents {
 public:
  using Done = std::function<void(const admin::Heard&)>;

  // `done` runs once, later; QUIT and what follows is of no more interest to it.
  DialogueRun(uv_loop_t* loop, admin::Dialogue dialogue, Done done);
  ~DialogueRun();
  DialogueRun(const DialogueRun&) = delete;
  DialogueRun& operator=(const DialogueRun&) = delete;

  void check();
  // Ends it at once; `done` does not run.
  void cancel();
  bool is_over() const { return state_ == State::kOver; }

 private:
  enum class State { kDialling, kSecuring, kTalking, kQuitting, kClosing, kOver };

  void on_connected(Result<int> socket);
  void on_secured(bool ok);
  void begin_to_talk();
  void on_read(std::string_view bytes) override;
  void on_end(StreamEnd end) override;
  void on_written(bool ok) override;
  void read_replies();
  bool take_reply(std::string& reply);
  void say_next();
  void say(std::string line);
  void tell(std::string failure);
  void quit();
  void close();
  void wait(std::uint64_t milliseconds);

  uv_loop_t* const loop_;
  const admin::Dialogue dialogue_;
  Done done_;  // empty once it has run
  admin::Heard heard_;
  State state_ = State::kDialling;
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<Stream> stream_;
  ReplyReader reader_;
  std::string input_;
  std::size_t said_ = 0;        // commands
  std::uint64_t deadline_ = 0;  // loop time, ms
};

}  // namespace mailstead
