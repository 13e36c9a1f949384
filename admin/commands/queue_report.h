// How messages of the queue look to people and scripts. Pure but for the attempts, which are asked of the
// store.
#pragma once

#include <string>

#include "admin/value.h"
#include "storage/store.h"

namespace mailstead::admin {

std::string sender_text(const QueuedMessage& message);  // "<>" for the null reverse-path
std::string state_text(QueueState state);               // "waits", "delivered", "failed", "dropped"
// All of it, with each attempt.
std::string queued_text(const QueuedMessage& message, Store& store);
Value queued_value(const QueuedMessage& message);
// The same, each recipient with all of its attempts.
Value queued_history(const QueuedMessage& message, Store& store);

}  // namespace mailstead::admin
