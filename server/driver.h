// What stands between a protocol session and the house: answers its asks, and watches whether it may go on.
//
// A driver owns its session. It outlives the connection when an answer is still on its way: the callback of
// work that was posted holds a shared_ptr to the driver, and resume() does nothing once the connection has
// gone. Threads: the reactor.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "protocols/session.h"

namespace mailstead {

enum class Answered {
  kNow,    // the session has its answer
  kLater,  // resume() will be called
};

class Driver : public std::enable_shared_from_this<Driver> {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  virtual Session& session() = 0;
  // The session wants an answer: give it now, or post work that gives it later and then calls resume().
  virtual Answered answer_ask() = 0;
  // The client has ended its half and left no command behind: does the ask that is being answered change
  // nothing but what this session may do next? Then nobody has any use for the answer, and the connection
  // goes.
  virtual bool answers_to_nobody() { return false; }
  // Called before input is handed to the session: the place to end a session that may not go on.
  virtual void check_session() {}
  // The TLS handshake that the session asked for is done: tell it.
  virtual void secured(const PeerFacts& peer) = 0;
  // The handshake that the session asked for has failed; the connection ends.
  virtual void handshake_failed() {}
  // The session wants to close; its last words have not been written yet.
  virtual void before_farewell() {}
  // Called after each run of the pump: the place to log what the session did.
  virtual void after_run() {}
  // Called once a minute: the place to let go of what an idle session needs not.
  virtual void tidy() {}
  // May the other side have said why it takes no more before it closed? Then the connection looks for that
  // where a write fails.
  virtual bool hears_last_words() const { return false; }
  // The connection has ended; no resume() will be heard any more. `unread`: input that no session has had.
  virtual void connection_closed(std::string_view /*unread*/) {}

  void set_resume(std::function<void()> resume) { resume_ = std::move(resume); }

 protected:
  void resume() {
    if (resume_) resume_();
  }

 private:
  std::function<void()> resume_;
};

}  // namespace mailstead
