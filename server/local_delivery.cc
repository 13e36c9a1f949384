#include "server/local_delivery.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace mailstead {

namespace {

constexpr std::size_t kCopiedPiece = 256 * 1024;   // octets read at a time
constexpr std::uint64_t kMostInMemory = 1u << 20;  // octets of a message

// The message as a delivery to one of its recipients.
Result<Delivery> delivery_of(Store& store, const QueuedMessage& message, const QueuedRecipient& recipient) {
  Delivery delivery;
  delivery.id = store.new_id();
  delivery.envelope = message.envelope;
  delivery.envelope.recipients = {recipient.recipient};
  delivery.envelope.hold_until = 0;
  delivery.user = message.user;
  if (!message.user.empty()) delivery.relaying = Relaying::kYes;
  auto reader = store.open_queued(message);
  if (!reader) return reader.error();
  if (message.size > kMostInMemory) {
    auto spool = store.new_spool();
    if (!spool) return spool.error();
    delivery.spool = *std::move(spool);
  }
  std::string piece;
  for (std::uint64_t at = 0; at < message.size; at += piece.size()) {
    piece.clear();
    if (auto read = (*reader)->read(at, kCopiedPiece, piece); !read) return read.error();
    if (piece.empty()) return Error{ErrorKind::kCorrupt, "its file is shorter than it was"};
    if (delivery.spool == nullptr) {
      delivery.rest += piece;
    } else if (auto kept = delivery.spool->append(piece); !kept) {
      return kept.error();
    }
  }
  return delivery;
}

AttemptResult result_of(const Error& error) {
  AttemptResult result;
  const bool is_final = error.kind == ErrorKind::kNotFound || error.kind == ErrorKind::kInvalid ||
                        error.kind == ErrorKind::kTooLarge;
  result.kind = is_final ? AttemptResult::Kind::kFailed : AttemptResult::Kind::kDeferred;
  result.status = error.kind == ErrorKind::kNotFound    ? "5.1.1"
                  : error.kind == ErrorKind::kInvalid   ? "5.4.6"
                  : error.kind == ErrorKind::kTooLarge  ? "5.2.2"
                  : error.kind == ErrorKind::kOverQuota ? "4.2.2"
                                                        : "4.3.0";
  result.reply = error.message;
  return result;
}

}  // namespace

struct LocalDelivery::Job {
  QueueSchedule::Work work;
  QueuedMessage message;
  bool is_there = false;
  std::vector<std::pair<QueuedRecipient, Error>> failed;
};

void LocalDelivery::start() {
  if (house_.is_stopping()) return ended_(*this);
  auto work = house_.next_work(destination_);
  if (!work) return ended_(*this);
  auto job = std::make_shared<Job>();
  job->work = *std::move(work);
  const auto deliver = [job](Store& store) {
    auto message = store.queued_message(job->work.message);
    if (!message) return;
    job->message = *std::move(message);
    job->is_there = true;
    for (const QueuedRecipient& recipient : job->message.recipients) {
      const auto& wanted = job->work.recipients;
      const bool is_due = std::ranges::find(wanted, recipient.row) != wanted.end();
      if (!is_due || recipient.state != QueueState::kWaiting || job->message.held) continue;
      auto delivery = delivery_of(store, job->message, recipient);
      if (!delivery) {
        job->failed.emplace_back(recipient, delivery.error());
        continue;
      }
      QueueOutcome outcome;
      outcome.recipient = recipient.row;
      outcome.attempt = {std::time(nullptr), QueueState::kDelivered, "2.1.5", "", "delivered here"};
      outcome.passed_on = true;  // a report of success is the delivery's own
      delivery->notes = {outcome};
      const auto results = store.deliver({&*delivery, 1});
      if (!results.front()) job->failed.emplace_back(recipient, results.front().error());
    }
  };
  if (house_.storage().post(deliver, [this, job] { done(*job); })) return;
  house_.give_back(job->work.recipients);
  ended_(*this);
}

void LocalDelivery::done(Job& job) {
  std::vector<QueueOutcome> outcomes;
  std::vector<RecipientRow> settled = job.work.recipients;
  for (const auto& [recipient, error] : job.failed) {
    outcomes.push_back(house_.decide_outcome(job.message, recipient, result_of(error)));
    std::erase(settled, recipient.row);
    house_.log().warning(
        "not-delivered",
        {{"id", job.message.id}, {"to", recipient.recipient.address.text()}, {"why", error.message}});
  }
  if (job.is_there && !settled.empty()) {
    house_.log().info("delivered-here", {{"id", job.message.id}});
  }
  house_.give_back(settled);
  house_.attempted(std::move(outcomes));
  start();
}

}  // namespace mailstead
