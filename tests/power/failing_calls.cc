#include "failing_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace mailstead::power {

namespace {

// Of a file without a name it is that of its folder and something more.
std::string path_of_descriptor(int fd) {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path.data(), path.size());
  return length < 0 ? "" : std::string(path.data(), static_cast<std::size_t>(length));
}

int error_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kNoSpace:
      return ENOSPC;
    case FaultKind::kNoFiles:
      return EMFILE;
    case FaultKind::kNoMemory:
      return ENOMEM;
    case FaultKind::kIo:
    case FaultKind::kShort:
      break;
  }
  return EIO;
}

}  // namespace

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kIo:
      return "EIO";
    case FaultKind::kNoSpace:
      return "ENOSPC";
    case FaultKind::kNoFiles:
      return "EMFILE";
    case FaultKind::kNoMemory:
      return "ENOMEM";
    case FaultKind::kShort:
      return "short write";
  }
  return "";
}

FailingCalls::FailingCalls(std::string root) : root_(std::move(root)) {
  set_disk_observer(this);
}

FailingCalls::~FailingCalls() {
  set_disk_observer(nullptr);
}

void FailingCalls::arm(FaultKind kind, std::size_t n, FaultTimes times) {
  kind_ = kind;
  n_ = n;
  times_ = times;
  count_ = 0;
  happened_ = false;
  armed_ = true;
}

bool FailingCalls::is_ours(const DiskCall& call) const {
  if (call.path == nullptr) return path_of_descriptor(call.fd).starts_with(root_);
  if (call.path[0] == '/') return std::string_view(call.path).starts_with(root_);
  return call.at != AT_FDCWD && path_of_descriptor(call.at).starts_with(root_);
}

bool FailingCalls::can_fail(const DiskCall& call) const {
  const bool opens_new = call.kind == CallKind::kOpen && (call.flags & (O_CREAT | __O_TMPFILE)) != 0;
  switch (kind_) {
    case FaultKind::kIo:
      return true;
    case FaultKind::kNoSpace:
      return opens_new || call.kind == CallKind::kWrite || call.kind == CallKind::kAllocate ||
             call.kind == CallKind::kRename || call.kind == CallKind::kLink ||
             call.kind == CallKind::kMakeFolder;
    case FaultKind::kNoFiles:
      return call.kind == CallKind::kOpen;
    case FaultKind::kNoMemory:
      return call.kind == CallKind::kOpen || call.kind == CallKind::kMap;
    case FaultKind::kShort:
      return call.kind == CallKind::kWrite && call.length > 1;
  }
  return false;
}

bool FailingCalls::is_next(const DiskCall& call) {
  if (!armed_ || !can_fail(call) || !is_ours(call)) return false;
  ++count_;
  const bool is_it = times_ == FaultTimes::kOnce ? count_ == n_ : count_ >= n_;
  happened_ |= is_it;
  return is_it;
}

int FailingCalls::refuse(const DiskCall& call) {
  return kind_ != FaultKind::kShort && is_next(call) ? error_of(kind_) : 0;
}

std::size_t FailingCalls::allowed(const DiskCall& call) {
  return kind_ == FaultKind::kShort && is_next(call) ? call.length / 2 : call.length;
}

}  // namespace mailstead::power
