#include "queue_support.h"

#include "tests/catch.h"

namespace mailstead::storage_test {

std::vector<QueuedMessage> queued(Store& store) {
  auto messages = store.list_queue(0, 1000);
  REQUIRE(messages.has_value());
  return *messages;
}

std::string content_of(Store& store, const QueuedMessage& message) {
  auto reader = store.open_queued(message);
  REQUIRE(reader.has_value());
  std::string content;
  while (true) {
    const std::size_t before = content.size();
    REQUIRE((*reader)->read(before, 1000, content).has_value());
    if (content.size() == before) return content;
  }
}

}  // namespace mailstead::storage_test
