#include "server/dns_channel.h"

// 1.34 would rather be given messages of its own making; ares_send() is what every version has.
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/ip_address.h"

namespace mailstead {
namespace {

bool is_loopback(const IpAddress& address) {
  return IpNetwork{ipv4_address(std::string_view("\x7F\0\0\0", 4)), 96 + 8}.contains(address) ||
         address == *parse_ipv6("::1");
}

template <typename Handle>
void close_and_free(Handle* handle) {
  uv_close(reinterpret_cast<uv_handle_t*>(handle),
           [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
}

bool servers_are_here(ares_channel channel) {
  ares_addr_port_node* servers = nullptr;
  if (ares_get_servers_ports(channel, &servers) != ARES_SUCCESS) return false;
  bool here = servers != nullptr;
  for (const ares_addr_port_node* server = servers; server != nullptr; server = server->next) {
    const auto* octets = reinterpret_cast<const char*>(&server->addr);
    here = here &&
           is_loopback(server->family == AF_INET ? ipv4_address({octets, 4}) : ipv6_address({octets, 16}));
  }
  ares_free_data(servers);
  return here;
}

}  // namespace

// What c-ares is given with a query and gives back once, whatever happens.
struct DnsChannel::Sent {
  DnsChannel& channel;
  Answered answered;
};

Result<std::unique_ptr<DnsChannel>> DnsChannel::open(uv_loop_t* loop, const Config::Resolver& config) {
  std::unique_ptr<DnsChannel> channel(new DnsChannel(loop));
  if (Result<void> started = channel->start(config); !started) return std::move(started).error();
  return channel;
}

DnsChannel::DnsChannel(uv_loop_t* loop) : loop_(loop), timer_(new uv_timer_t) {
  ares_library_init(ARES_LIB_INIT_ALL);  // counted; does nothing but on Windows
  uv_timer_init(loop_, timer_);
  timer_->data = this;
}

DnsChannel::~DnsChannel() {
  closing_ = true;
  if (channel_ != nullptr) ares_destroy(channel_);  // closes its sockets, and with them the polls
  close_and_free(timer_);
  ares_library_cleanup();
}

Result<void> DnsChannel::start(const Config::Resolver& config) {
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS;
  options.ednspsz = kDnsUdpSize;
  options.timeout = static_cast<int>(config.timeout.count() * 1000);
  options.tries = static_cast<int>(config.tries);
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
    static_cast<DnsChannel*>(self)->watch(
        socket, (readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0));
  };
  int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
  options.qcache_max_ttl = 0;  // the resolver above has a cache
  mask |= ARES_OPT_QUERY_CACHE;
#endif
  if (const int status = ares_init_options(&channel_, &options, mask); status != ARES_SUCCESS) {
    return Error{ErrorKind::kUnavailable,
                 fmt::format("cannot prepare to ask DNS servers: {}", ares_strerror(status))};
  }
  return use_servers(config);
}

Result<void> DnsChannel::use_servers(const Config::Resolver& config) {
  std::vector<ares_addr_port_node> nodes;
  for (const ListenAddress& server : config.servers) {
    const auto address = parse_ip(server.host);
    if (!address) continue;  // the configuration lets none pass
    ares_addr_port_node node{};
    node.family = address->is_ipv4() ? AF_INET : AF_INET6;
    if (address->is_ipv4()) {
      std::memcpy(&node.addr, address->octets.data() + 12, 4);
    } else {
      std::memcpy(&node.addr, address->octets.data(), 16);
    }
    node.udp_port = node.tcp_port = server.port;
    nodes.push_back(node);
  }
  for (std::size_t i = 1; i < nodes.size(); ++i) nodes[i - 1].next = &nodes[i];
  if (!nodes.empty()) {
    if (const int status = ares_set_servers_ports(channel_, nodes.data()); status != ARES_SUCCESS) {
      return Error{ErrorKind::kUnavailable,
                   fmt::format("resolver.servers cannot be used: {}", ares_strerror(status))};
    }
  }
  trusted_ = !nodes.empty() || servers_are_here(channel_);
  return {};
}

void DnsChannel::send(const std::string& query, Answered answered) {
  auto* sent = new Sent{*this, std::move(answered)};
  ares_send(
      channel_, reinterpret_cast<const unsigned char*>(query.data()), static_cast<int>(query.size()),
      [](void* argument, int status, int, unsigned char* message, int length) {
        const std::unique_ptr<Sent> done(static_cast<Sent*>(argument));
        if (done->channel.closing_) return;
        const bool came = status == ARES_SUCCESS && message != nullptr && length > 0;
        done->answered(
            came ? std::string_view(reinterpret_cast<const char*>(message), static_cast<std::size_t>(length))
                 : std::string_view());
      },
      sent);
  arm();
}

void DnsChannel::watch(int socket, int events) {
  const auto found = polls_.find(socket);
  if (events == 0) {
    if (found == polls_.end()) return;
    // Before c-ares closes the socket: its number may be another one's soon.
    uv_poll_stop(found->second);
    close_and_free(found->second);
    polls_.erase(found);
    return;
  }
  uv_poll_t* poll = found == polls_.end() ? nullptr : found->second;
  if (poll == nullptr) {
    poll = new uv_poll_t;
    if (uv_poll_init(loop_, poll, socket) != 0) {
      delete poll;  // nobody reads the answer: the query times out
      return;
    }
    poll->data = this;
    polls_.emplace(socket, poll);
  }
  uv_poll_start(poll, events, [](uv_poll_t* handle, int status, int ready) {
    uv_os_fd_t file = -1;
    uv_fileno(reinterpret_cast<uv_handle_t*>(handle), &file);
    // Reading and writing tell c-ares what is wrong with the socket.
    if (status < 0) ready = UV_READABLE | UV_WRITABLE;
    static_cast<DnsChannel*>(handle->data)
        ->process((ready & UV_READABLE) != 0 ? file : ARES_SOCKET_BAD,
                  (ready & UV_WRITABLE) != 0 ? file : ARES_SOCKET_BAD);
  });
}

void DnsChannel::process(int readable, int writable) {
  ares_process_fd(channel_, readable, writable);
  arm();
}

void DnsChannel::arm() {
  timeval next{};
  if (ares_timeout(channel_, nullptr, &next) == nullptr) {
    uv_timer_stop(timer_);
    return;
  }
  const auto wait =
      static_cast<std::uint64_t>(next.tv_sec) * 1000 + static_cast<std::uint64_t>(next.tv_usec) / 1000 + 1;
  uv_timer_start(
      timer_,
      [](uv_timer_t* timer) {
        static_cast<DnsChannel*>(timer->data)->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      },
      wait, 0);
}

}  // namespace mailstead
