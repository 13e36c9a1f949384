#include "protocols/smtp/smtp_service.h"

namespace mailstead {
namespace {

constexpr SmtpServiceRules kServices[] = {
    // service                 protocol lhlo   login  repairs hears  each
    {SmtpService::kExchange, "ESMTP", false, false, false, true, false},
    {SmtpService::kSubmission, "ESMTP", false, true, true, false, false},
    {SmtpService::kLmtp, "LMTP", true, false, false, false, true},
};

}  // namespace

const SmtpServiceRules& rules_of(SmtpService service) {
  for (const SmtpServiceRules& rules : kServices) {
    if (rules.service == service) return rules;
  }
  return kServices[0];
}

}  // namespace mailstead
