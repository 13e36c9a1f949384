#include "protocols/smtp/smtp_policy.h"

namespace mailstead {

Reply policy_reply(PolicyStage stage, const PolicyVerdict& verdict) {
  if (verdict.action == PolicyVerdict::Action::kDefer) {
    // RFC 5321 3.8: at the greeting only 421 says "not now".
    if (stage == PolicyStage::kConnect) return {421, "4.7.0", verdict.text};
    // RFC 5321 4.3.2: of a recipient 450; of the others 451 is what there is.
    return {stage == PolicyStage::kRecipient ? 450 : 451, "4.7.1", verdict.text};
  }
  // RFC 5321 3.1
  return {stage == PolicyStage::kConnect ? 554 : 550, "5.7.1", verdict.text};
}

}  // namespace mailstead
