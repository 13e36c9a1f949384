// The system calls by which any code of this process, SQLite included, touches files: each passes one
// observer.
//
// disk_calls.cc defines the C library's functions (open, write, fsync, …) in the program itself, so that
// shared libraries find these first. What the C library does within itself (stdio, readdir) does not pass
// here. Threads: one observer at a time, set while one thread touches files. An observer's own calls are not
// observed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailstead::power {

enum class CallKind {
  kOpen,
  kRead,
  kWrite,
  kTruncate,
  kAllocate,
  kSync,
  kSyncAll,
  kRename,
  kLink,
  kUnlink,
  kMakeFolder,
  kMap,
};

// Names are given as the call had them: relative to `at`, unless they are absolute.
struct DiskCall {
  CallKind kind = CallKind::kOpen;
  int fd = -1;  // what is written, synced, mapped, …
  int at = -1;
  const char* path = nullptr;
  int to_at = -1;  // of a rename or link
  const char* to_path = nullptr;
  std::uint64_t offset = 0;     // where is written, or the new length of kTruncate
  std::size_t length = 0;       // octets
  const void* bytes = nullptr;  // null: what was written has to be read back (it came from another file)
  int flags = 0;                // of open, renameat2, unlinkat
};

class DiskObserver {
 public:
  virtual ~DiskObserver() = default;
  // 0, or the errno that the call fails with; then it is not made.
  virtual int refuse(const DiskCall&) { return 0; }
  // How many octets of it a read or write may move; at least one.
  virtual std::size_t allowed(const DiskCall& call) { return call.length; }
  // Before it is made.
  virtual void begins(const DiskCall&) {}
  // After it succeeded: the new descriptor, or how many octets.
  virtual void done(const DiskCall&, std::int64_t) {}
};

// nullptr: nobody observes.
void set_disk_observer(DiskObserver* observer);

// While it lives, calls of this thread are not observed.
class Unobserved {
 public:
  Unobserved();
  ~Unobserved();
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;

 private:
  bool before_;
};

}  // namespace mailstead::power
