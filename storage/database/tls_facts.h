// What the store remembers of other hosts' TLS, as it is handed out. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace mailstead {

// RFC 8461 5.1: a policy is good until its max_age is over, whatever DNS says meanwhile.
struct KeptStsPolicy {
  std::string domain;           // of A-labels
  std::string id;               // by which DNS announced it
  std::string text;             // as it was fetched
  std::int64_t fetched_at = 0;  // Unix seconds
};

// A report that is not settled.
struct DueTlsReport {
  std::int64_t day = 0;  // as TlsCount's
  std::string domain;
};

}  // namespace mailstead
