#include "bench/client.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "bench/give_up.h"

namespace mailstead::bench {

namespace {

constexpr std::size_t kInbox = 64 * 1024;

}  // namespace

// BoringSSL reads the five octets of a record's head and then its body; straight from the socket that were
// two system calls for each 16 KiB.
struct Transport {
  static int read(BIO* bio, char* into, int room) {
    Client& client = *static_cast<Client*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (client.inbox_ == nullptr) {
      client.inbox_.reset(new char[kInbox]);  // not make_unique, which fills it
      const ssize_t got = ::recv(client.fd_, client.inbox_.get(), kInbox, 0);
      if (got <= 0) {
        client.inbox_.reset();
        if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
        client.ended_ = got == 0;
        return static_cast<int>(got);
      }
      client.inbox_at_ = 0;
      client.inbox_size_ = static_cast<std::size_t>(got);
    }
    const std::size_t length =
        std::min(static_cast<std::size_t>(room), client.inbox_size_ - client.inbox_at_);
    std::memcpy(into, client.inbox_.get() + client.inbox_at_, length);
    client.inbox_at_ += length;
    if (client.inbox_at_ == client.inbox_size_) client.inbox_.reset();
    return static_cast<int>(length);
  }

  static int write(BIO* bio, const char* bytes, int length) {
    Client& client = *static_cast<Client*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    return static_cast<int>(::send(client.fd_, bytes, static_cast<std::size_t>(length), MSG_NOSIGNAL));
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO* make(Client& client) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(0, "socket");
      BIO_meth_set_read(made, read);
      BIO_meth_set_write(made, write);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, &client);
    BIO_set_init(bio, 1);
    return bio;
  }
};

SSL_CTX* tls_for_clients() {
  static SSL_CTX* const context = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_method());
    SSL_CTX_set_verify(made, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    return made;
  }();
  return context;
}

void Client::open(std::uint16_t port, SSL_CTX* tls) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) give_up(std::string("no socket: ") + std::strerror(errno));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    give_up(std::string("cannot connect: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls));
  BIO* transport = Transport::make(*this);
  SSL_set_bio(ssl_.get(), transport, transport);
  SSL_set_connect_state(ssl_.get());
}

void Client::close() {
  ssl_.reset();
  inbox_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  ended_ = false;
}

Client::Outcome Client::read(char* into, std::size_t room, std::size_t& got) {
  if (ssl_ == nullptr) {
    const ssize_t result = ::recv(fd_, into, room, 0);
    if (result < 0 && errno == EAGAIN) return Outcome::kNothingYet;
    if (result < 0) give_up("the connection broke");
    got = static_cast<std::size_t>(result);
    return result == 0 ? Outcome::kEnd : Outcome::kBytes;
  }
  const int result = SSL_read(ssl_.get(), into, static_cast<int>(room));
  if (result > 0) {
    got = static_cast<std::size_t>(result);
    return Outcome::kBytes;
  }
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return Outcome::kNothingYet;
  if (error == SSL_ERROR_ZERO_RETURN || ended_) return Outcome::kEnd;
  give_up("TLS broke");
}

void Client::write(std::string_view bytes) {
  const auto sent = ssl_ == nullptr ? ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                    : SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (sent != static_cast<ssize_t>(bytes.size())) give_up("the commands do not fit into the socket");
}

}  // namespace mailstead::bench
