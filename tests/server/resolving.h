// A loop with a resolver that asks a server on loopback, for tests.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>

#include "server/resolver.h"

namespace mailstead::testing {

class ResolverHouse {
 public:
  // nullopt: not configured.
  explicit ResolverHouse(std::optional<std::uint16_t> port);
  // Ends the resolver, and then the loop has to be empty.
  ~ResolverHouse();

  static Config::Resolver configuration(std::uint16_t port);
  uv_loop_t* loop() { return &loop_; }
  // Throws std::runtime_error after a minute.
  void run_until(const std::function<bool()>& condition);
  DnsAnswer answer(const DnsQuestion& question);

 private:
  uv_loop_t loop_{};
  uv_timer_t tick_{};

 public:
  std::unique_ptr<Resolver> resolver;
};

}  // namespace mailstead::testing
