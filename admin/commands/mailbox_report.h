// What is said of a mailbox in several commands. Pure functions; any thread.
#pragma once

#include <string>

#include "admin/value.h"
#include "storage/store.h"

namespace mailstead::admin {

// "enabled", "disabled", "no password".
std::string state_of(const MailboxSummary& mailbox);

// Has it room for no message at all?
bool is_full(const MailboxSummary& mailbox);
// "60 % of 2 GiB"; "none". Per cent are rounded down: 100 is full.
std::string quota_text(const MailboxSummary& mailbox);
// "1.2 GiB of 2 GiB, 60 %"; "1.2 GiB" without a quota.
std::string use_text(const MailboxSummary& mailbox);

// Address, state and counts; each command adds what else it tells.
Value::Object mailbox_facts(const MailboxSummary& mailbox);

}  // namespace mailstead::admin
