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

}  // namespace mailstead::storage_test
