// Sends queries to DNS servers and hands back their answers as octets: c-ares on the reactor, its sockets
// polled by libuv and its timeouts by one timer. Asks the next server when one fails, and by TCP what does
// not fit into a datagram.
//
// Ownership: handles are freed in their close callbacks; a channel that is destroyed answers nobody any more.
// It must not be destroyed within an `Answered`. Threads: the reactor.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "admin/config.h"
#include "protocols/result.h"

struct ares_channeldata;

namespace mailstead {

class DnsChannel {
 public:
  // The octets of an answer, valid during the call; empty: none came. May run within send().
  using Answered = std::function<void(std::string_view message)>;

  static Result<std::unique_ptr<DnsChannel>> open(uv_loop_t* loop, const Config::Resolver& config);
  ~DnsChannel();
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  void send(const std::string& query, Answered answered);

  // Nobody stands between us and the servers: all of them are on this machine, or were named by the
  // administrator. Else an answer's AD bit means nothing (RFC 6698 A.3).
  bool is_trusted() const { return trusted_; }

 private:
  struct Sent;

  explicit DnsChannel(uv_loop_t* loop);
  Result<void> start(const Config::Resolver& config);
  Result<void> use_servers(const Config::Resolver& config);
  void watch(int socket, int events);
  void process(int readable, int writable);
  void arm();

  uv_loop_t* loop_;
  ares_channeldata* channel_ = nullptr;
  uv_timer_t* timer_;
  std::unordered_map<int, uv_poll_t*> polls_;  // by their sockets, which c-ares owns
  bool trusted_ = false;
  bool closing_ = false;
};

}  // namespace mailstead
