#include "admin/mailbox_report.h"

namespace mailstead::admin {

std::string state_of(const MailboxSummary& mailbox) {
  if (!mailbox.enabled) return "disabled";
  return mailbox.has_password ? "enabled" : "no password";
}

Value::Object mailbox_facts(const MailboxSummary& mailbox) {
  return {{"address", mailbox.address.text()},
          {"enabled", mailbox.enabled},
          {"has_password", mailbox.has_password},
          {"messages", mailbox.messages},
          {"octets", mailbox.octets},
          {"deleted_messages", mailbox.deleted_messages},
          {"deleted_octets", mailbox.deleted_octets}};
}

}  // namespace mailstead::admin
