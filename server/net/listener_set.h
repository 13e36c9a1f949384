// The server's listeners as a whole: what the start bound, and what a reload changes of it. Threads: the
// reactor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/log.h"
#include "server/net/listener.h"

namespace mailstead {

class ListenerSet {
 public:
  // `accepted` as Listener's.
  ListenerSet(uv_loop_t* loop, Log& log, std::function<void(Listener&, std::unique_ptr<TcpStream>)> accepted);

  // Accepts on what is bound: all of it, or the error, and nothing. The sockets are taken over in any case.
  Result<void> start(std::vector<BoundSocket> bound);
  // Closes what is no longer asked for, opens what is new: all that mail needs, or the error, and everything
  // stays as it was. Where an old address is in the new one's way it stops listening, but goes only when the
  // new one is there.
  Result<void> change_to(const Config::Listen& listen);
  void close_all() { listeners_.clear(); }
  // Opens what mail does not need and what was left out, where it can be by now. Quiet where it cannot.
  void try_left_out(const Config::Listen& listen);
  // Something that mail does not need could not be bound.
  void tell_left_out(const Error& error);

  const std::vector<std::unique_ptr<Listener>>& all() const { return listeners_; }

 private:
  using Listeners = std::vector<std::unique_ptr<Listener>>;
  struct Change;

  bool has(Service service, const ListenAddress& address, const std::vector<Listener*>& leaving) const;
  Result<void> add(Service service, const ListenAddress& address, Change& change);
  Result<std::unique_ptr<Listener>> open(BoundSocket socket);
  void keep(std::unique_ptr<Listener> listener);
  Error undo(Change& change, Error why);
  void complain(const Listener& listener, int code);

  uv_loop_t* loop_;
  Log& log_;
  std::function<void(Listener&, std::unique_ptr<TcpStream>)> accepted_;
  Listeners listeners_;
  std::uint64_t silent_until_ = 0;  // loop time, ms: nothing is said of descriptors before
};

}  // namespace mailstead
