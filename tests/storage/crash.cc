#include "crash.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "storage/files.h"
#include "tests/catch.h"

namespace mailstead::storage_test {

namespace {

constexpr int kCrashed = 42;
int operations_left = 0;
int fault_number = 0;

int crash_at_last(const char*) {
  if (--operations_left == 0) ::_exit(kCrashed);
  return 0;
}

int fail_at_last(const char*) {
  return --operations_left == 0 ? fault_number : 0;
}

}  // namespace

CrashRun run_until(int n, const std::function<void(const Arm&, const Acknowledge&)>& work) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    operations_left = n;
    try {
      work([] { set_disk_hook(crash_at_last); },
           [&](int what) {
             const auto byte = static_cast<char>(what);
             if (::write(ends[1], &byte, 1) != 1) ::_exit(1);
           });
    } catch (...) {
      ::_exit(1);  // a failed assertion of the child; the parent sees the code
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  CrashRun run;
  char byte = 0;
  while (::read(ends[0], &byte, 1) == 1) run.acknowledged.push_back(byte);
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  const int code = WEXITSTATUS(status);
  REQUIRE((code == 0 || code == kCrashed));
  run.crashed = code == kCrashed;
  return run;
}

DiskFault::DiskFault(int n, int error_number) {
  operations_left = n;
  fault_number = error_number;
  set_disk_hook(fail_at_last);
}

DiskFault::~DiskFault() {
  set_disk_hook(nullptr);
}

bool DiskFault::happened() const {
  return operations_left <= 0;
}

int at_each_fault(const std::function<bool(int n)>& round) {
  constexpr int kMostOperations = 1000;  // a round that never comes to its end is a mistake of the test
  for (int n = 1;; ++n) {
    REQUIRE(n < kMostOperations);
    INFO("operation " << n);
    if (!round(n)) return n - 1;
  }
}

}  // namespace mailstead::storage_test
