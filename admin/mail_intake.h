// Whether mail that comes in is taken, and if not, why: decided here for /readyz, `status` and metrics, so
// that none of them says otherwise than the others. Alerts and `doctor` tell of little room and of writes
// that fail one by one, by the same facts. A pure function; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "protocols/result.h"

namespace mailstead::admin {

struct MailIntake {
  Result<std::uint64_t> free;      // octets on the data folder's disk
  std::uint64_t least_free = 0;    // below which mail is asked to come later
  std::string write_trouble = {};  // why the last mail could not be written down; empty: it could
};

// A sentence without its full stop; empty: mail is taken.
std::string why_no_mail(const MailIntake& intake);

}  // namespace mailstead::admin
