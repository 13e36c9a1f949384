// The server: who is let in, and who is not.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "server/server.h"

namespace mailstead {
namespace {

// Files that are no connection's: a group of 64 deliveries with its maildirs (320), callers of the control
// socket (128), the way out (a socket and a message for each of queue.connections), and the database,
// listeners, certificates and what the threads wake the loop by.
constexpr std::uint32_t kReservedFiles = 640;
constexpr std::uint64_t kHiddenToldMs = 86'400'000;

// In the protocol's words.
std::string refusal_text(Service service, const std::string& hostname, std::string_view reason) {
  if (service == Service::kPop3) return fmt::format("-ERR [SYS/TEMP] {}, try again later\r\n", reason);
  if (!is_for_mail(service))
    return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  return fmt::format("421 4.7.0 {} {}, try again later\r\n", hostname, reason);
}

}  // namespace

// A connection may hold a second file: the message that it receives, or the one that it reads.
std::uint32_t Server::most_connections() const {
  const std::uint32_t reserved = std::min(file_limit_ / 2, kReservedFiles);
  return std::min(config_.limits.connections, (file_limit_ - reserved) / 2);
}

void Server::tell_of_file_limit() const {
  if (most_connections() >= config_.limits.connections) return;
  log_.warning("connections-limited",
               {{"connections", fmt::format("{}", most_connections())},
                {"configured", fmt::format("{}", config_.limits.connections)},
                {"what", fmt::format("the limit of {} open files is enough for fewer connections than "
                                     "limits.connections of the configuration; raise it (ulimit -n, "
                                     "LimitNOFILE= of systemd) to {}, or lower limits.connections",
                                     file_limit_, 2ULL * config_.limits.connections + kReservedFiles)}});
}

void Server::accept(Listener& listener, std::unique_ptr<TcpStream> stream) {
  const PeerFacts peer = stream->peer();
  NewConnection connection{listener.service(), listener.open_connections, std::move(stream), peer, {}};
  // Who waits at the gate has a socket as well.
  if (connections_.size() + proxy_gate_.waiting() >= most_connections()) {
    return refuse(std::move(connection), Refusal::kTooMany);
  }
  // Whose connection it is, and so everything that goes by address, is known only behind the header.
  if (comes_from_proxy(connection.peer)) return proxy_gate_.hold(std::move(connection));
  admit(std::move(connection));
}

bool Server::comes_from_proxy(const PeerFacts& peer) const {
  const auto& networks = config_.listen.proxy_protocol_from;
  if (networks.empty()) return false;
  const auto address = parse_ip(peer.address);
  return address && std::any_of(networks.begin(), networks.end(),
                                [&](const IpNetwork& network) { return network.contains(*address); });
}

void Server::admit(NewConnection connection) {
  mark_hidden(connection);
  if (const auto why = refusal_of(connection)) return refuse(std::move(connection), *why);
  const Service service = connection.service;
  ConnectionOptions options;
  // Of who need not wait nobody asks whether the octets came a moment before the greeting or after it.
  const bool waits = service == Service::kSmtp && !known_peers_.knows(connection.peer, std::time(nullptr));
  options.peer = std::move(connection.peer);
  options.peer.spoke_first = waits && (!connection.input.empty() || connection.stream->has_input());
  options.input = std::move(connection.input);
  options.tls = certificates_.context();
  options.handshaken = [this](const std::string& version) { ++counters_.tls_handshakes[version]; };
  ++counters_.connections[service_name(service)];
  options.make_driver = [this, service](const PeerFacts& facts) { return drivers_->make(service, facts); };
  ++*connection.open_connections;
  const auto gone = [this, count = connection.open_connections] {
    --*count;
    connection_gone();
  };
  connections_.start(&loop_, std::move(connection.stream), log_, std::move(options),
                     is_implicit_tls(service) ? TlsStart::kImplicit : TlsStart::kOnCommand, gone);
}

// Said once a day: who set it up may look at the log on any of them.
void Server::mark_hidden(NewConnection& connection) {
  PeerFacts& peer = connection.peer;
  peer.hidden = !peer.loopback && !peer.proxy && gateways_.hides(peer.address);
  peer.own = !peer.loopback && !peer.proxy && gateways_.is_own(peer.address);
  if (!peer.hidden) return;
  ++counters_.connections_hidden[peer.address];
  const std::uint64_t now = uv_now(&loop_);
  if (hidden_told_at_ != 0 && now - hidden_told_at_ < kHiddenToldMs) return;
  hidden_told_at_ = now;
  log_.warning(
      "client-hidden",
      {{"service", service_name(connection.service)},
       {"peer", peer.address},
       {"what",
        "this is a gateway's address or this machine's own, so that anybody may be behind it: such "
        "clients are not banned or limited, and SPF cannot check them. A container shows clients' own "
        "addresses with the host's network (--network host), or behind a proxy that sends PROXY headers "
        "(listen.proxy_protocol_from)"}});
}

std::optional<Server::Refusal> Server::refusal_of(const NewConnection& connection) const {
  // Other servers bring mail, and monitors look, whatever somebody at their address guesses.
  if (has_logins(connection.service) && bans_.is_banned(connection.peer)) return Refusal::kBanned;
  if (connections_.is_full_for(connection.peer, config_.limits.connections_per_address)) {
    return Refusal::kTooManyFromAddress;
  }
  return std::nullopt;
}

void Server::refuse(NewConnection connection, Refusal why) {
  const char* word = why == Refusal::kTooMany ? "all" : why == Refusal::kBanned ? "ban" : "address";
  ++counters_.connections_denied[word];
  const char* reason = why == Refusal::kTooMany  ? "too many connections"
                       : why == Refusal::kBanned ? "too many wrong passwords from your address"
                                                 : "too many connections from your address";
  // Of a ban it is said once: `ban list` counts.
  if (why != Refusal::kBanned || bans_.note_refused(connection.peer)) {
    log_.warning(
        "connection-refused",
        {{"service", service_name(connection.service)}, {"peer", connection.peer.address}, {"why", reason}});
  }
  if (!is_implicit_tls(connection.service)) {
    std::string refusal = refusal_text(connection.service, config_.hostname, reason);
    (void)connection.stream->write(refusal);
  }
  TcpStream* refused = connection.stream.release();
  refused->close([refused] { delete refused; });
}

}  // namespace mailstead
