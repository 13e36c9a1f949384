#include "storage/delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "protocols/trace.h"
#include "protocols/utf8.h"
#include "storage/accounts.h"
#include "storage/index.h"
#include "storage/message_id.h"
#include "storage/queue_table.h"
#include "storage/spool.h"

namespace mailstead {

namespace {

// Drafts that are open, unsynced, at one time: writing them all before the first sync lets the file system
// flush them together. Each needs a descriptor, and up to four for its maildir.
constexpr std::size_t kGroup = 64;

// What is known of the header with our own lines on top, which name addresses.
HeaderFacts below_head(HeaderFacts facts, std::string_view head) {
  if (utf8::is_ascii(head) || facts.text == HeaderText::kUnknown) return facts;
  Surrogate surrogate;
  surrogate.read(head, nullptr);
  surrogate.finish(nullptr);
  facts.text = HeaderText::kUtf8;
  facts.surrogate_growth +=
      static_cast<std::int32_t>(surrogate.size()) - static_cast<std::int32_t>(head.size());
  return facts;
}

}  // namespace

DeliveryBatch::DeliveryBatch(const DataFolder& folder, Database& database, const Directory& directory,
                             const Naming& naming, MaildirWatch& watch, const Quotas& quotas,
                             QueueContents& contents, Passing passing)
    : folder_(folder),
      database_(database),
      directory_(directory),
      naming_(naming),
      watch_(watch),
      quotas_(quotas),
      now_(unix_seconds()),
      forwarding_(directory, std::move(passing.srs_key), now_),
      new_id_(std::move(passing.new_id)),
      queueing_(QueueFolder(folder.queue_fd()), QueueTable(database), contents) {}

std::vector<Result<Delivered>> DeliveryBatch::deliver(std::span<Delivery> deliveries,
                                                      std::span<const QueueOutcome> outcomes) {
  outcomes_ = outcomes;
  messages_.reserve(deliveries.size());
  for (Delivery& delivery : deliveries) {
    messages_.push_back({&delivery, delivery.id, std::move(delivery.rest), false, false, {}, {}, {}, {}, {}});
  }
  // Only now: what is planned borrows from the messages.
  for (std::size_t i = 0; i < messages_.size(); ++i) plan(i);
  for (std::size_t first = 0; first < copies_.size(); first += kGroup) {
    write_group(std::span(copies_).subspan(first, std::min(kGroup, copies_.size() - first)));
    withdraw_failed();
  }
  for (const auto& [place, error] : queueing_.write(failed())) {
    if (!messages_[place].error) messages_[place].error = error;
  }
  withdraw_failed();
  if (auto done = write_rows(); !done) {
    for (Message& message : messages_) {
      if (!message.error) message.error = done.error();
    }
    withdraw_failed();
  }
  return results();
}

void DeliveryBatch::plan(std::size_t index) {
  Message& message = messages_[index];
  message.error = examine(message);
  if (message.error) return;
  Destinations destinations;
  if (!plan_recipients(message, destinations)) return;
  const std::string name = MessageName{now_, message.id, naming_.host}.text();
  for (MailboxId id : destinations.mailboxes)
    copies_.push_back({index, id, name, {}, 0, false, false, FileHandle()});
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

void DeliveryBatch::plan_queue(std::size_t index, std::vector<QueuedRecipient> recipients) {
  const Message& message = messages_[index];
  const Delivery& delivery = *message.delivery;
  QueuedMessage queued = queued_message(message);
  queued.id = message.id;
  queued.recipients = std::move(recipients);
  heads_.push_back(delivery.signatures + delivery.tags);
  queueing_.add(index, std::move(queued),
                {heads_.back(), static_cast<const FileSpool*>(delivery.spool.get()), message.rest});
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
  heads_.push_back(trace + delivery.signatures + delivery.tags);
  queueing_.add(index, std::move(queued),
                {heads_.back(), static_cast<const FileSpool*>(delivery.spool.get()), message.rest});
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

// RFC 5321 4.4: the last server puts Return-Path at the very beginning.
std::string DeliveryBatch::head_of(const Message& message, MailboxId mailbox) const {
  const Address& address = directory_.find(mailbox)->address;
  std::string head = return_path_line(message.delivery->envelope.reverse_path) + delivered_to_line(address);
  // By which of its names, its aliases, its "+details" it came: for filters. One copy has one.
  const auto asked_as = message.asked_as.find(mailbox);
  if (asked_as != message.asked_as.end() && asked_as->second.key() != address.key())
    head += original_to_line(asked_as->second);
  return head + message.delivery->tags;
}

Result<Maildir*> DeliveryBatch::maildir_of(MailboxId mailbox, Maildirs& maildirs) {
  auto found = maildirs.find(mailbox);
  if (found == maildirs.end()) {
    auto opened = Maildir::open(folder_, directory_.find(mailbox)->address);
    if (!opened) return opened.error();
    found = maildirs.emplace(mailbox, std::move(*opened)).first;
  }
  return &found->second;
}

void DeliveryBatch::write_group(std::span<Copy> group) {
  Maildirs maildirs;
  for (Copy& copy : group) {
    if (messages_[copy.message].error) continue;
    if (auto done = write_copy(copy, maildirs); !done) fail(copy, done.error());
  }
  for (const Copy& copy : group) {
    if (!messages_[copy.message].error) start_write_back(copy.file.fd());
  }
  for (Copy& copy : group) {
    if (!messages_[copy.message].error) {
      if (auto done = sync_handle(copy.file.fd(), copy.name); !done) fail(copy, done.error());
    }
    copy.file.reset();
  }
  publish_group(group, maildirs);
}

Result<void> DeliveryBatch::write_copy(Copy& copy, Maildirs& maildirs) {
  auto maildir = maildir_of(copy.mailbox, maildirs);
  if (!maildir) return maildir.error();
  auto file = (*maildir)->create_draft(copy.name);
  if (!file) return file.error();
  copy.in_tmp = true;
  copy.file = std::move(*file);

  const Message& message = messages_[copy.message];
  std::string head = head_of(message, copy.mailbox);
  copy.header = below_head(message.header, head);
  copy.size = head.size() + message.rest.size();
  if (const auto* spool = static_cast<const FileSpool*>(message.delivery->spool.get())) {
    copy.size += spool->size();
    if (auto done = write_all(copy.file.fd(), head); !done)
      return in_folder((*maildir)->path(), done.error());
    if (auto done = spool->copy_to(copy.file); !done) return in_folder((*maildir)->path(), done.error());
    head.clear();
  }
  head += message.rest;
  if (auto done = write_all(copy.file.fd(), head); !done) return in_folder((*maildir)->path(), done.error());
  return {};
}

void DeliveryBatch::publish_group(std::span<Copy> group, Maildirs& maildirs) {
  std::unordered_set<MailboxId> quiet;
  for (auto& [mailbox, maildir] : maildirs) {
    auto times = maildir.times();
    if (times && watch_.is_quiet(mailbox, *times)) quiet.insert(mailbox);
  }
  std::unordered_set<MailboxId> touched;
  for (Copy& copy : group) {
    if (messages_[copy.message].error) continue;
    if (auto done = maildirs.at(copy.mailbox).publish_draft(copy.name); !done) {
      fail(copy, done.error());
      continue;
    }
    copy.in_tmp = false;
    copy.in_new = true;
    touched.insert(copy.mailbox);
  }
  for (MailboxId mailbox : touched) {
    Maildir& maildir = maildirs.at(mailbox);
    if (auto done = maildir.sync_new(); !done) {
      for (Copy& copy : group) {
        if (copy.mailbox == mailbox) fail(copy, done.error());
      }
    }
    auto times = maildir.times();
    if (times && quiet.contains(mailbox)) watch_.expect(mailbox, *times);
  }
}

void DeliveryBatch::fail(Copy& copy, const Error& error) {
  Message& message = messages_[copy.message];
  if (message.error) return;
  message.error = error;
  // A maildir out of order; kNotFound would say that the recipient was removed.
  if (error.kind == ErrorKind::kNotFound) message.error->kind = ErrorKind::kIo;
}

void DeliveryBatch::withdraw_failed() {
  for (Copy& copy : copies_) {
    if (!messages_[copy.message].error || (!copy.in_tmp && !copy.in_new)) continue;
    copy.file.reset();
    auto maildir = Maildir::open(folder_, directory_.find(copy.mailbox)->address);
    if (maildir && copy.in_tmp) maildir->discard_draft(copy.name);
    // Not synced: should power fail now, the file may be adopted; its sender was told to try again.
    if (maildir && copy.in_new) static_cast<void>(maildir->remove("new/" + copy.name));
    copy.in_tmp = false;
    copy.in_new = false;
  }
  queueing_.withdraw(failed());
}

Result<void> DeliveryBatch::write_rows() {
  while (true) {
    auto written = try_write_rows();
    if (!written) return written.error();
    if (*written) return {};
    withdraw_failed();
  }
}

// False: a message turned out to be here already, or the outcomes failed; without them the others are to be
// tried again.
Result<bool> DeliveryBatch::try_write_rows() {
  Index index(database_);
  Accounts accounts(database_);
  const Error again{ErrorKind::kExists, "this message was delivered already"};
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  std::unordered_set<MailboxId> mailboxes;
  for (Copy& copy : copies_) {
    const Message& message = messages_[copy.message];
    if (message.error) continue;
    auto done =
        index.insert({0, copy.mailbox, message.id, "new/" + copy.name, copy.size, message.has_dot_lines, now_,
                      message.delivery->id, MessageState::kPresent, message.message_id, copy.header});
    if (!done && done.error().kind == ErrorKind::kExists) {
      fail(copy, again);
      return false;
    }
    if (!done) return done.error();
    mailboxes.insert(copy.mailbox);
  }
  std::size_t place = 0;
  auto queued = queueing_.insert_rows(failed(), place);
  if (!queued && queued.error().kind == ErrorKind::kExists) {
    messages_[place].error = again;
    return false;
  }
  if (!queued) return queued.error();
  if (mailboxes.empty() && !queueing_.has_any(failed())) return true;
  if (auto done = write_queue_changes(); !done) return done.error();
  if (!write_outcomes()) {
    // The mail goes without them.
    outcomes_ = {};
    outcomes_failed_ = true;
    return false;
  }
  for (MailboxId id : mailboxes) {
    if (auto done = accounts.note_delivery(id, now_); !done) return done.error();
  }
  if (auto done = transaction->commit(); !done) return done.error();
  queueing_.committed(failed());
  noted_ = !outcomes_failed_;
  return true;
}

Result<void> DeliveryBatch::write_queue_changes() {
  settled_.clear();
  QueueTable table(database_);
  const auto keep = [this](const Result<QueueRow>& row) -> Result<void> {
    if (row) settled_.push_back(*row);
    if (!row && row.error().kind != ErrorKind::kNotFound) return row.error();
    return {};
  };
  for (const Message& message : messages_) {
    if (message.error) continue;
    for (const SettledReport& report : message.delivery->settles) {
      if (auto done = keep(table.settle(report, now_)); !done) return done;
    }
    for (const QueueOutcome& outcome : message.delivery->notes) {
      if (auto done = keep(table.note(outcome)); !done) return done;
    }
  }
  return {};
}

Result<void> DeliveryBatch::write_outcomes() {
  for (const QueueOutcome& outcome : outcomes_) {
    auto row = QueueTable(database_).note(outcome);
    if (row) settled_.push_back(*row);
    if (!row && row.error().kind != ErrorKind::kNotFound) return row.error();
  }
  return {};
}

Queueing::Failed DeliveryBatch::failed() const {
  return [this](std::size_t place) { return messages_[place].error.has_value(); };
}

std::vector<QueueRow> DeliveryBatch::changed_in_queue() const {
  std::vector<QueueRow> rows = queueing_.rows(failed());
  rows.insert(rows.end(), settled_.begin(), settled_.end());
  return rows;
}

std::vector<Result<Delivered>> DeliveryBatch::results() const {
  std::vector<Result<Delivered>> results;
  for (const Message& message : messages_) {
    if (message.error) {
      results.emplace_back(*message.error);
    } else {
      const auto place = static_cast<std::size_t>(&message - messages_.data());
      results.emplace_back(Delivered{{}, message.failures, queueing_.waiting(place)});
    }
  }
  for (const Copy& copy : copies_) {
    Result<Delivered>& result = results[copy.message];
    if (!result) continue;
    result->copies.push_back(
        {copy.mailbox, directory_.find(copy.mailbox)->address.text(), messages_[copy.message].id, copy.size});
  }
  return results;
}

}  // namespace mailstead
