#include "queue_support.h"

#include <utility>

#include "support.h"
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

Delivery submission(Store& store, const std::vector<std::string>& recipients, const std::string& content) {
  Delivery delivery = message(store, recipients, content);
  delivery.envelope.reverse_path = address(kAnna);
  delivery.relaying = Relaying::kYes;
  delivery.user = kAnna;
  return delivery;
}

Result<Delivered> submit(Store& store, Delivery delivery) {
  std::vector<Delivery> batch;
  batch.push_back(std::move(delivery));
  return std::move(store.deliver(batch)[0]);
}

QueueOutcome outcome(const QueuedRecipient& recipient, QueueState state, const std::string& reply) {
  QueueOutcome result;
  result.recipient = recipient.row;
  result.attempt = {1'700'000'000, state, reply.substr(4, 5), "mx.far.example", reply};
  result.next_at = state == QueueState::kWaiting ? 1'700'000'300 : 0;
  return result;
}

Delivery spooled(Store& store, Delivery delivery) {
  delivery.spool = std::move(*store.new_spool());
  REQUIRE(delivery.spool->append(std::exchange(delivery.rest, "")).has_value());
  return delivery;
}

}  // namespace mailstead::storage_test
