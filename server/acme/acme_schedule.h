// When a certificate is renewed, and when an attempt that failed is made again. Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace mailstead {

// When a third of its time is left, or a little earlier: by the certificate's fingerprint, so that not all
// who got one at the same hour come back at the same hour, and a restart does not change it. Unix seconds.
std::int64_t renewal_time(std::int64_t not_before, std::int64_t not_after, std::string_view fingerprint);

// After so many attempts that failed one after the other, at least one: 5 minutes, twice as long each time,
// up to a day, and up to a fifth more (`chance` from 0 to 1). Four in the first hour: Let's Encrypt allows
// five failed ones of a name.
std::chrono::seconds delay_after_failures(unsigned failures, double chance);

}  // namespace mailstead
