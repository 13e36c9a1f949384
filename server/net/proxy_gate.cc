#include "server/net/proxy_gate.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "protocols/proxy_header.h"

namespace mailstead {
namespace {

// 2: a few seconds, and at least 3 because a packet may have to be sent again.
constexpr std::uint64_t kHeaderMs = 10'000;
constexpr std::uint64_t kUntoldMs = 60'000;

// What the header says of the peer. Loopback's privileges are for programs of this machine, and nobody gets
// them by a header: not who claims 127.0.0.1, and not who comes by a proxy that runs here.
PeerFacts told_by(const ProxyHeader& header, const PeerFacts& proxy) {
  PeerFacts peer;
  peer.address = header.source ? header.source->text() : proxy.address;
  peer.proxy = !header.source;
  return peer;
}

}  // namespace

// One who waits. Destroyed by its own last close callback.
class ProxyGate::Visitor final : private StreamEvents {
 public:
  Visitor(ProxyGate& gate, NewConnection connection) : gate_(gate), connection_(std::move(connection)) {
    uv_timer_init(gate_.loop_, &timer_);
    timer_.data = this;
    connection_.stream->set_events(this);
  }

  void start() {
    // One deadline for all of it: a drip of octets does not extend it.
    uv_timer_start(
        &timer_,
        [](uv_timer_t* timer) { static_cast<Visitor*>(timer->data)->refuse("none came within 10 s"); },
        kHeaderMs, 0);
    connection_.stream->start_reading();
  }

  void close() {
    if (!leave()) return;
    connection_.stream->close([this] { vanish(); });
  }

 private:
  void on_read(std::string_view bytes) override {
    connection_.input.append(bytes);
    const ProxyHeader header = read_proxy_header(connection_.input);
    if (header.state == ProxyHeaderState::kBad) return refuse(header.fault);
    if (header.state == ProxyHeaderState::kWhole) pass(header);
  }

  void on_end(StreamEnd) override {
    // Who says nothing at all only looks whether somebody listens, as monitors do.
    if (connection_.input.empty()) return close();
    refuse("the connection ended within it");
  }

  void on_written(bool) override {}

  void refuse(std::string_view why) {
    gate_.complain(connection_, why);
    close();
  }

  void pass(const ProxyHeader& header) {
    if (!leave()) return;
    NewConnection connection = std::move(connection_);
    connection.input.erase(0, header.octets);
    const PeerFacts proxy = std::exchange(connection.peer, told_by(header, connection.peer));
    if (gate_.log_.enabled(LogLevel::kDebug)) {
      gate_.log_.event(LogLevel::kDebug, "proxied",
                       {{"service", service_name(connection.service)},
                        {"peer", connection.peer.address},
                        {"proxy", proxy.address}});
    }
    vanish();
    gate_.passed_(std::move(connection));
  }

  // False: it has left already.
  bool leave() {
    if (std::exchange(left_, true)) return false;
    --gate_.waiting_;
    uv_timer_stop(&timer_);
    return true;
  }

  void vanish() {
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), [](uv_handle_t* handle) {
      auto* self = static_cast<Visitor*>(handle->data);
      self->gate_.visitors_.erase(self);
    });
  }

  ProxyGate& gate_;
  NewConnection connection_;  // its input: what has come of the header
  uv_timer_t timer_{};
  bool left_ = false;
};

ProxyGate::ProxyGate(uv_loop_t* loop, Log& log, std::function<void(NewConnection)> passed)
    : loop_(loop), log_(log), passed_(std::move(passed)) {}

ProxyGate::~ProxyGate() = default;

void ProxyGate::hold(NewConnection connection) {
  auto visitor = std::make_unique<Visitor>(*this, std::move(connection));
  Visitor& held = *visitor;
  visitors_.emplace(&held, std::move(visitor));
  ++waiting_;
  held.start();
}

void ProxyGate::close_all() {
  // They are erased only in a later turn of the loop.
  for (const auto& entry : visitors_) entry.second->close();
}

void ProxyGate::complain(const NewConnection& connection, std::string_view why) {
  const bool silent = uv_now(loop_) < silent_until_;
  if (silent) ++untold_;
  if (silent && !log_.enabled(LogLevel::kDebug)) return;
  std::vector<LogField> fields = {
      {"service", service_name(connection.service)},
      {"peer", connection.peer.address},
      {"why", std::string(why)},
      {"what",
       "listen.proxy_protocol_from of the configuration has this address, so its connections must begin with "
       "a PROXY header; make the proxy send it (haproxy: send-proxy-v2), or take the address out"}};
  if (silent) return log_.event(LogLevel::kDebug, "proxy-header-wrong", fields);
  if (untold_ > 0) fields.push_back({"untold", fmt::format("{}", std::exchange(untold_, 0))});
  log_.warning("proxy-header-wrong", fields);
  silent_until_ = uv_now(loop_) + kUntoldMs;
}

}  // namespace mailstead
