// The client's half of the control socket: connect, send a line, read a line.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "admin/control.h"
#include "admin/descriptor.h"

namespace mailstead {
namespace {

using admin::Descriptor;

constexpr time_t kAnswerPatience = 30;  // seconds without a byte moving

Error problem(int code, const std::string& path) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:  // the socket of a server that is gone
    case ENOTSOCK:
      return Error{ErrorKind::kNotFound, fmt::format("no server listens on {}", path)};
    case EACCES:
    case EPERM:
      return Error{
          ErrorKind::kDenied,
          fmt::format("no rights to talk to the server on {}: run this as the data folder's owner or as root",
                      path)};
    case EAGAIN:
    case ETIMEDOUT:
      return Error{ErrorKind::kUnavailable, fmt::format("the server on {} did not answer in time", path)};
    case EPIPE:
    case ECONNRESET:
      return Error{ErrorKind::kIo, fmt::format("the server on {} went away before it answered", path)};
    default:
      return Error{ErrorKind::kIo,
                   fmt::format("cannot talk to the server on {}: {}", path, std::strerror(code))};
  }
}

// A socket's path has about 108 octets (unix(7)); a longer one is reached through the open folder. 0, or an
// errno.
int connect_to(int socket, const std::string& data, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Descriptor folder;
  std::string name = path;
  if (name.size() >= sizeof(address.sun_path)) {
    folder = Descriptor(::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return errno;
    name = control_socket_path(fmt::format("/proc/self/fd/{}", folder.get()));
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket, generic, sizeof(address)) == 0 ? 0 : errno;
}

int send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return 0;
}

int receive_line(int socket, std::string& line) {
  std::array<char, 65536> buffer;
  while (line.size() <= kMaxControlReport) {
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return ECONNRESET;
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = piece.find('\n');
    line += piece.substr(0, end);
    if (end != std::string_view::npos) return 0;
  }
  return EMSGSIZE;
}

}  // namespace

bool server_listens(const std::string& data) {
  const std::string path = control_socket_path(data);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return false;
  const int code = connect_to(socket.get(), data, path);
  return code == 0 || problem(code, path).kind != ErrorKind::kNotFound;
}

Result<Report> call_server(const std::string& data, const Request& request) {
  const std::string path = control_socket_path(data);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return problem(errno, path);
  const timeval patience{.tv_sec = kAnswerPatience, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));

  if (const int code = connect_to(socket.get(), data, path); code != 0) return problem(code, path);
  // A server that refuses us answers and closes without reading: its answer comes before our EPIPE.
  const int sent = send_all(socket.get(), encode_request(request));
  std::string line;
  const int received = receive_line(socket.get(), line);
  if (received != 0) return problem(sent != 0 ? sent : received, path);
  return decode_report(line);
}

}  // namespace mailstead
