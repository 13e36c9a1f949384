#include "server/net/listener_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace mailstead {
namespace {

constexpr std::uint64_t kSilenceMs = 60'000;

bool contains(const std::vector<Listener*>& some, const Listener* one) {
  return std::find(some.begin(), some.end(), one) != some.end();
}

std::vector<LogField> fields_of(const Listener& listener) {
  return {{"service", service_name(listener.service()), LogField::Style::kPlain},
          {"address", listener.socket().bound.text(), LogField::Style::kPlain}};
}

}  // namespace

struct ListenerSet::Change {
  const Config::Listen& listen;
  std::vector<Listener*> leaving;  // the configuration no longer asks for them
  std::vector<Listener*> taken;    // of those: their sockets live on in new ones
  std::vector<Listener*> paused;   // of those: were in a new one's way
  Listeners fresh;
};

ListenerSet::ListenerSet(uv_loop_t* loop, Log& log,
                         std::function<void(Listener&, std::unique_ptr<TcpStream>)> accepted)
    : loop_(loop), log_(log), accepted_(std::move(accepted)) {}

Result<void> ListenerSet::start(std::vector<BoundSocket> bound) {
  Listeners started;
  std::optional<Error> failed;
  for (BoundSocket& socket : bound) {
    auto listener = open(std::move(socket));
    if (listener.has_value()) {
      started.push_back(*std::move(listener));
    } else if (!failed.has_value()) {
      failed = listener.error();
    }
  }
  if (failed.has_value()) return *failed;
  for (auto& listener : started) keep(std::move(listener));
  return {};
}

Result<void> ListenerSet::change_to(const Config::Listen& listen) {
  Change change{listen, {}, {}, {}, {}};
  for (const auto& listener : listeners_) {
    if (!is_wanted(listener->socket(), listen)) change.leaving.push_back(listener.get());
  }
  for (const auto& [service, address] : wanted_listeners(listen)) {
    if (has(service, address, change.leaving)) continue;
    auto added = add(service, address, change);
    if (!added && !is_for_mail(service)) {
      tell_left_out(added.error());
    } else if (!added) {
      return undo(change, added.error());
    }
  }
  std::erase_if(listeners_, [&](const auto& listener) {
    if (!contains(change.leaving, listener.get())) return false;
    log_.info("closed", fields_of(*listener));
    return true;
  });
  for (auto& listener : change.fresh) keep(std::move(listener));
  return {};
}

bool ListenerSet::has(Service service, const ListenAddress& address,
                      const std::vector<Listener*>& leaving) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& listener) {
    return !contains(leaving, listener.get()) && listener->service() == service &&
           listener->socket().wanted == address;
  });
}

void ListenerSet::try_left_out(const Config::Listen& listen) {
  for (const auto& [service, address] : wanted_listeners(listen)) {
    if (is_for_mail(service) || has(service, address, {})) continue;
    auto socket = bind_one(service, address, listen);
    if (!socket.has_value()) continue;
    auto listener = open(*std::move(socket));
    if (listener.has_value()) keep(*std::move(listener));
  }
}

void ListenerSet::tell_left_out(const Error& error) {
  log_.warning("listen-left-out", {{"why", error.message}, {"what", "mail goes on without it"}});
}

Result<void> ListenerSet::add(Service service, const ListenAddress& address, Change& change) {
  for (Listener* old : change.leaving) {
    if (contains(change.taken, old) || contains(change.paused, old)) continue;
    BoundSocket socket = take_over(old->socket(), service, address, change.listen);
    if (socket.fd < 0) continue;
    change.taken.push_back(old);
    auto listener = open(std::move(socket));
    if (!listener.has_value()) return listener.error();
    change.fresh.push_back(*std::move(listener));
    return {};
  }
  auto socket = bind_one(service, address, change.listen);
  if (!socket.has_value() && socket.error().kind == ErrorKind::kInUse) {
    // Perhaps by what is to go anyway.
    for (Listener* old : change.leaving) {
      if (address.is_unix() || old->socket().bound.port != address.port || contains(change.taken, old) ||
          contains(change.paused, old)) {
        continue;
      }
      old->pause();
      change.paused.push_back(old);
    }
    socket = bind_one(service, address, change.listen);
  }
  if (!socket.has_value()) return socket.error();
  auto listener = open(*std::move(socket));
  if (!listener.has_value()) return listener.error();
  change.fresh.push_back(*std::move(listener));
  return {};
}

Result<std::unique_ptr<Listener>> ListenerSet::open(BoundSocket socket) {
  auto listener = std::make_unique<Listener>(
      loop_, std::move(socket),
      Listener::Events{accepted_, [this](Listener& at, int code) { complain(at, code); }});
  if (auto started = listener->start(); !started.has_value()) return started.error();
  return listener;
}

void ListenerSet::keep(std::unique_ptr<Listener> listener) {
  log_.info("listening", fields_of(*listener));
  listeners_.push_back(std::move(listener));
}

// `why` with what else there is to say.
Error ListenerSet::undo(Change& change, Error why) {
  change.fresh.clear();  // they would be in the old ones' way
  for (Listener* old : change.paused) {
    if (old->resume()) continue;
    const BoundSocket lost = old->socket();
    std::erase_if(listeners_, [old](const auto& listener) { return listener.get() == old; });
    auto again = bind_one(lost.service, lost.bound, change.listen);
    if (again.has_value()) {
      again->wanted = lost.wanted;
      if (auto listener = open(*std::move(again)); listener.has_value()) {
        keep(*std::move(listener));
        continue;
      }
    }
    why.message += fmt::format("; {} on {} was lost over it: restart the server", service_name(lost.service),
                               lost.bound.text());
  }
  return why;
}

void ListenerSet::complain(const Listener& listener, int code) {
  if (uv_now(loop_) < silent_until_) return;
  silent_until_ = uv_now(loop_) + kSilenceMs;
  log_.error("accept-failed", {{"service", service_name(listener.service())},
                               {"address", listener.socket().bound.text()},
                               {"why", std::strerror(code)},
                               {"what", "new connections wait; this is said once a minute"}});
}

}  // namespace mailstead
