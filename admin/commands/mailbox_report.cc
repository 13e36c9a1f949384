#include "admin/commands/mailbox_report.h"

#include <fmt/format.h>

#include "admin/config/quantity.h"
#include "admin/text.h"

namespace mailstead::admin {

std::string state_of(const MailboxSummary& mailbox) {
  if (!mailbox.enabled) return "disabled";
  return mailbox.has_password ? "enabled" : "no password";
}

bool is_full(const MailboxSummary& mailbox) {
  return mailbox.quota != 0 && mailbox.octets >= mailbox.quota;
}

namespace {

std::uint64_t percent_of(const MailboxSummary& mailbox) {
  return mailbox.octets * 100 / mailbox.quota;
}

}  // namespace

std::string quota_text(const MailboxSummary& mailbox) {
  if (mailbox.quota == 0) return "none";
  return fmt::format("{} % of {}", percent_of(mailbox), print_size(mailbox.quota));
}

std::string use_text(const MailboxSummary& mailbox) {
  if (mailbox.quota == 0) return size_text(mailbox.octets);
  return fmt::format("{} of {}, {} %", size_text(mailbox.octets), print_size(mailbox.quota),
                     percent_of(mailbox));
}

Value::Object mailbox_facts(const MailboxSummary& mailbox) {
  return {{"address", mailbox.address.text()},
          {"enabled", mailbox.enabled},
          {"has_password", mailbox.has_password},
          {"messages", mailbox.messages},
          {"octets", mailbox.octets},
          {"quota", mailbox.quota == 0 ? Value(nullptr) : Value(mailbox.quota)},
          {"quota_is_default", !mailbox.own_quota.has_value()},
          {"full", is_full(mailbox)},
          {"deleted_messages", mailbox.deleted_messages},
          {"deleted_octets", mailbox.deleted_octets}};
}

}  // namespace mailstead::admin
