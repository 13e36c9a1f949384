#include "server/net/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mailstead {
namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsAtOnce = 64;  // then others get their turn
constexpr std::uint64_t kRestMs = 1'000;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

// A socket for ::ffff:192.0.2.1 is an IPv4 socket by another name, and would need another family.
std::string ipv4_inside(const ListenAddress& address) {
  constexpr std::string_view kMapped = "::ffff:";
  const bool mapped = address.host.starts_with(kMapped) && address.host.find('.') != std::string::npos;
  return mapped ? address.host.substr(kMapped.size()) : std::string();
}

bool parse(const ListenAddress& address, SocketAddress& out) {
  std::memset(&out, 0, sizeof out);
  if (address.is_unix()) {
    if (address.host.size() >= sizeof out.local.sun_path) return false;
    out.local.sun_family = AF_UNIX;
    std::memcpy(out.local.sun_path, address.host.data(), address.host.size());
    return true;
  }
  return uv_ip4_addr(address.host.c_str(), address.port, &out.v4) == 0 ||
         uv_ip6_addr(address.host.c_str(), address.port, &out.v6) == 0;
}

socklen_t length_of(const SocketAddress& address) {
  if (address.any.sa_family == AF_UNIX) return sizeof address.local;
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

bool overlap(const ListenAddress& one, const ListenAddress& other) {
  const auto is_ipv6 = [](const ListenAddress& address) {
    return address.host.find(':') != std::string::npos;
  };
  const auto is_any = [](const ListenAddress& address) {
    return address.host == "::" || address.host == "0.0.0.0";
  };
  return one.port == other.port && is_ipv6(one) == is_ipv6(other) &&
         (one.host == other.host || is_any(one) || is_any(other));
}

// What else the configuration wants on this address; "pop3 on [::1]:2525", or nothing.
std::string rival(Service service, const ListenAddress& address, const Config::Listen& all) {
  for (const auto& [other_service, other] : wanted_listeners(all)) {
    const bool itself = other_service == service && other == address;
    if (!itself && address.port != 0 && overlap(address, other)) {
      return fmt::format("{} on {}", service_name(other_service), other.text());
    }
  }
  return {};
}

Error unix_bind_error(const std::string& where, const ListenAddress& address, int code) {
  const std::string folder = address.host.substr(0, std::max<std::size_t>(address.host.rfind('/'), 1));
  switch (code) {
    case EADDRINUSE:
      return {ErrorKind::kInUse,
              where +
                  "another program listens there, or the file is no socket; stop that one, or "
                  "choose another path in [listen] of the configuration"};
    case EACCES:
    case EPERM:
    case EROFS:
      return {
          ErrorKind::kDenied,
          where +
              fmt::format(
                  "the server may not make or replace a file in {}; let it (chown), or choose another path "
                  "in [listen] of the configuration",
                  folder)};
    case ENOENT:
    case ENOTDIR:
      return {ErrorKind::kInvalid, where + fmt::format("there is no folder {}; make it", folder)};
    default:
      return {ErrorKind::kIo, where + std::strerror(code)};
  }
}

Error bind_error(Service service, const ListenAddress& address, const Config::Listen& all, int code) {
  const std::string where =
      fmt::format("cannot listen for {} on {}: ", service_name(service), address.text());
  if (address.is_unix()) return unix_bind_error(where, address, code);
  switch (code) {
    case EADDRINUSE:
      if (const std::string other = rival(service, address, all); !other.empty()) {
        return {
            ErrorKind::kInUse,
            where + fmt::format("[listen] of the configuration also has {}, and the two overlap; keep one "
                                "of them, or choose another port",
                                other)};
      }
      return {ErrorKind::kInUse,
              where +
                  "the port is in use by another program; stop that one, or choose another port "
                  "in [listen] of the configuration"};
    case EACCES:
      if (address.port >= 1024) {
        return {ErrorKind::kDenied,
                where +
                    "this system forbids it (see `sysctl net.ipv4.ip_unprivileged_port_start`, SELinux, "
                    "AppArmor); allow it, or choose another port in [listen] of the configuration"};
      }
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

// A socket's file outlives a server that was killed. Where nobody answers it goes; anything else is left
// alone, and bind() says so. 0, or -errno where it may not be removed.
int remove_leftover(const SocketAddress& address) {
  struct stat found {};
  if (lstat(address.local.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) return 0;
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return -errno;
  const bool unheard = connect(probe, &address.any, length_of(address)) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return unheard && unlink(address.local.sun_path) != 0 ? -errno : 0;
}

// Who may connect is decided by the folder: the servers that deliver run as users of their own. The mode is
// set before there is a name, which somebody could put another file behind.
int bind_unix(int fd, const SocketAddress& address) {
  if (const int failed = remove_leftover(address); failed != 0) return failed;
  fchmod(fd, 0666);
  const mode_t usual = umask(0);
  const int bound = bind(fd, &address.any, length_of(address)) == 0 ? 0 : -errno;
  umask(usual);
  return bound;
}

// The socket, or -errno.
int open_socket(const SocketAddress& address, bool ipv6_only) {
  const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  const int v6only = ipv6_only ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.any.sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
  int failed = 0;
  if (address.any.sa_family == AF_UNIX) {
    failed = bind_unix(fd, address);
  } else if (bind(fd, &address.any, length_of(address)) != 0) {
    failed = -errno;
  }
  if (failed == 0 && listen(fd, kBacklog) != 0) failed = -errno;
  if (failed == 0) return fd;
  ::close(fd);
  return failed;
}

// 0 for a Unix socket.
std::uint16_t bound_port(int fd) {
  SocketAddress address{};
  socklen_t length = sizeof address;
  getsockname(fd, &address.any, &length);
  if (address.any.sa_family == AF_UNIX) return 0;
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

// Unless it is another's by now.
void remove_file(const BoundSocket& socket) {
  struct stat found {};
  if (!socket.wanted.is_unix() || lstat(socket.wanted.host.c_str(), &found) != 0) return;
  if (socket.file == BoundSocket::File{found.st_dev, found.st_ino}) unlink(socket.wanted.host.c_str());
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
    case Service::kLmtp:
      return "lmtp";
    case Service::kPop3:
      return "pop3";
    case Service::kPop3s:
      return "pop3s";
    case Service::kHttp:
      return "http";
    case Service::kWeb:
      return "web";
    case Service::kWebs:
      return "webs";
    case Service::kAcme:
      return "acme";
  }
  return "?";
}

bool is_implicit_tls(Service service) {
  return service == Service::kSubmissions || service == Service::kPop3s || service == Service::kWebs;
}

std::vector<std::pair<Service, ListenAddress>> wanted_listeners(const Config::Listen& listen) {
  std::vector<std::pair<Service, ListenAddress>> wanted;
  const auto add = [&](Service service, const std::vector<ListenAddress>& addresses) {
    for (const ListenAddress& address : addresses) wanted.emplace_back(service, address);
  };
  add(Service::kSmtp, listen.smtp);
  add(Service::kSubmission, listen.submission);
  add(Service::kSubmissions, listen.submissions);
  add(Service::kLmtp, listen.lmtp);
  add(Service::kPop3, listen.pop3);
  add(Service::kPop3s, listen.pop3s);
  add(Service::kHttp, listen.http);
  add(Service::kWeb, listen.web);
  add(Service::kWebs, listen.webs);
  add(Service::kAcme, listen.acme);
  return wanted;
}

bool has_logins(Service service) {
  return service != Service::kSmtp && service != Service::kLmtp && is_for_mail(service);
}

bool is_for_mail(Service service) {
  return service != Service::kHttp && service != Service::kWeb && service != Service::kWebs &&
         service != Service::kAcme;
}

bool is_wanted(const BoundSocket& socket, const Config::Listen& all) {
  const auto wanted = wanted_listeners(all);
  return std::find(wanted.begin(), wanted.end(), std::pair{socket.service, socket.wanted}) != wanted.end() &&
         socket.takes_ipv4 == takes_ipv4(socket.wanted, all);
}

Result<BoundSocket> bind_one(Service service, const ListenAddress& address, const Config::Listen& all) {
  BoundSocket socket{service, address, address, takes_ipv4(address, all), -1};
  if (const std::string ipv4 = ipv4_inside(address); !ipv4.empty()) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("cannot listen for {} on {}: this is an IPv4 address in the form of IPv6; write {} "
                    "in [listen] of the configuration",
                    service_name(service), address.text(), ListenAddress{ipv4, address.port}.text())};
  }
  SocketAddress parsed{};
  if (!parse(address, parsed)) return bind_error(service, address, all, EADDRNOTAVAIL);
  int fd = open_socket(parsed, !socket.takes_ipv4);
  if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && socket.takes_ipv4) {
    // A machine without IPv6 still gets its mail.
    socket.bound.host = "0.0.0.0";
    if (parse(socket.bound, parsed)) fd = open_socket(parsed, true);
  }
  if (fd < 0) return bind_error(service, address, all, -fd);
  socket.fd = fd;
  socket.bound.port = bound_port(fd);
  struct stat made {};
  if (address.is_unix() && lstat(address.host.c_str(), &made) == 0) socket.file = {made.st_dev, made.st_ino};
  return socket;
}

BoundSocket take_over(const BoundSocket& there, Service service, const ListenAddress& address,
                      const Config::Listen& all) {
  BoundSocket socket{service, address, there.bound, takes_ipv4(address, all), -1};
  const bool same = address.port != 0 && address.port == there.bound.port &&
                    (address.host == there.bound.host || address.host == there.wanted.host) &&
                    socket.takes_ipv4 == there.takes_ipv4;
  if (same) socket.fd = fcntl(there.fd, F_DUPFD_CLOEXEC, 0);
  return socket;
}

Result<std::vector<BoundSocket>> bind_all(const Config::Listen& listen, std::vector<Error>& left_out) {
  std::vector<BoundSocket> bound;
  for (const auto& [service, address] : wanted_listeners(listen)) {
    auto socket = bind_one(service, address, listen);
    if (!socket.has_value() && !is_for_mail(service)) {
      left_out.push_back(socket.error());
      continue;
    }
    if (!socket.has_value()) {
      for (const BoundSocket& other : bound) ::close(other.fd);
      return socket.error();
    }
    bound.push_back(*socket);
  }
  return bound;
}

Listener::Listener(uv_loop_t* loop, BoundSocket socket, Events events)
    : socket_(std::move(socket)), events_(std::move(events)), rest_(new uv_timer_t) {
  uv_timer_init(loop, rest_);
  rest_->data = this;
}

Listener::~Listener() {
  if (poll_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(poll_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  }
  uv_close(reinterpret_cast<uv_handle_t*>(rest_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
  remove_file(socket_);
  // A handle that closes no longer looks at its descriptor.
  ::close(socket_.fd);
}

Result<void> Listener::start() {
  auto poll = std::make_unique<uv_poll_t>();
  int status = uv_poll_init(rest_->loop, poll.get(), socket_.fd);
  if (status == 0) {
    poll_ = poll.release();
    poll_->data = this;
    status = watch();
  }
  if (status != 0) {
    return Error{ErrorKind::kIo, fmt::format("cannot accept for {} on {}: {}", service_name(socket_.service),
                                             socket_.wanted.text(), uv_strerror(status))};
  }
  return {};
}

int Listener::watch() {
  return uv_poll_start(poll_, UV_READABLE,
                       [](uv_poll_t* poll, int, int) { static_cast<Listener*>(poll->data)->accept(); });
}

// Not by uv_listen(): that one hangs up on those who come while there are no descriptors, without telling,
// and turns in circles when another thread took the one that it keeps for this.
void Listener::accept() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    const int fd = accept4(socket_.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      const int code = errno;
      if (code == EAGAIN || code == EWOULDBLOCK) return;
      if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM) return rest(code);
      continue;  // accept(2): the new connection's own trouble
    }
    auto stream = std::make_unique<TcpStream>(rest_->loop, fd);
    if (stream->ok()) {
      events_.accepted(*this, std::move(stream));
    } else {
      TcpStream* failed = stream.release();
      failed->close([failed] { delete failed; });
    }
  }
}

void Listener::rest(int code) {
  if (events_.exhausted) events_.exhausted(*this, code);
  uv_poll_stop(poll_);
  uv_timer_start(
      rest_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Listener*>(timer->data);
        self->watch();
        self->accept();
      },
      kRestMs, 0);
}

void Listener::pause() {
  accept();  // who waits in the queue would be cut off
  // On Linux a listening socket becomes a bound one by this, and listens again after listen().
  shutdown(socket_.fd, SHUT_RD);
}

bool Listener::resume() {
  // A port that the kernel chose is let go with the listening.
  return listen(socket_.fd, kBacklog) == 0 && bound_port(socket_.fd) == socket_.bound.port;
}

}  // namespace mailstead
