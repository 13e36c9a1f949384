#include "children.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>

namespace mailstead::power {

namespace {

void send(int to, const void* bytes, std::size_t length) {
  const char* at = static_cast<const char*>(bytes);
  while (length > 0) {
    const ssize_t wrote = ::write(to, at, length);
    if (wrote <= 0) ::_exit(1);
    at += wrote;
    length -= static_cast<std::size_t>(wrote);
  }
}

bool receive(int from, void* into, std::size_t length) {
  char* at = static_cast<char*>(into);
  while (length > 0) {
    const ssize_t got = ::read(from, at, length);
    if (got <= 0) return false;
    at += got;
    length -= static_cast<std::size_t>(got);
  }
  return true;
}

[[noreturn]] void work_from(std::size_t first, std::size_t count, int to,
                            const std::function<std::string(std::size_t)>& work) {
  for (std::size_t i = first; i < count; ++i) {
    std::string text;
    try {
      text = work(i);
    } catch (const std::exception& exception) {
      text = fmt::format("exception: {}", exception.what());
    }
    const std::uint64_t length = text.size();
    send(to, &length, sizeof length);
    send(to, text.data(), text.size());
  }
  std::fflush(nullptr);
  ::_exit(0);
}

std::string fate_of(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid");
  if (WIFSIGNALED(status)) return fmt::format("the process died of signal {}", WTERMSIG(status));
  return fmt::format("the process ended with {}", WEXITSTATUS(status));
}

}  // namespace

void in_children(std::size_t count, const std::function<std::string(std::size_t)>& work,
                 const std::function<bool(std::size_t, const std::string&)>& told) {
  std::size_t next = 0;
  bool go_on = true;
  while (next < count && go_on) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child == 0) {
      ::close(ends[0]);
      work_from(next, count, ends[1], work);
    }
    ::close(ends[1]);
    std::uint64_t length = 0;
    while (go_on && next < count && receive(ends[0], &length, sizeof length)) {
      std::string text(length, '\0');
      if (!receive(ends[0], text.data(), length)) break;
      go_on = told(next++, text);
    }
    ::close(ends[0]);
    if (!go_on) ::kill(child, SIGKILL);
    const std::string fate = fate_of(child);
    if (go_on && next < count) go_on = told(next++, fate);
  }
}

}  // namespace mailstead::power
