// The control socket: DATA/control.sock, by which the command line reaches the running server. See
// admin/control.h.
//
// Mode 0600; a caller must be of the server's own user or root. One request a connection, bounded in size and
// time. Commands run on the storage thread; a caller that has closed its socket by then gets nothing done.
// Ownership: one for the server; handles are freed in their close
// callbacks. Threads: the reactor.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "admin/command.h"
#include "protocols/result.h"
#include "server/log.h"
#include "server/storage_thread.h"

namespace mailstead {

class ControlServer {
 public:
  struct Context {
    StorageThread& storage;
    Log& log;
    BanList& bans;
    const RefusalList& refusals;
    std::string data;
    std::function<Config()> config;
    std::function<ServerFacts()> facts;
    std::function<void()> done;  // after each command, when it has been answered
  };

  ControlServer(uv_loop_t* loop, Context context);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // The folder's lock has to be held: what is left of an older socket is removed.
  Result<void> start();
  // No new callers; those being answered are let go when their answer is out, or after 2 s in which they did
  // not take it. The socket's file is removed.
  void stop();

 private:
  class Caller;

  void accept();
  void execute(Caller& caller, Request request);

  uv_loop_t* loop_;
  Context context_;
  uv_pipe_t* listener_ = nullptr;
  std::unordered_set<Caller*> callers_;
  std::shared_ptr<admin::ImportSpools> spools_;  // touched on the storage thread only
};

}  // namespace mailstead
