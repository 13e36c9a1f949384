// The control socket: DATA/control.sock, by which the command line reaches the running server. See
// admin/control.h.
//
// Mode 0600; a caller must be of the server's own user or root. One request a connection, bounded in size and
// time. A caller that has closed its socket before its turn gets nothing done.
// Ownership: one for the server; handles are freed in their close callbacks. Threads: the reactor.
#pragma once

#include <uv.h>

#include <unordered_set>

#include "admin/command.h"
#include "protocols/result.h"
#include "server/command_runner.h"

namespace mailstead {

class ControlServer {
 public:
  // `commands` outlives it.
  ControlServer(uv_loop_t* loop, CommandRunner& commands);
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
  CommandRunner& commands_;
  uv_pipe_t* listener_ = nullptr;
  std::unordered_set<Caller*> callers_;
};

}  // namespace mailstead
