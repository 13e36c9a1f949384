// A look at the queue, for the tests about it.
#pragma once

#include <string>
#include <vector>

#include "storage/store.h"

namespace mailstead::storage_test {

// Unfinished messages, the oldest first.
std::vector<QueuedMessage> queued(Store& store);
// What is sent of one.
std::string content_of(Store& store, const QueuedMessage& message);

inline constexpr const char* kFar = "carl@far.example";
inline constexpr const char* kWide = "dora@wide.example";

// From anna, to be relayed.
Delivery submission(Store& store, const std::vector<std::string>& recipients, const std::string& content);
// The same, as if it were large: it has a file from the start.
Delivery spooled(Store& store, Delivery delivery);
Result<Delivered> submit(Store& store, Delivery delivery);
// `reply`: "250 2.0.0 OK"
QueueOutcome outcome(const QueuedRecipient& recipient, QueueState state, const std::string& reply);

}  // namespace mailstead::storage_test
