#include "admin/transfer/pop3_link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "admin/progress.h"

namespace mailstead::admin {
namespace {

constexpr int kPatienceMs = 300'000;  // without a byte; a large mailbox takes a server long to list
constexpr int kConnectMs = 30'000;    // for each address
constexpr std::size_t kReadSize = 64u << 10;
constexpr const char* kAuthoritiesFile = "/etc/ssl/certs/ca-certificates.crt";

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

int connect_socket(const addrinfo& address, Descriptor& socket) {
  socket = Descriptor(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno;
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd wait{socket.get(), POLLOUT, 0};
  const int ready = ::poll(&wait, 1, kConnectMs);
  if (ready <= 0) return ready == 0 ? ETIMEDOUT : errno;
  int code = 0;
  socklen_t length = sizeof code;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &length);
  return code;
}

bool is_ip_address(const std::string& host) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

}  // namespace

Pop3Link::Pop3Link(std::string host) : host_(std::move(host)) {}

Pop3Link::~Pop3Link() = default;

Error Pop3Link::error(ErrorKind kind, std::string_view words) const {
  return Error{kind, fmt::format("{}: {}", host_, words)};
}

Result<std::unique_ptr<Pop3Link>> Pop3Link::connect(const std::string& host, std::uint16_t port) {
  std::unique_ptr<Pop3Link> link(new Pop3Link(host));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  if (problem != 0)
    return link->error(ErrorKind::kUnavailable,
                       fmt::format("no address is found: {}", ::gai_strerror(problem)));
  int code = ECONNREFUSED;
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    code = connect_socket(*each, link->socket_);
    if (code == 0) return link;
  }
  return link->error(ErrorKind::kUnavailable,
                     fmt::format("cannot connect to port {}: {}", port, std::strerror(code)));
}

Result<void> Pop3Link::start_tls(Certificate certificate) {
  context_.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);  // RFC 8996
  const bool by_environment = std::getenv("SSL_CERT_FILE") != nullptr;
  if (by_environment || SSL_CTX_load_verify_locations(context_.get(), kAuthoritiesFile, nullptr) != 1)
    SSL_CTX_set_default_verify_paths(context_.get());
  ERR_clear_error();
  tls_.reset(SSL_new(context_.get()));
  SSL_set_fd(tls_.get(), socket_.get());
  // Who is trusted need not be an authority of authorities, nor sign itself.
  X509_VERIFY_PARAM_set_flags(SSL_get0_param(tls_.get()),
                              X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  if (is_ip_address(host_)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_.get()), host_.c_str());
  } else {
    SSL_set_tlsext_host_name(tls_.get(), host_.c_str());
    X509_VERIFY_PARAM_set1_host(SSL_get0_param(tls_.get()), host_.data(), host_.size());
  }
  SSL_set_verify(tls_.get(), certificate == Certificate::kChecked ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                 nullptr);
  while (true) {
    ERR_clear_error();
    const int outcome = SSL_connect(tls_.get());
    if (outcome == 1) return {};
    // Of a handshake that goes on there is no result yet.
    const bool has_failed = SSL_get_error(tls_.get(), outcome) == SSL_ERROR_SSL;
    const long verified = SSL_get_verify_result(tls_.get());
    const bool was_looked_at = verified != X509_V_OK && verified != X509_V_ERR_INVALID_CALL;
    if (has_failed && certificate == Certificate::kChecked && was_looked_at) {
      return error(ErrorKind::kDenied,
                   fmt::format("its certificate is not trusted ({}); if you know why, --insecure goes on",
                               X509_verify_cert_error_string(verified)));
    }
    if (auto waited = wait_for_tls(outcome); !waited)
      return error(waited.error().kind, "the TLS handshake failed: " + waited.error().message);
  }
}

Result<void> Pop3Link::wait(short events) const {
  pollfd look{socket_.get(), events, 0};
  const int ready = ::poll(&look, 1, kPatienceMs);
  if (Interruption::happened()) return Error{ErrorKind::kUnavailable, "interrupted"};
  if (ready == 0) return error(ErrorKind::kUnavailable, "it says nothing any more");
  if (ready < 0 && errno != EINTR) return error(ErrorKind::kIo, std::strerror(errno));
  return {};
}

Result<void> Pop3Link::wait_for_tls(int outcome) const {
  switch (SSL_get_error(tls_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT);
    case SSL_ERROR_SYSCALL:
      return error(ErrorKind::kIo, errno == 0 ? "the connection ended" : std::strerror(errno));
    default: {
      const char* reason = ERR_reason_error_string(ERR_peek_error());
      return error(ErrorKind::kIo, reason == nullptr ? "the connection ended" : reason);
    }
  }
}

Result<void> Pop3Link::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (tls_) {
      ERR_clear_error();
      const int written = SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (written > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(written));
      } else if (auto waited = wait_for_tls(written); !waited) {
        return waited;
      }
      continue;
    }
    const ssize_t written = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {
      return error(ErrorKind::kIo, std::strerror(errno));
    } else if (auto waited = wait(POLLOUT); !waited) {
      return waited;
    }
  }
  return {};
}

Result<std::string_view> Pop3Link::read() {
  buffer_.resize(kReadSize);
  while (true) {
    if (tls_) {
      ERR_clear_error();
      errno = 0;
      const int got = SSL_read(tls_.get(), buffer_.data(), static_cast<int>(buffer_.size()));
      if (got > 0) return std::string_view(buffer_).substr(0, static_cast<std::size_t>(got));
      if (SSL_get_error(tls_.get(), got) == SSL_ERROR_ZERO_RETURN) return std::string_view();
      if (auto waited = wait_for_tls(got); !waited) return waited.error();
      continue;
    }
    const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
    if (got >= 0) return std::string_view(buffer_).substr(0, static_cast<std::size_t>(got));
    if (errno != EAGAIN && errno != EINTR) return error(ErrorKind::kIo, std::strerror(errno));
    if (auto waited = wait(POLLIN); !waited) return waited.error();
  }
}

}  // namespace mailstead::admin
