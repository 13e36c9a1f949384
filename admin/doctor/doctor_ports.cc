#include "admin/doctor/doctor_ports.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <list>

#include "admin/config/config_keys.h"
#include "admin/descriptor.h"
#include "admin/transfer/store_access.h"

namespace mailstead::admin {
namespace {

bool is_wildcard(const std::string& host) {
  return host == "::" || host == "0.0.0.0";
}

PortFacts::State state_after_bind(const ListenAddress& address) {
  using State = PortFacts::State;
  const auto ip = parse_ip(address.host);
  if (address.is_unix() || address.port == 0 || !ip) return State::kUnknown;
  sockaddr_storage to{};
  socklen_t length = 0;
  if (address.host.find(':') == std::string::npos) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(to);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, ip->octets.data() + 12, 4);
    length = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(to);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, ip->octets.data(), 16);
    length = sizeof v6;
  }
  const CallersRights rights;
  const Descriptor probe(::socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!probe) return State::kUnknown;
  // As the server does: connections that have just ended are not in the way.
  ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(probe.get(), reinterpret_cast<sockaddr*>(&to), length) == 0) return State::kFree;
  if (errno == EADDRINUSE) return State::kTaken;
  if (errno == EACCES || errno == EPERM) return State::kForbidden;
  return errno == EADDRNOTAVAIL ? State::kAbsent : State::kUnknown;
}

bool is_same_place(const ListenAddress& wanted, const ListenAddress& bound) {
  // On a machine without IPv6 the server takes 0.0.0.0 for "[::]".
  const bool same_host = wanted.host == bound.host || (is_wildcard(wanted.host) && is_wildcard(bound.host));
  return same_host && (wanted.port == bound.port || wanted.port == 0);
}

// What is said to a listener. TLS is begun where it expects that: a connection that is only cut off counts as
// a handshake that failed.
Dialogue dialogue_with(const std::string& service, const Config& config, const IpAddress& address,
                       std::uint16_t port) {
  using Kind = Dialogue::Kind;
  const auto& proxies = config.listen.proxy_protocol_from;
  const bool wants_header =
      std::ranges::any_of(proxies, [&](const IpNetwork& network) { return network.contains(address); });
  if (wants_header) return {address, port, Kind::kConnect};
  const bool is_smtp = service == "smtp" || service == "lmtp" || service.starts_with("submission");
  const Kind kind = is_smtp ? Kind::kSmtp : service.starts_with("pop3") ? Kind::kPop3 : Kind::kConnect;
  const bool is_tls = service == "submissions" || service == "pop3s" || service == "webs";
  return {address, port, kind, {}, is_tls ? Dialogue::Tls::kFromTheStart : Dialogue::Tls::kNone};
}

}  // namespace

std::vector<WantedListener> listeners_of(const Config& config) {
  Config own = config;  // the table's way to a value is one to change it
  std::vector<WantedListener> all;
  for (const ConfigKey& key : config_keys()) {
    const auto* listen = std::get_if<ListenKey>(&key.kind);
    if (listen == nullptr) continue;
    for (const ListenAddress& address : listen->at(own)) all.push_back({std::string(key.name), address});
  }
  return all;
}

std::vector<PortFacts> try_to_bind(const Config& config) {
  std::vector<PortFacts> ports;
  for (const WantedListener& wanted : listeners_of(config)) {
    ports.push_back({wanted.service, wanted.address.text(), state_after_bind(wanted.address)});
  }
  return ports;
}

IpAddress reachable(const std::string& host) {
  const auto address = parse_ip(host);
  return !address || is_wildcard(host) ? parse_ipv4("127.0.0.1").value() : *address;
}

ListenAddress parse_bound(const std::string& text) {
  ListenAddress address;
  const std::size_t colon = text.rfind(':');
  if (text.starts_with('/') || colon == std::string::npos) {
    address.host = text;
    return address;
  }
  address.host = text.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), address.port);
  return address;
}

void dial_ports(Outside& outside, const Config& config, const std::vector<ServerListener>& listeners,
                std::vector<PortFacts>& into) {
  using State = PortFacts::State;
  std::vector<std::pair<std::size_t, Dialogue>> dialogues;
  for (const WantedListener& wanted : listeners_of(config)) {
    const auto bound = std::ranges::find_if(listeners, [&](const ServerListener& each) {
      return each.service == wanted.service && is_same_place(wanted.address, parse_bound(each.address));
    });
    PortFacts port{wanted.service, wanted.address.text(), State::kMissing};
    if (bound != listeners.end()) {
      const ListenAddress place = parse_bound(bound->address);
      port.address = bound->address;
      port.state = place.is_unix() ? State::kUnknown : State::kSilent;
      port.words = "no answer";
      const IpAddress address = reachable(place.host);
      if (!place.is_unix())
        dialogues.push_back({into.size(), dialogue_with(wanted.service, config, address, place.port)});
    }
    into.push_back(std::move(port));
  }
  for (const auto& [place, dialogue] : dialogues) {
    outside.talk(dialogue, [&into, place = place, kind = dialogue.kind](const Heard& heard) {
      const bool has_greeted = !heard.replies.empty() && (heard.replies.front().starts_with("220") ||
                                                          heard.replies.front().starts_with("+OK"));
      const bool is_there = heard.is_connected && heard.failure.empty();
      const bool is_good = kind == Dialogue::Kind::kConnect ? is_there : has_greeted;
      into[place].state = is_good ? State::kListening : State::kSilent;
      into[place].words = heard.replies.empty() ? heard.failure : heard.replies.front();
    });
  }
}

}  // namespace mailstead::admin
