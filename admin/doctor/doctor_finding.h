// What `doctor` found by one of its checks. Plain values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailstead::admin {

enum class Health {
  kOk,
  kNote,     // good to know; nothing has to be done
  kSkipped,  // could not be looked at, and why
  kWarning,  // mail works, but not everywhere, or not for long
  kProblem,  // mail is refused, lost, or open to others
};

struct DoctorFinding {
  std::string_view check;  // its id, "dns-reverse": one of doctor_checks()
  Health health = Health::kOk;
  std::string found;  // one sentence or a part of one, without a full stop; may hold what strangers sent
  std::string advice = {};  // what to do, sentences; empty: nothing
};
using DoctorFindings = std::vector<DoctorFinding>;

}  // namespace mailstead::admin
