// The keys that sign a domain's mail, as the store hands them out. Plain values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocols/origin/dkim_key.h"

namespace mailstead {

// See storage/README.md.
enum class DkimKeyState {
  kNext,     // to be published; signs nothing yet
  kActive,   // signs, and has to stay published
  kRetired,  // signs no more; mail that it signed is still on its way
};

struct DkimKeyEntry {
  DkimIdentity identity;
  DkimKeyState state = DkimKeyState::kActive;
  std::int64_t since = 0;  // Unix seconds: in this state
};

// What mail of a domain is signed with: one of each algorithm.
using DkimSigners = std::shared_ptr<const std::vector<DkimIdentity>>;

// How long a retired key has to stay published, seconds: mail waits in queues for five days at most, and is
// verified when it arrives.
inline constexpr std::int64_t kDkimRetirement = 7 * 24 * 3600;

}  // namespace mailstead
