#include "server/control_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "admin/control.h"

namespace mailstead {
namespace {

constexpr std::uint64_t kCallerMs = 30'000;   // to say its request, and to take its answer
constexpr std::uint64_t kFarewellMs = 2'000;  // to take its answer when the server ends
constexpr std::size_t kMaxCallers = 64;       // more are told so
constexpr std::size_t kMaxTold = 2 * kMaxCallers;

// Binds in the folder by a descriptor of it: a socket's path may have 107 characters only, a data folder's
// more.
Result<int> bind_socket(const std::string& data) {
  const int folder = ::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Error{ErrorKind::kIo, "cannot open " + data + ": " + std::strerror(errno)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/control.sock", folder);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ::unlinkat(folder, "control.sock", 0);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The mode counts from the first moment on; nothing else makes files on this thread meanwhile.
  const mode_t before = ::umask(0177);
  const bool bound = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  const int code = errno;
  ::umask(before);
  ::close(folder);
  if (bound && ::listen(fd, static_cast<int>(kMaxCallers)) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return Error{ErrorKind::kIo,
               "cannot make the control socket " + control_socket_path(data) + ": " + std::strerror(code)};
}

// The other side has closed its socket. Shutting down its sending half alone (RDHUP) is no hang-up: such a
// caller waits for its answer.
bool has_hung_up(int fd) {
  pollfd look{fd, 0, 0};
  return ::poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

bool may_call(uv_pipe_t& pipe) {
  uv_os_fd_t fd = -1;
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&pipe), &fd) != 0) return false;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return false;
  return credentials.uid == 0 || credentials.uid == geteuid();
}

Report busy() {
  Report report;
  report.exit_code = 1;
  report.error = "the server is too busy or stopping; try again in a moment";
  return report;
}

}  // namespace

// One connection to the socket. Frees itself when both its handles have closed.
class ControlServer::Caller {
 public:
  Caller(ControlServer& server, uv_stream_t* listener) : server_(server) {
    uv_pipe_init(server.loop_, &pipe_, 0);
    uv_timer_init(server.loop_, &timer_);
    pipe_.data = this;
    timer_.data = this;
    accepted_ = uv_accept(listener, stream()) == 0 && may_call(pipe_);
  }

  void start() {
    if (!accepted_) return close();
    start_clock();
    uv_read_start(
        stream(),
        [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
          auto& storage = static_cast<Caller*>(handle->data)->buffer_;
          *buffer = uv_buf_init(storage.data(), static_cast<unsigned>(storage.size()));
        },
        [](uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
          if (count == 0) return;
          auto* self = static_cast<Caller*>(stream->data);
          if (count < 0) return self->close();
          self->take({buffer->base, static_cast<std::size_t>(count)});
        });
  }

  // Writes the report, then closes.
  void answer(const Report& report) {
    if (closing_) return;
    answer_ = encode_report(report);
    answering_ = true;
    start_clock();
    uv_buf_t buffer = uv_buf_init(answer_.data(), static_cast<unsigned>(answer_.size()));
    write_.data = this;
    const int status = uv_write(&write_, stream(), &buffer, 1, [](uv_write_t* request, int) {
      static_cast<Caller*>(request->data)->close();
    });
    if (status != 0) close();
  }

  void close() {
    if (closing_) return;
    closing_ = true;
    server_.callers_.erase(this);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), [](uv_handle_t* timer) {
      auto* self = static_cast<Caller*>(timer->data);
      uv_close(reinterpret_cast<uv_handle_t*>(&self->pipe_),
               [](uv_handle_t* pipe) { static_cast<Caller*>(pipe->data)->release(); });
    });
  }

  // A command that runs holds on to its caller.
  void hold() { ++holds_; }
  void unhold() {
    --holds_;
    if (closed_ && holds_ == 0) delete this;
  }
  // The server ends: who waits for its answer gets it, and has a moment to take it.
  void hurry() {
    if (holds_ > 0) return;
    if (!answering_) return close();
    start_clock();
  }
  // Good while the command holds on to its caller: nothing closes it then.
  int fd() const {
    uv_os_fd_t fd = -1;
    uv_fileno(reinterpret_cast<const uv_handle_t*>(&pipe_), &fd);
    return fd;
  }

 private:
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&pipe_); }

  void start_clock() {
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<Caller*>(timer->data)->close(); },
        server_.listener_ == nullptr ? kFarewellMs : kCallerMs, 0);
  }

  void release() {
    closed_ = true;
    if (holds_ == 0) delete this;
  }

  void take(std::string_view bytes) {
    request_.append(bytes);
    const std::size_t end = request_.find('\n');
    if (end == std::string::npos && request_.size() <= kMaxControlRequest) return;
    uv_read_stop(stream());
    uv_timer_stop(&timer_);
    auto request = end == std::string::npos
                       ? Result<Request>(Error{ErrorKind::kInvalid, "the request is too long"})
                       : decode_request(std::string_view(request_).substr(0, end));
    if (request.has_value()) return server_.execute(*this, *std::move(request));
    Report refusal;
    refusal.exit_code = 2;
    refusal.error = "the control socket did not understand the request: " + request.error().message;
    answer(refusal);
  }

  ControlServer& server_;
  uv_pipe_t pipe_{};
  uv_timer_t timer_{};
  uv_write_t write_{};
  std::array<char, 4096> buffer_{};
  std::string request_;
  std::string answer_;
  int holds_ = 0;
  bool accepted_ = false;
  bool answering_ = false;
  bool closing_ = false;
  bool closed_ = false;
};

ControlServer::ControlServer(uv_loop_t* loop, CommandRunner& commands) : loop_(loop), commands_(commands) {}

ControlServer::~ControlServer() = default;

Result<void> ControlServer::start() {
  auto fd = bind_socket(commands_.data());
  if (!fd.has_value()) return fd.error();
  listener_ = new uv_pipe_t;
  uv_pipe_init(loop_, listener_, 0);
  listener_->data = this;
  uv_pipe_open(listener_, *fd);
  const int status = uv_listen(reinterpret_cast<uv_stream_t*>(listener_), static_cast<int>(kMaxCallers),
                               [](uv_stream_t* server, int problem) {
                                 if (problem == 0) static_cast<ControlServer*>(server->data)->accept();
                               });
  if (status == 0) return {};
  stop();
  return Error{ErrorKind::kIo, std::string("cannot listen on the control socket: ") + uv_strerror(status)};
}

void ControlServer::accept() {
  auto* caller = new Caller(*this, reinterpret_cast<uv_stream_t*>(listener_));
  callers_.insert(caller);
  if (callers_.size() > kMaxTold) return caller->close();
  caller->start();
}

void ControlServer::execute(Caller& caller, Request request) {
  if (callers_.size() > kMaxCallers) return caller.answer(busy());
  caller.hold();
  // A caller that has gone had to think that nothing was done. Nobody reads from its socket any more, so this
  // is how to know.
  const bool posted = commands_.run(
      std::move(request), [fd = caller.fd()] { return !has_hung_up(fd); },
      [&caller](const Report& report) {
        caller.answer(report);
        caller.unhold();
      });
  if (posted) return;
  caller.answer(busy());
  caller.unhold();
}

void ControlServer::stop() {
  if (listener_ == nullptr) return;
  ::unlink(control_socket_path(commands_.data()).c_str());
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(listener_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_pipe_t*>(handle); });
  const auto callers = callers_;
  for (Caller* caller : callers) caller->hurry();
}

}  // namespace mailstead
