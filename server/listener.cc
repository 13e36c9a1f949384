#include "server/listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mailstead {
namespace {

constexpr int kBacklog = 1024;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

bool parse(const ListenAddress& address, SocketAddress& out) {
  std::memset(&out, 0, sizeof out);
  return uv_ip4_addr(address.host.c_str(), address.port, &out.v4) == 0 ||
         uv_ip6_addr(address.host.c_str(), address.port, &out.v6) == 0;
}

socklen_t length_of(const SocketAddress& address) {
  return address.any.sa_family == AF_INET6 ? sizeof address.v6 : sizeof address.v4;
}

// "[::]:25" takes IPv4 too, as people expect of it, unless the same port is asked for on an IPv4 address of
// its own.
bool takes_ipv4(const ListenAddress& address, const Config::Listen& all) {
  if (address.host != "::") return false;
  const auto wanted = wanted_listeners(all);
  return address.port == 0 || std::none_of(wanted.begin(), wanted.end(), [&](const auto& other) {
           return other.second.port == address.port && other.second.host.find(':') == std::string::npos;
         });
}

Error bind_error(Service service, const ListenAddress& address, int code) {
  const std::string where =
      fmt::format("cannot listen for {} on {}: ", service_name(service), address.text());
  switch (code) {
    case EADDRINUSE:
      return {ErrorKind::kInUse,
              where +
                  "the port is in use by another program; stop that one, or choose another port "
                  "in [listen] of the configuration"};
    case EACCES:
      return {ErrorKind::kDenied,
              where +
                  "ports below 1024 need root or CAP_NET_BIND_SERVICE; start as root, or choose "
                  "a port above 1023 in [listen] of the configuration"};
    case EADDRNOTAVAIL:
      return {ErrorKind::kInvalid,
              where +
                  "this machine has no such address; see `ip address`, and correct [listen] of "
                  "the configuration"};
    default:
      return {ErrorKind::kIo, where + std::strerror(code)};
  }
}

// The socket, or -errno.
int open_socket(const SocketAddress& address, bool ipv6_only) {
  const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  const int v6only = ipv6_only ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.any.sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
  if (bind(fd, &address.any, length_of(address)) != 0 || listen(fd, kBacklog) != 0) {
    const int code = errno;
    ::close(fd);
    return -code;
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  SocketAddress address{};
  socklen_t length = sizeof address;
  getsockname(fd, &address.any, &length);
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

}  // namespace

const char* service_name(Service service) {
  switch (service) {
    case Service::kSmtp:
      return "smtp";
    case Service::kSubmission:
      return "submission";
    case Service::kSubmissions:
      return "submissions";
    case Service::kPop3:
      return "pop3";
    case Service::kPop3s:
      return "pop3s";
  }
  return "?";
}

bool is_implicit_tls(Service service) {
  return service == Service::kSubmissions || service == Service::kPop3s;
}

std::vector<std::pair<Service, ListenAddress>> wanted_listeners(const Config::Listen& listen) {
  std::vector<std::pair<Service, ListenAddress>> wanted;
  const auto add = [&](Service service, const std::vector<ListenAddress>& addresses) {
    for (const ListenAddress& address : addresses) wanted.emplace_back(service, address);
  };
  add(Service::kSmtp, listen.smtp);
  add(Service::kSubmission, listen.submission);
  add(Service::kSubmissions, listen.submissions);
  add(Service::kPop3, listen.pop3);
  add(Service::kPop3s, listen.pop3s);
  return wanted;
}

bool is_wanted(const BoundSocket& socket, const Config::Listen& all) {
  const auto wanted = wanted_listeners(all);
  return std::find(wanted.begin(), wanted.end(), std::pair{socket.service, socket.wanted}) != wanted.end() &&
         socket.takes_ipv4 == takes_ipv4(socket.wanted, all);
}

Result<BoundSocket> bind_one(Service service, const ListenAddress& address, const Config::Listen& all) {
  BoundSocket socket{service, address, address, takes_ipv4(address, all), -1};
  SocketAddress parsed{};
  if (!parse(address, parsed)) return bind_error(service, address, EADDRNOTAVAIL);
  int fd = open_socket(parsed, !socket.takes_ipv4);
  if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && socket.takes_ipv4) {
    // A machine without IPv6 still gets its mail.
    socket.bound.host = "0.0.0.0";
    if (parse(socket.bound, parsed)) fd = open_socket(parsed, true);
  }
  if (fd < 0) return bind_error(service, address, -fd);
  socket.fd = fd;
  socket.bound.port = bound_port(fd);
  return socket;
}

Result<std::vector<BoundSocket>> bind_all(const Config::Listen& listen) {
  std::vector<BoundSocket> bound;
  for (const auto& [service, address] : wanted_listeners(listen)) {
    auto socket = bind_one(service, address, listen);
    if (!socket.has_value()) {
      for (const BoundSocket& other : bound) ::close(other.fd);
      return socket.error();
    }
    bound.push_back(*socket);
  }
  return bound;
}

Listener::Listener(uv_loop_t* loop, BoundSocket socket,
                   std::function<void(Listener&, std::unique_ptr<TcpStream>)> accepted)
    : socket_(std::move(socket)), accepted_(std::move(accepted)), handle_(new uv_tcp_t) {
  uv_tcp_init(loop, handle_);
  handle_->data = this;
}

Listener::~Listener() {
  handle_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(handle_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}

Result<void> Listener::start() {
  int status = uv_tcp_open(handle_, socket_.fd);
  if (status == 0) {
    status =
        uv_listen(reinterpret_cast<uv_stream_t*>(handle_), kBacklog, [](uv_stream_t* server, int problem) {
          // Out of file descriptors: libuv refuses the connection with the one it keeps in reserve, and goes
          // on.
          if (problem == 0 && server->data != nullptr) static_cast<Listener*>(server->data)->accept();
        });
  }
  if (status != 0) return bind_error(socket_.service, socket_.wanted, -status);
  return {};
}

void Listener::accept() {
  auto stream = std::make_unique<TcpStream>(reinterpret_cast<uv_stream_t*>(handle_));
  if (stream->ok()) return accepted_(*this, std::move(stream));
  TcpStream* failed = stream.release();
  failed->close([failed] { delete failed; });
}

}  // namespace mailstead
