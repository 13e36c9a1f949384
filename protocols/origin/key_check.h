// Whether a signature holds with the key that DNS has for it: RFC 6376 6.1.2, 6.1.3. DKIM and ARC verify so.
// Private to protocols/. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "protocols/auth/hmac.h"
#include "protocols/dns_message.h"
#include "protocols/origin/claimed_signature.h"
#include "protocols/origin/dkim_result.h"

namespace mailstead {

// Clocks of others may be wrong by this.
inline constexpr std::int64_t kClockAllowance = 300;  // seconds

struct KeyCheck {
  DkimFinding finding;
  bool is_testing = false;  // the key that decided is one with t=y
};

// `digest`: of what was signed. `keys`: the TXT records of signature.key_name(). `now` in Unix seconds. RSA
// takes some 50 microseconds for each key, and more than a few are not looked at.
KeyCheck check_with_key(const ClaimedSignature& signature, const Sha256& digest, const dns::Answer& keys,
                        std::int64_t now);

}  // namespace mailstead
