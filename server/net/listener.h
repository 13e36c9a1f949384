// Listening sockets. Binding and listening is done apart from accepting, so that a port in use is found
// before anything else has happened, and root can be given up between the two. Ownership: a Listener owns its
// socket, and frees its handles in their close callbacks. Threads: the reactor.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/config/config.h"
#include "protocols/result.h"
#include "server/net/tcp_stream.h"

namespace mailstead {

enum class Service { kSmtp, kSubmission, kSubmissions, kLmtp, kPop3, kPop3s, kHttp, kWeb, kWebs, kAcme };
const char* service_name(Service service);  // "smtp"
bool is_implicit_tls(Service service);
bool has_logins(Service service);
// Mail goes on without the others.
bool is_for_mail(Service service);

// A bound and listening socket.
struct BoundSocket {
  Service service = Service::kSmtp;
  ListenAddress wanted;  // as configured
  ListenAddress bound;   // as it is: the port that 0 became, 0.0.0.0 where the machine has no IPv6
  bool takes_ipv4 =
      false;    // wanted is [::], and no other listener is wanted on an IPv4 address and this port
  int fd = -1;  // whoever holds the value closes it; a Listener takes it over
  // Of a Unix socket: the file that was made for it.
  struct File {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const File&) const = default;
  };
  File file = {};
};

// Binds all that mail needs, or nothing. The error is one line that names the address and what to do; kInUse:
// something listens there. What mail does not need and cannot be bound is left out, with its error in
// `left_out`.
Result<std::vector<BoundSocket>> bind_all(const Config::Listen& listen, std::vector<Error>& left_out);
Result<BoundSocket> bind_one(Service service, const ListenAddress& address, const Config::Listen& all);
// The same by a second descriptor of `there`, when that has the very address that is asked for: then nothing
// has to be bound, which might be forbidden by now. fd is -1 when it has not.
BoundSocket take_over(const BoundSocket& there, Service service, const ListenAddress& address,
                      const Config::Listen& all);
// Is it what the configuration asks for?
bool is_wanted(const BoundSocket& socket, const Config::Listen& all);
// What the configuration asks for, in a fixed order.
std::vector<std::pair<Service, ListenAddress>> wanted_listeners(const Config::Listen& listen);

class Listener {
 public:
  struct Events {
    // Gets each new connection; a stream that is not ok() never comes. Must not destroy the listener.
    std::function<void(Listener&, std::unique_ptr<TcpStream>)> accepted;
    // The machine or the process has no descriptor or memory left for one more connection. Those who come
    // wait in the socket's queue; it is tried again each second.
    std::function<void(Listener&, int code)> exhausted;
  };

  Listener(uv_loop_t* loop, BoundSocket socket, Events events);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Result<void> start();
  // Stops listening, so that others can be bound to the port, but keeps its own claim on it: resume() needs
  // no right to bind. Start it first. False: somebody else listens there now.
  void pause();
  bool resume();

  Service service() const { return socket_.service; }
  const BoundSocket& socket() const { return socket_; }
  // Shared with the connections, which may outlive the listener.
  const std::shared_ptr<std::uint64_t> open_connections = std::make_shared<std::uint64_t>(0);

 private:
  int watch();
  void accept();
  void rest(int code);

  BoundSocket socket_;
  Events events_;
  uv_poll_t* poll_ = nullptr;  // null: not started
  uv_timer_t* rest_;
};

}  // namespace mailstead
