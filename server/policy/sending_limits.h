// How many recipients a user may send to in an hour and in a day. It is there for the day when somebody else
// has found a user's password: a person does not notice it, and a spammer's run ends soon.
//
// Each allowance is filled evenly while time passes, so nobody waits for a full hour, and holds a whole
// hour's or day's worth at most. In memory: a restart fills them. Threads: the reactor.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "admin/config/config.h"

namespace mailstead {

class SendingLimits {
 public:
  // One recipient more, at `now` (seconds of a clock that never goes back). nullopt: it is counted, and may
  // go. Else how long it takes until the next one may.
  std::optional<std::chrono::seconds> take(const std::string& user, const Config::Submission& limits,
                                           std::int64_t now);
  // Is this the first refusal of the user in an hour? The one that is worth a warning.
  bool is_news(const std::string& user, std::int64_t now);

 private:
  struct Allowance {
    double left = 0;  // recipients
    std::int64_t as_of = 0;
    bool begun = false;
  };
  struct User {
    Allowance hour;
    Allowance day;
    std::int64_t told_at = 0;
    bool told = false;
  };
  void forget_the_idle(std::int64_t now);

  std::unordered_map<std::string, User> users_;
  std::int64_t swept_at_ = 0;
};

}  // namespace mailstead
