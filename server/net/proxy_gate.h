// Connections from proxies, from their acceptance until their PROXY header has come
// (protocols/proxy_header.h).
//
// Nothing is said to them before: a protocol whose server speaks first begins behind the header, and TLS too.
// A connection whose header is wrong, or does not come within 10 s, is closed without a word; the log tells
// of it, but once a minute at most. Each holds what has come of its header, at most kMaxProxyHeader octets
// and one read; how many may wait is the caller's business. Ownership: the gate owns those who wait, and
// frees each in its last close callback; it may be destroyed only when the loop has run these. Threads: the
// reactor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "server/log.h"
#include "server/net/new_connection.h"

namespace mailstead {

class ProxyGate {
 public:
  // `passed` gets each connection whose header has come, with the peer that the header tells of.
  ProxyGate(uv_loop_t* loop, Log& log, std::function<void(NewConnection)> passed);
  ~ProxyGate();
  ProxyGate(const ProxyGate&) = delete;
  ProxyGate& operator=(const ProxyGate&) = delete;

  void hold(NewConnection connection);
  // Those who wait for their header.
  std::size_t waiting() const { return waiting_; }
  // Ends them all.
  void close_all();

 private:
  class Visitor;

  void complain(const NewConnection& connection, std::string_view why);

  uv_loop_t* loop_;
  Log& log_;
  std::function<void(NewConnection)> passed_;
  std::unordered_map<Visitor*, std::unique_ptr<Visitor>> visitors_;
  std::size_t waiting_ = 0;
  std::uint64_t silent_until_ = 0;  // loop time, ms
  std::uint64_t untold_ = 0;        // since the last line
};

}  // namespace mailstead
