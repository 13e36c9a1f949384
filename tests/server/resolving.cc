#include "tests/server/resolving.h"

#include <cstdlib>
#include <stdexcept>

namespace mailstead::testing {

ResolverHouse::ResolverHouse(std::optional<std::uint16_t> port) {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &tick_);
  uv_timer_start(
      &tick_, [](uv_timer_t*) {}, 5, 5);
  resolver = std::make_unique<Resolver>(&loop_);
  if (port && !resolver->configure(configuration(*port))) throw std::runtime_error("cannot ask");
}

ResolverHouse::~ResolverHouse() {
  resolver = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  // A handle or socket that was forgotten.
  if (uv_loop_close(&loop_) != 0) std::abort();
}

Config::Resolver ResolverHouse::configuration(std::uint16_t port) {
  Config::Resolver config;
  config.servers = {{"127.0.0.1", port}};
  config.timeout = std::chrono::seconds(1);
  config.tries = 2;
  return config;
}

void ResolverHouse::run_until(const std::function<bool()>& condition) {
  const std::uint64_t end = uv_now(&loop_) + 60'000;
  while (!condition()) {
    uv_run(&loop_, UV_RUN_ONCE);
    if (uv_now(&loop_) > end) throw std::runtime_error("it did not happen");
  }
}

DnsAnswer ResolverHouse::answer(const DnsQuestion& question) {
  std::optional<DnsAnswer> answer;
  const auto ticket = resolver->ask(question, [&](const DnsAnswer& came) { answer = came; });
  run_until([&] { return answer.has_value(); });
  return *answer;
}

}  // namespace mailstead::testing
