// When each mailbox was last opened by POP3: RFC 2449 6.5, LOGIN-DELAY. In memory only, by a clock that does
// not jump: a start forgives. Memory: the logins of the longest delay that was asked about.
//
// Ownership: one for the server. Threads: the reactor.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "storage/accounts/directory.h"

namespace mailstead {

class LoginDelay {
 public:
  // Is it too soon? `now`: milliseconds of a clock that does not jump.
  bool is_too_soon(MailboxId mailbox, std::chrono::seconds delay, std::uint64_t now) const {
    const auto found = last_.find(mailbox);
    return found != last_.end() && now - found->second < milliseconds(delay);
  }

  // It was opened, +OK will be said.
  void note(MailboxId mailbox, std::chrono::seconds delay, std::uint64_t now) {
    if (delay.count() == 0) return;
    if (last_.size() >= room_) {
      std::erase_if(last_, [&](const auto& each) { return now - each.second >= milliseconds(delay); });
      room_ = 2 * last_.size() + kLeastRoom;
    }
    last_[mailbox] = now;
  }

 private:
  static constexpr std::size_t kLeastRoom = 1'000;
  static std::uint64_t milliseconds(std::chrono::seconds delay) {
    return static_cast<std::uint64_t>(delay.count()) * 1'000;
  }

  std::unordered_map<MailboxId, std::uint64_t> last_;
  std::size_t room_ = kLeastRoom;
};

}  // namespace mailstead
