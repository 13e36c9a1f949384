#include "server/outgoing/local_delivery.h"

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

namespace mailstead {

namespace {

constexpr std::size_t kCopiedPiece = 256 * 1024;   // octets read at a time
constexpr std::uint64_t kMostInMemory = 1u << 20;  // octets of a message

// The message as one delivery to these of its recipients.
Result<Delivery> delivery_of(Store& store, const QueuedMessage& message,
                             const std::vector<QueuedRecipient>& recipients) {
  Delivery delivery;
  delivery.id = store.new_id();
  delivery.envelope = message.envelope;
  delivery.envelope.recipients.clear();
  for (const QueuedRecipient& each : recipients) {
    delivery.envelope.recipients.push_back(each.recipient);
    QueueOutcome outcome;
    outcome.recipient = each.row;
    outcome.attempt = {std::time(nullptr), QueueState::kDelivered, "2.1.5", "", "delivered here"};
    outcome.passed_on = true;  // a report of success is the delivery's own
    delivery.notes.push_back(std::move(outcome));
  }
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

// Why this recipient cannot have it, whoever else does.
std::optional<AttemptResult> obstacle_for(const Store& store, const QueuedMessage& message,
                                          const QueuedRecipient& recipient) {
  const auto& deliver_by = message.envelope.deliver_by;
  if (deliver_by && deliver_by->returns && std::time(nullptr) > deliver_by->at) {
    return AttemptResult{AttemptResult::Kind::kFailed, "5.4.7", "",
                         "the time by which it was to be delivered is over", false};
  }
  // What was switched off can be switched on.
  if (store.directory()->classify(recipient.recipient.address) == RecipientKind::kDisabled) {
    return AttemptResult{AttemptResult::Kind::kDeferred, "4.2.1", "", "the mailbox is switched off", false};
  }
  const Room room = store.room_for(recipient.recipient.address, message.size);
  if (room == Room::kNever)
    return AttemptResult{AttemptResult::Kind::kFailed, "5.2.2", "", "it is larger than the mailbox may be",
                         false};
  if (room == Room::kNo)
    return AttemptResult{AttemptResult::Kind::kDeferred, "4.2.2", "", "the mailbox is full", false};
  return std::nullopt;
}

}  // namespace

struct LocalDelivery::Job {
  QueueSchedule::Work work;
  QueuedMessage message;
  bool is_there = false;
  std::vector<std::pair<QueuedRecipient, AttemptResult>> failed;

  // All of them at once, so that nobody has it twice; each for itself where one is in the way of the others.
  void deliver_to(Store& store, const std::vector<QueuedRecipient>& recipients) {
    auto delivery = delivery_of(store, message, recipients);
    std::optional<Error> error;
    if (!delivery) {
      error = delivery.error();
    } else if (const auto results = store.deliver({&*delivery, 1}); !results.front()) {
      error = results.front().error();
    }
    if (!error) return;
    if (recipients.size() == 1) {
      failed.emplace_back(recipients.front(), result_of(*error));
      return;
    }
    for (const QueuedRecipient& each : recipients) deliver_to(store, {each});
  }
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
    std::vector<QueuedRecipient> due;
    for (const QueuedRecipient& recipient : job->message.recipients) {
      const auto& wanted = job->work.recipients;
      const bool is_due = std::ranges::find(wanted, recipient.row) != wanted.end();
      if (!is_due || recipient.state != QueueState::kWaiting || job->message.held) continue;
      if (auto obstacle = obstacle_for(store, job->message, recipient)) {
        job->failed.emplace_back(recipient, *std::move(obstacle));
      } else {
        due.push_back(recipient);
      }
    }
    if (!due.empty()) job->deliver_to(store, due);
  };
  if (house_.storage().post(deliver, [this, job] { done(*job); })) return;
  house_.give_back(job->work.recipients);
  ended_(*this);
}

void LocalDelivery::done(Job& job) {
  std::vector<QueueOutcome> outcomes;
  std::vector<RecipientRow> settled = job.work.recipients;
  for (const auto& [recipient, result] : job.failed) {
    outcomes.push_back(house_.decide_outcome(job.message, recipient, result));
    std::erase(settled, recipient.row);
    house_.log().warning(
        "not-delivered",
        {{"id", job.message.id}, {"to", recipient.recipient.address.text()}, {"why", result.reply}});
  }
  if (job.is_there && !settled.empty()) {
    house_.log().info("delivered-here", {{"id", job.message.id}});
  }
  job.is_there ? house_.give_back(settled) : house_.put_off(settled);
  house_.attempted(std::move(outcomes));
  start();
}

}  // namespace mailstead
