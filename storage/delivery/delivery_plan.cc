// What a delivery is going to be, before anything is written: where each message goes, and who has room for
// it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/smtp/trace.h"
#include "protocols/utf8.h"
#include "storage/delivery/delivery.h"
#include "storage/mailbox/message_id.h"
#include "storage/spool.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxTags = 8192;  // octets that are kept with a queued message

}  // namespace

void DeliveryBatch::plan(std::size_t index) {
  Message& message = messages_[index];
  message.error = examine(message);
  if (message.error) return;
  Destinations destinations;
  if (!plan_recipients(message, destinations)) return;
  const std::string name = MessageName{now_, message.id, naming_.host}.text();
  for (MailboxId id : destinations.mailboxes) copies_.push_back({index, id, name});
  message.in_queue = !destinations.queued.empty() || !destinations.forwarded.empty();
  bool id_is_free = destinations.queued.empty();
  if (!destinations.queued.empty()) plan_queue(index, std::move(destinations.queued));
  for (Destinations::Copy& copy : destinations.forwarded) {
    plan_forwarded(index, std::exchange(id_is_free, false) ? message.id : new_id_(), std::move(copy));
  }
}

// False: nobody gets it.
bool DeliveryBatch::plan_recipients(Message& message, Destinations& destinations) {
  if (message.delivery->envelope.hold_until > now_) return plan_held(message, destinations);
  const bool each = message.delivery->failures == Failures::kOfEachRecipient;
  // Who is named needs no second copy by an alias.
  for (const Recipient& recipient : message.delivery->envelope.recipients)
    destinations.targets.push_back(recipient.address.key());
  for (const Recipient& recipient : message.delivery->envelope.recipients) {
    auto failure = plan_recipient(message, recipient, destinations);
    if (failure && !each) {
      message.error = std::move(failure);
      return false;
    }
    if (each) message.failures.push_back(std::move(failure));
  }
  if (!each && !destinations.mailboxes.empty()) message.error = find_room(message, destinations.mailboxes);
  return !message.error;
}

// RFC 4865 4: until then nobody gets it, here or elsewhere; who cannot ever have it is told of now.
bool DeliveryBatch::plan_held(Message& message, Destinations& destinations) const {
  for (const Recipient& recipient : message.delivery->envelope.recipients) {
    if (directory_.classify(recipient.address) != RecipientKind::kNotOurs) {
      if (auto found = mailboxes_of(recipient.address, message.delivered_to); !found) {
        message.error = found.error();
        return false;
      }
    }
    QueuedRecipient queued{0, recipient};
    queued.next_at = message.delivery->envelope.hold_until;
    destinations.queued.push_back(std::move(queued));
  }
  return true;
}

std::optional<Error> DeliveryBatch::plan_recipient(Message& message, const Recipient& recipient,
                                                   Destinations& destinations) {
  if (message.delivery->relaying == Relaying::kYes &&
      directory_.classify(recipient.address) == RecipientKind::kNotOurs) {
    destinations.queued.push_back(waiting(recipient));
    return std::nullopt;
  }
  if (plan_report(message, recipient, destinations)) return std::nullopt;
  auto found = mailboxes_of(recipient.address, message.delivered_to);
  if (!found) return found.error();
  for (MailboxId id : *found) {
    const bool is_its_own = directory_.find(id)->address.key() == recipient.address.key();
    if (is_its_own || !message.asked_as.contains(id))
      message.asked_as.insert_or_assign(id, recipient.address);
  }
  const std::size_t forwards = directory_.forwards(recipient.address).size();
  const Places places = found->empty() && forwards == 1 ? Places::kOne : Places::kSeveral;
  std::erase_if(*found, [&](MailboxId id) {
    return std::find(destinations.mailboxes.begin(), destinations.mailboxes.end(), id) !=
           destinations.mailboxes.end();
  });
  if (message.delivery->failures == Failures::kOfEachRecipient && !found->empty()) {
    if (auto failure = find_room(message, *found)) return failure;
  }
  if (auto failure = plan_forwards(message, recipient, places, destinations)) return failure;
  destinations.mailboxes.insert(destinations.mailboxes.end(), found->begin(), found->end());
  if (places == Places::kSeveral && recipient.notify && recipient.notify->success &&
      message.delivery->envelope.reverse_path) {
    // RFC 3461 5.2.4: who asked is told when it is in the mailbox, and not before.
    QueuedRecipient queued{0, recipient, QueueState::kDelivered, QueueReports::kSuccess};
    queued.last = {now_, QueueState::kDelivered, "2.1.5", "", ""};
    destinations.queued.push_back(std::move(queued));
  }
  return std::nullopt;
}

QueuedRecipient DeliveryBatch::waiting(Recipient recipient) const {
  QueuedRecipient queued{0, std::move(recipient)};
  queued.next_at = now_;
  return queued;
}

// False: it is no report about mail that we passed on.
bool DeliveryBatch::plan_report(const Message& message, const Recipient& recipient,
                                Destinations& destinations) const {
  if (message.delivery->envelope.reverse_path) return false;
  auto origin = forwarding_.origin(recipient.address);
  // A domain that became ours meanwhile has no way back but this one.
  if (!origin || directory_.is_ours(origin->domain)) return false;
  Recipient sender(*std::move(origin));
  sender.notify = Notify{};  // RFC 3461 6.2
  destinations.queued.push_back(waiting(std::move(sender)));
  return true;
}

std::optional<Error> DeliveryBatch::plan_forwards(const Message& message, const Recipient& recipient,
                                                  Places places, Destinations& destinations) const {
  for (const Forward& forward : directory_.forwards(recipient.address)) {
    if (message.delivered_to.contains(forward.via.key())) return Error{ErrorKind::kInvalid, "loop"};
    if (std::ranges::find(destinations.targets, forward.target.key()) != destinations.targets.end()) continue;
    destinations.targets.push_back(forward.target.key());
    auto& copies = destinations.forwarded;
    auto copy = std::ranges::find(copies, forward.via, &Destinations::Copy::via);
    if (copy == copies.end()) copy = copies.insert(copy, {forward.via, {}});
    copy->recipients.push_back(waiting(passed_on(recipient, forward.target, places)));
  }
  return std::nullopt;
}

// All but its id, its recipients, and where it came from.
QueuedMessage DeliveryBatch::queued_message(const Message& message) const {
  const Delivery& delivery = *message.delivery;
  QueuedMessage queued;
  queued.envelope = delivery.envelope;
  queued.envelope.recipients.clear();
  queued.user = delivery.user;
  queued.message_id = message.message_id;
  queued.eight_bit = message.eight_bit;
  queued.utf8_header = message.header.text == HeaderText::kUtf8;
  // RFC 8689 4.1: who asks for both asks for TLS.
  queued.tls_is_optional = message.tls_is_optional && !delivery.envelope.require_tls;
  queued.received_at = now_;
  return queued;
}

// What was found of its origin, how it came, and what people know it by.
std::string DeliveryBatch::kept_header(const Message& message) {
  const std::string& tags = message.delivery->tags;
  return (tags.size() <= kMaxTags ? tags : std::string()) + message.told;
}

void DeliveryBatch::plan_queue(std::size_t index, std::vector<QueuedRecipient> recipients) {
  const Message& message = messages_[index];
  const Delivery& delivery = *message.delivery;
  QueuedMessage queued = queued_message(message);
  queued.id = message.id;
  queued.recipients = std::move(recipients);
  heads_.push_back(delivery.signatures + delivery.tags);
  queueing_.add(index, std::move(queued),
                {heads_.back(), static_cast<const FileSpool*>(delivery.spool.get()), message.rest},
                kept_header(message));
}

void DeliveryBatch::plan_forwarded(std::size_t index, std::string id, Destinations::Copy copy) {
  const Message& message = messages_[index];
  const Delivery& delivery = *message.delivery;
  QueuedMessage queued = queued_message(message);
  queued.id = std::move(id);
  queued.recipients = std::move(copy.recipients);
  queued.envelope.reverse_path = forwarding_.reverse_path(delivery.envelope.reverse_path, copy.via);
  // What a stranger sends here is not sent back whole to whom he says he is.
  if (delivery.relaying == Relaying::kNo && queued.envelope.returned == ReturnedContent::kNotSaid) {
    queued.envelope.returned = ReturnedContent::kHeaders;
  }
  std::string trace = delivered_to_line(copy.via);
  // A host without SMTPUTF8 would have to refuse it for this line alone; Received lines tell of loops, too.
  if (!utf8::is_ascii(trace)) trace.clear();
  heads_.push_back(trace + delivery.seal + delivery.signatures + delivery.tags);
  queueing_.add(index, std::move(queued),
                {heads_.back(), static_cast<const FileSpool*>(delivery.spool.get()), message.rest},
                kept_header(message));
}

// Where mail to the recipient is kept; kNotFound, or kInvalid for a loop.
Result<std::vector<MailboxId>> DeliveryBatch::mailboxes_of(
    const Address& recipient, const std::unordered_set<std::string>& delivered_to) const {
  auto found = directory_.resolve(recipient);
  if (found.empty() && directory_.forwards(recipient).empty()) {
    return Error{ErrorKind::kNotFound, "the recipient " + recipient.text() + " is no longer here"};
  }
  for (MailboxId id : found) {
    if (delivered_to.contains(directory_.find(id)->address.key())) return Error{ErrorKind::kInvalid, "loop"};
  }
  return found;
}

std::optional<Error> DeliveryBatch::examine(Message& message) {
  if (!is_message_id(message.id)) return Error{ErrorKind::kInvalid, "a message needs an id from new_id()"};
  if (message.delivery->envelope.recipients.empty()) {
    return Error{ErrorKind::kInvalid, "a message without recipients"};
  }
  ContentScan scan;
  if (message.delivery->spool) {
    const auto* spool = dynamic_cast<const FileSpool*>(message.delivery->spool.get());
    if (spool == nullptr) return Error{ErrorKind::kInvalid, "a spool of another store"};
    scan = spool->scan();
  }
  scan.add(message.rest);
  if (scan.size() > 0 && !scan.ends_with_crlf()) {
    message.rest += "\r\n";
    scan.add("\r\n");
  }
  message.has_dot_lines = scan.has_dot_lines();
  message.eight_bit = scan.has_eight_bit();
  message.tls_is_optional = scan.tls_is_optional();
  message.message_id = scan.message_id();
  message.told = scan.told();
  message.header = scan.header();
  for (const std::string& value : scan.delivered_to()) {
    if (auto address = parse_address(value)) message.delivered_to.insert(address->key());
  }
  return std::nullopt;
}

// At the end of a message there is one answer for all its recipients: refused because of one mailbox, it
// would stay away from the others, and come to them again and again otherwise. So it is refused only when
// none has room, or one has gone beyond its quota in this way by as much again. What this batch brings is
// counted, as if nothing of it failed.
std::optional<Error> DeliveryBatch::find_room(const Message& message,
                                              const std::vector<MailboxId>& mailboxes) {
  const std::uint64_t content =
      message.rest.size() + (message.delivery->spool ? message.delivery->spool->size() : 0);
  Room best = Room::kNever;
  std::vector<std::uint64_t> sizes;
  for (MailboxId id : mailboxes) {
    sizes.push_back(content + head_of(message, id).size());
    best = std::min(best, quotas_.room(id, sizes.back(), coming_[id]));
  }
  if (best == Room::kYes && std::any_of(mailboxes.begin(), mailboxes.end(), [this](MailboxId id) {
        return quotas_.is_far_beyond(id, coming_[id]);
      })) {
    best = Room::kNo;
  }
  if (best == Room::kYes) {
    for (std::size_t i = 0; i < mailboxes.size(); ++i) coming_[mailboxes[i]] += sizes[i];
    return std::nullopt;
  }
  const std::string where =
      mailboxes.size() == 1
          ? directory_.find(mailboxes.front())->address.text()
          : fmt::format("{} and {} more", directory_.find(mailboxes.front())->address.text(),
                        mailboxes.size() - 1);
  if (best == Room::kNever) {
    return Error{ErrorKind::kTooLarge,
                 fmt::format("{} octets are more than the quota of {}", sizes.front(), where)};
  }
  return Error{ErrorKind::kOverQuota, fmt::format("no room for {} octets in {}", sizes.front(), where)};
}

}  // namespace mailstead
