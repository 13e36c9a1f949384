// Lets system calls fail that touch one folder.
#pragma once

#include <string>

#include "disk_calls.h"

namespace mailstead::power {

enum class FaultKind {
  kIo,        // EIO: any call
  kNoSpace,   // ENOSPC: what needs room
  kNoFiles,   // EMFILE: open
  kNoMemory,  // ENOMEM: open, map
  kShort,     // a write that moves only half of its octets
};
const char* name_of(FaultKind kind);

enum class FaultTimes { kOnce, kForEver };

class FailingCalls final : public DiskObserver {
 public:
  // Calls below this folder; observes until it is destroyed, and lets all pass until arm().
  explicit FailingCalls(std::string root);
  ~FailingCalls() override;
  FailingCalls(const FailingCalls&) = delete;
  FailingCalls& operator=(const FailingCalls&) = delete;

  // The n-th call from now on, counted from 1, of those that can fail so.
  void arm(FaultKind kind, std::size_t n, FaultTimes times);
  void disarm() { armed_ = false; }
  // Since arm().
  std::size_t calls() const { return count_; }
  bool happened() const { return happened_; }

  int refuse(const DiskCall& call) override;
  std::size_t allowed(const DiskCall& call) override;

 private:
  bool is_ours(const DiskCall& call) const;
  bool can_fail(const DiskCall& call) const;
  bool is_next(const DiskCall& call);

  const std::string root_;
  bool armed_ = false;
  FaultKind kind_ = FaultKind::kIo;
  std::size_t n_ = 0;
  FaultTimes times_ = FaultTimes::kOnce;
  std::size_t count_ = 0;
  bool happened_ = false;
};

}  // namespace mailstead::power
