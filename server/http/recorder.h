// Takes a sample of what the server does every ten seconds: history.h.
//
// Ownership: one for the server. Threads: the reactor; the store's thread adds up what is in the mailboxes.
#pragma once

#include <uv.h>

#include <functional>
#include <utility>

#include "admin/command.h"
#include "server/http/history.h"
#include "server/storage_thread.h"

namespace mailstead {

class Recorder {
 public:
  struct Context {
    uv_loop_t* loop;
    StorageThread& storage;
    std::function<ServerFacts()> facts;
  };
  explicit Recorder(Context context) : context_(std::move(context)) {}

  void start();
  // Nothing of it runs any more.
  void stop();
  const History& history() const { return history_; }

 private:
  void take_sample();

  Context context_;
  uv_timer_t timer_{};
  bool is_running_ = false;
  bool is_taking_ = false;
  History history_;
};

}  // namespace mailstead
