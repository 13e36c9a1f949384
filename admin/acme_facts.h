// What a running server knows of getting its certificate from an authority (ACME), and how it is told.
// A plain value, taken on the reactor; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "admin/value.h"

namespace mailstead {

struct AcmeFacts {
  bool is_on = false;
  std::string directory;    // URL
  bool is_running = false;  // an attempt
  bool is_needed = false;   // there is none, it does not fit, its time is nearly over, or it failed last time
  std::int64_t next_at = 0;              // Unix seconds, of the next attempt; 0: not known yet
  std::int64_t by_hand_at = 0;           // after several failures: not before, by hand either
  std::int64_t asked_to_wait_until = 0;  // Unix seconds; by the authority
  std::uint32_t failures = 0;            // one after the other
  std::int64_t failed_at = 0;            // Unix seconds; of the last of them
  std::string problem, advice;           // of that: what it was, and what to do
  std::int64_t renewed_at = 0;           // Unix seconds; 0: never
  std::uint64_t renewals = 0;            // since the server's start
};

namespace admin {

// Rows of a table.
std::vector<std::pair<std::string, std::string>> acme_lines(const AcmeFacts& facts);
Value acme_value(const AcmeFacts& facts);

}  // namespace admin
}  // namespace mailstead
