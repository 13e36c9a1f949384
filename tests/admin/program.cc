#include "tests/admin/program.h"

#include <pty.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace mailstead::admin_test {
namespace {

int call(const std::vector<std::string>& arguments, const std::function<int(const ServeRequest&)>& serve) {
  std::vector<std::string> words = {"mailstead"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const int code = run_cli(static_cast<int>(words.size()), pointers.data(), {serve, {}});
  std::fflush(nullptr);
  return code;
}

int memory_file(const std::string& text) {
  const int file = ::memfd_create("test", MFD_CLOEXEC);
  [[maybe_unused]] const ssize_t written = ::write(file, text.data(), text.size());
  ::lseek(file, 0, SEEK_SET);
  return file;
}

std::string contents(int file) {
  ::lseek(file, 0, SEEK_SET);
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = ::read(file, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(file);
  return text;
}

int exit_code_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

template <typename Fork>
pid_t forked(Fork fork) {
  fork_mutex().lock();
  const pid_t child = fork();
  fork_mutex().unlock();  // in both processes
  return child;
}

}  // namespace

std::mutex& fork_mutex() {
  static std::mutex mutex;
  return mutex;
}

Outcome run(const std::vector<std::string>& arguments, const std::string& input,
            const std::function<int(const ServeRequest&)>& serve) {
  std::fflush(nullptr);
  const int in = memory_file(input), out = memory_file(""), err = memory_file("");
  const pid_t child = forked([] { return ::fork(); });
  if (child == 0) {
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::_exit(call(arguments, serve));
  }
  Outcome outcome;
  outcome.exit_code = exit_code_of(child);
  ::close(in);
  outcome.out = contents(out);
  outcome.err = contents(err);
  return outcome;
}

Outcome run_on_terminal(const std::vector<std::string>& arguments, const std::vector<std::string>& typed) {
  std::fflush(nullptr);
  int terminal = -1;
  const pid_t child = forked([&] { return ::forkpty(&terminal, nullptr, nullptr, nullptr); });
  if (child == 0) ::_exit(call(arguments, {}));
  Outcome outcome;
  std::array<char, 4096> buffer;
  auto next = typed.begin();
  std::size_t seen = 0;
  // Each answer is typed when a question stands there.
  for (ssize_t got = 0; (got = ::read(terminal, buffer.data(), buffer.size())) > 0;) {
    outcome.out.append(buffer.data(), static_cast<std::size_t>(got));
    if (next == typed.end() || outcome.out.size() == seen || !outcome.out.ends_with(": ")) continue;
    seen = outcome.out.size();
    [[maybe_unused]] const ssize_t written = ::write(terminal, next->data(), next->size());
    ++next;
  }
  outcome.exit_code = exit_code_of(child);
  ::close(terminal);
  return outcome;
}

}  // namespace mailstead::admin_test
