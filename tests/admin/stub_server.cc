#include "tests/admin/stub_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "tests/admin/program.h"

namespace mailstead::admin_test {

StubServer::StubServer(const std::string& data, Answer answer) : answer_(std::move(answer)) {
  const int folder = ::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const std::string path = "/proc/self/fd/" + std::to_string(folder) + "/control.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 8) != 0) {
    std::abort();
  }
  ::close(folder);
  thread_ = std::thread([this] { run(); });
  accepting_.wait(false);
}

StubServer::~StubServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void StubServer::run() {
  accepting_ = true;
  accepting_.notify_one();
  while (true) {
    const int caller = ::accept(listener_, nullptr, nullptr);
    if (caller < 0) return;
    const std::scoped_lock no_fork(fork_mutex());
    std::string line;
    char octet = 0;
    while (answer_ && ::read(caller, &octet, 1) == 1 && octet != '\n') line += octet;
    const std::string answer = answer_ ? answer_(line) : std::string();
    std::size_t sent = 0;
    while (sent < answer.size()) {
      const ssize_t count = ::send(caller, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    ::close(caller);
  }
}

}  // namespace mailstead::admin_test
