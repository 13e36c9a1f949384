// What is said of a mailbox in several commands. Pure functions; any thread.
#pragma once

#include <string>

#include "admin/value.h"
#include "storage/store.h"

namespace mailstead::admin {

// "enabled", "disabled", "no password".
std::string state_of(const MailboxSummary& mailbox);

// Address, state and counts; each command adds what else it tells.
Value::Object mailbox_facts(const MailboxSummary& mailbox);

}  // namespace mailstead::admin
