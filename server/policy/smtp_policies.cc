#include "server/policy/smtp_policies.h"

#include <fmt/format.h>

#include <chrono>

namespace mailstead {
namespace {

std::int64_t steady_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// "40 s", "12 min": nobody has to know it to the second.
std::string in_words(std::chrono::seconds wait) {
  if (wait < std::chrono::minutes(2)) return fmt::format("{} s", wait.count());
  return fmt::format("{} min", (wait.count() + 59) / 60);
}

}  // namespace

PolicyStages SmtpPolicies::judged(SmtpService service) const {
  PolicyStages stages;
  const Config::Submission& limits = config_.submission;
  const bool counts = limits.recipients_per_hour > 0 || limits.recipients_per_day > 0;
  if (rules_of(service).login && counts) stages.add(PolicyStage::kRecipient);
  return stages;
}

PolicyVerdict SmtpPolicies::judge(const AskPolicy& ask, const PeerFacts& peer) {
  if (ask.stage == PolicyStage::kRecipient && !ask.user.empty()) return judge_amount(ask, peer);
  return {};
}

PolicyVerdict SmtpPolicies::judge_amount(const AskPolicy& ask, const PeerFacts& peer) {
  const std::int64_t now = steady_seconds();
  const auto wait = sending_limits_.take(ask.user, config_.submission, now);
  if (!wait) return {};
  if (sending_limits_.is_news(ask.user, now)) {
    log_.warning("sending-limited",
                 {{"user", ask.user},
                  {"peer", peer.address},
                  {"what",
                   "the user sent to as many recipients as submission.recipients_per_hour and "
                   "recipients_per_day allow; if this is not the user's doing, change the password"}});
  }
  return {PolicyVerdict::Action::kDefer,
          fmt::format("You have sent to too many recipients, try again in {}", in_words(*wait))};
}

}  // namespace mailstead
