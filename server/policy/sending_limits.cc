#include "server/policy/sending_limits.h"

#include <algorithm>
#include <cmath>

namespace mailstead {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 86400;
constexpr std::size_t kUsersBeforeSweep = 1000;
constexpr std::int64_t kSweepPause = 60;

template <typename A>
void fill(A& allowance, std::uint32_t most, std::int64_t period, std::int64_t now) {
  const double whole = most;
  if (!allowance.begun) {
    allowance = {whole, now, true};
  } else {
    const double earned = whole * static_cast<double>(now - allowance.as_of) / static_cast<double>(period);
    allowance.left = std::min(whole, allowance.left + earned);
    allowance.as_of = now;
  }
}

template <typename A>
std::int64_t wait_for_one(const A& allowance, std::uint32_t most, std::int64_t period) {
  if (allowance.left >= 1 - 1e-9) return 0;
  // A hair's breadth of rounding is no second.
  const double wait = (1 - allowance.left) * static_cast<double>(period) / most - 1e-6;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(wait)));
}

}  // namespace

std::optional<std::chrono::seconds> SendingLimits::take(const std::string& user,
                                                        const Config::Submission& limits, std::int64_t now) {
  if (limits.recipients_per_hour == 0 && limits.recipients_per_day == 0) return std::nullopt;
  if (users_.size() >= kUsersBeforeSweep && now - swept_at_ >= kSweepPause) forget_the_idle(now);
  User& entry = users_[user];
  std::int64_t wait = 0;
  // One that is off now begins whole when it is on again.
  if (limits.recipients_per_hour == 0) entry.hour.begun = false;
  if (limits.recipients_per_day == 0) entry.day.begun = false;
  if (limits.recipients_per_hour > 0) {
    fill(entry.hour, limits.recipients_per_hour, kHour, now);
    wait = std::max(wait, wait_for_one(entry.hour, limits.recipients_per_hour, kHour));
  }
  if (limits.recipients_per_day > 0) {
    fill(entry.day, limits.recipients_per_day, kDay, now);
    wait = std::max(wait, wait_for_one(entry.day, limits.recipients_per_day, kDay));
  }
  if (wait > 0) return std::chrono::seconds(wait);
  if (limits.recipients_per_hour > 0) entry.hour.left -= 1;
  if (limits.recipients_per_day > 0) entry.day.left -= 1;
  return std::nullopt;
}

bool SendingLimits::is_news(const std::string& user, std::int64_t now) {
  User& entry = users_[user];
  if (entry.told && now - entry.told_at < kHour) return false;
  entry.told = true;
  entry.told_at = now;
  return true;
}

// After a day both allowances are full again.
void SendingLimits::forget_the_idle(std::int64_t now) {
  swept_at_ = now;
  std::erase_if(users_, [now](const auto& each) {
    const User& user = each.second;
    return now - std::max(user.hour.as_of, user.day.as_of) >= kDay;
  });
}

}  // namespace mailstead
