// Ends a process at its n-th operation on the disk, for every n: what kill -9 leaves at each place.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace mailstead::storage_test {

// In the child: says that something was acknowledged. It reaches the parent whatever happens then.
using Acknowledge = std::function<void(int)>;

struct CrashRun {
  bool crashed = false;  // false: the work came to its end before the n-th operation
  std::vector<int> acknowledged;
};

// Runs `work` in a child process that dies just before its n-th operation (n counts from 1) after `arm` was
// called.
using Arm = std::function<void()>;
CrashRun run_until(int n, const std::function<void(const Arm& arm, const Acknowledge& acknowledge)>& work);

// In this process: the n-th operation after the call fails with this errno. Destroying it takes the fault
// away.
class DiskFault {
 public:
  DiskFault(int n, int error_number);
  ~DiskFault();
  DiskFault(const DiskFault&) = delete;
  DiskFault& operator=(const DiskFault&) = delete;
  // Did the fault happen?
  bool happened() const;
};

// Calls `round` with 1, 2, ... for as long as it says that the fault at the n-th operation happened, which is
// to say that there was one to fail. How many there were.
int at_each_fault(const std::function<bool(int n)>& round);

}  // namespace mailstead::storage_test
