// The ARC sets of a message: RFC 8617 4.2. Private to protocols/ but for ChainValidation and kMaxArcSets.
// Pure functions and plain values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/origin/dkim_canonical.h"

namespace mailstead {

// What became of the earlier sets: cv=, RFC 8617 4.4.
enum class ChainValidation { kNone, kFail, kPass };
// "none", "fail", "pass"
std::string_view name_of(ChainValidation chain);

inline constexpr std::size_t kMaxArcSets = 50;  // RFC 8617 4.2.1

// In the order in which a seal covers a set's fields: RFC 8617 5.1.1.
inline constexpr std::array<std::string_view, 3> kArcNames = {"ARC-Authentication-Results",
                                                              "ARC-Message-Signature", "ARC-Seal"};

// Raw fields in the order of those names.
struct ArcSet {
  std::array<std::string_view, kArcNames.size()> fields;

  std::string_view message_signature() const { return fields[1]; }
  std::string_view seal() const { return fields[2]; }
};

struct ArcSets {
  std::vector<ArcSet> sets;  // by instance, from 1; none where something is wrong
  std::string problem;       // what, in words; empty: they are a chain, or there are none
  std::size_t highest = 0;   // instance that is named anywhere, of those that may be
  bool has_failed = false;   // some seal says cv=fail
};

// `fields`: a header, from the top down. Linear, whatever it holds.
ArcSets find_arc_sets(std::span<const DkimField> fields);

}  // namespace mailstead
