// Who judges SMTP sessions, beyond what the protocol and the directory say: see protocols/smtp/smtp_policy.h
// for where a session asks. A new check is a line in judged() and one in judge(). Threads: the reactor.
#pragma once

#include "admin/config/config.h"
#include "protocols/smtp/smtp_session.h"
#include "server/log.h"
#include "server/policy/sending_limits.h"

namespace mailstead {

class SmtpPolicies {
 public:
  // `config` is the newest whenever it is looked at.
  SmtpPolicies(const Config& config, Log& log) : config_(config), log_(log) {}

  // Where a new session has to ask.
  PolicyStages judged(SmtpService service) const;
  PolicyVerdict judge(const AskPolicy& ask, const PeerFacts& peer);

 private:
  PolicyVerdict judge_amount(const AskPolicy& ask, const PeerFacts& peer);

  const Config& config_;
  Log& log_;
  SendingLimits sending_limits_;
};

}  // namespace mailstead
