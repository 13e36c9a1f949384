#include "storage/delivery/delivery.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "protocols/smtp/trace.h"
#include "protocols/utf8.h"
#include "storage/accounts/accounts.h"
#include "storage/database/index.h"
#include "storage/mailbox/message_id.h"
#include "storage/queue/queue_table.h"
#include "storage/spool.h"

namespace mailstead {

namespace {

// Drafts that are open, unsynced, at one time: writing them all before the first sync lets the file system
// flush them together. Each needs a descriptor, and up to four for its maildir.
constexpr std::size_t kGroup = 64;
constexpr std::size_t kHashedAtOnce = 256 * 1024;
constexpr std::uint64_t kMostJournalled = 16u << 20;  // octets of a batch, which is put together in memory

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
                             const Naming& naming, MaildirWatch& watch, Quotas& quotas, Small small,
                             Passing passing)
    : folder_(folder),
      database_(database),
      directory_(directory),
      naming_(naming),
      watch_(watch),
      quotas_(quotas),
      filer_(small.filer),
      arrivals_(small.arrivals),
      contents_(small.mail),
      now_(unix_seconds()),
      forwarding_(directory, std::move(passing.srs_key), now_),
      new_id_(std::move(passing.new_id)),
      queueing_(QueueFolder(folder.queue_fd()), QueueTable(database), small.queue) {}

std::vector<Result<Delivered>> DeliveryBatch::deliver(std::span<Delivery> deliveries,
                                                      std::span<const QueueOutcome> outcomes) {
  outcomes_ = outcomes;
  messages_.reserve(deliveries.size());
  for (Delivery& delivery : deliveries) {
    messages_.push_back({&delivery, delivery.id, std::move(delivery.rest), false, false, {}, {}, {}, {}, {}});
  }
  // Only now: what is planned borrows from the messages.
  for (std::size_t i = 0; i < messages_.size(); ++i) plan(i);
  plan_copies();
  write_files();
  for (const auto& [place, error] : queueing_.write(failed())) {
    if (!messages_[place].error) messages_[place].error = error;
  }
  withdraw_failed();
  if (auto done = write_rows(); !done) {
    for (Message& message : messages_) {
      if (!message.error && !message.in_journal) message.error = done.error();
    }
    withdraw_failed();
  }
  return results();
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

// What each copy is, and where its bytes go.
void DeliveryBatch::plan_copies() {
  struct Share {
    std::size_t copies = 0;
    std::uint64_t octets = 0;
  };
  std::vector<Share> needed(messages_.size());
  std::unordered_set<std::string_view> ids;
  for (Message& message : messages_)
    message.in_journal = fits_into_journal(message) && ids.insert(message.id).second;
  for (Copy& copy : copies_) {
    Message& message = messages_[copy.message];
    if (message.error) continue;
    plan_copy(copy);
    if (!copy.is_small) message.in_journal = false;
    ++needed[copy.message].copies;
    needed[copy.message].octets += copy.size;
  }
  Share taken;
  for (Message& message : messages_) {
    const Share& its = needed[static_cast<std::size_t>(&message - messages_.data())];
    message.in_journal = message.in_journal && its.copies > 0 &&
                         taken.octets + its.octets <= kMostJournalled &&
                         arrivals_.has_room(taken.copies + its.copies, taken.octets + its.octets);
    if (!message.in_journal) continue;
    taken.copies += its.copies;
    taken.octets += its.octets;
  }
  taken = {};
  for (Copy& copy : copies_) {
    const Message& message = messages_[copy.message];
    copy.in_database = !message.error && copy.is_small && !message.in_journal &&
                       contents_.has_room(taken.copies + 1, taken.octets + copy.size);
    if (!copy.in_database) continue;
    ++taken.copies;
    taken.octets += copy.size;
  }
}

void DeliveryBatch::plan_copy(Copy& copy) const {
  const Message& message = messages_[copy.message];
  copy.head = head_of(message, copy.mailbox);
  copy.header = below_head(message.header, copy.head);
  copy.size = copy.head.size() + message.rest.size();
  if (message.delivery->spool) {
    copy.size += message.delivery->spool->size();
    return;
  }
  ContentHasher hasher;
  hasher.add(copy.head);
  hasher.add(message.rest);
  copy.hash = hasher.value();
  copy.is_small = copy.size <= MailContents::kMostOfOne && !filer_.is_troubled(copy.mailbox);
}

// What the queue has a part in goes with the queue's commit, or not at all. What has come already meets its
// row.
bool DeliveryBatch::fits_into_journal(const Message& message) const {
  return !message.error && !message.in_queue && message.delivery->settles.empty() &&
         message.delivery->notes.empty() && !arrivals_.holds(message.id);
}

std::vector<Arrival> DeliveryBatch::arrivals_of(std::size_t message) const {
  const Message& its = messages_[message];
  std::vector<Arrival> arrivals;
  for (const Copy& copy : copies_) {
    if (copy.message != message) continue;
    MessageRow row{0,
                   copy.mailbox,
                   its.id,
                   "new/" + copy.name,
                   copy.size,
                   its.has_dot_lines,
                   now_,
                   its.delivery->id,
                   MessageState::kPresent,
                   its.message_id,
                   copy.header,
                   copy.hash};
    arrivals.push_back({std::move(row), directory_.find(copy.mailbox)->address.key(), copy.head, its.rest});
  }
  return arrivals;
}

void DeliveryBatch::write_journal() {
  std::vector<std::vector<Arrival>> arrivals;
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    if (messages_[i].in_journal) arrivals.push_back(arrivals_of(i));
  }
  if (arrivals.empty()) return;
  const auto done = arrivals_.take(arrivals);
  if (done) {
    for (const auto& copies : arrivals) {
      for (const Arrival& copy : copies) quotas_.add_use(copy.row.mailbox, copy.row.size);
    }
    return;
  }
  for (Message& message : messages_) {
    if (message.in_journal) message.error = done.error();
  }
}

void DeliveryBatch::write_files() {
  std::vector<Copy*> with_file;
  for (Copy& copy : copies_) {
    if (!copy.in_database && !messages_[copy.message].in_journal) with_file.push_back(&copy);
  }
  for (std::size_t first = 0; first < with_file.size(); first += kGroup) {
    write_group(std::span(with_file).subspan(first, std::min(kGroup, with_file.size() - first)));
    withdraw_failed();
  }
}

void DeliveryBatch::write_group(std::span<Copy* const> group) {
  Maildirs maildirs;
  for (Copy* copy : group) {
    if (messages_[copy->message].error) continue;
    if (auto done = write_copy(*copy, maildirs); !done) fail(*copy, done.error());
  }
  for (const Copy* copy : group) {
    if (!messages_[copy->message].error) start_write_back(copy->file.fd());
  }
  for (Copy* copy : group) {
    if (!messages_[copy->message].error) {
      if (auto done = sync_handle(copy->file.fd(), copy->name); !done) fail(*copy, done.error());
    }
    copy->file.reset();
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
  const auto* spool = static_cast<const FileSpool*>(message.delivery->spool.get());
  auto done = write_all(copy.file.fd(), spool == nullptr ? copy.head + message.rest : copy.head);
  if (done && spool != nullptr) done = spool->copy_to(copy.file);
  if (done && spool != nullptr) done = write_all(copy.file.fd(), message.rest);
  if (!done) return in_folder((*maildir)->path(), done.error());
  return spool == nullptr ? Result<void>() : hash_large(copy);
}

// Of what was received, not of the file: what a disk makes of it is to be found out.
Result<void> DeliveryBatch::hash_large(Copy& copy) const {
  const Message& message = messages_[copy.message];
  const Spool& spool = *message.delivery->spool;
  ContentHasher hasher;
  hasher.add(copy.head);
  std::string piece;
  for (std::uint64_t at = 0; at < spool.size(); at += piece.size()) {
    piece.clear();
    if (auto done = spool.read(at, kHashedAtOnce, piece); !done) return done;
    if (piece.empty()) return Error{ErrorKind::kIo, "a spool file is shorter than what was written to it"};
    hasher.add(piece);
  }
  hasher.add(message.rest);
  copy.hash = hasher.value();
  return {};
}

void DeliveryBatch::publish_group(std::span<Copy* const> group, Maildirs& maildirs) {
  std::unordered_set<MailboxId> quiet;
  for (auto& [mailbox, maildir] : maildirs) {
    auto times = maildir.times();
    if (times && watch_.is_quiet(mailbox, *times)) quiet.insert(mailbox);
  }
  std::unordered_set<MailboxId> touched;
  for (Copy* copy : group) {
    if (messages_[copy->message].error) continue;
    if (auto done = maildirs.at(copy->mailbox).publish_draft(copy->name); !done) {
      fail(*copy, done.error());
      continue;
    }
    copy->in_tmp = false;
    copy->in_new = true;
    touched.insert(copy->mailbox);
  }
  for (MailboxId mailbox : touched) {
    Maildir& maildir = maildirs.at(mailbox);
    if (auto done = maildir.sync_new(); !done) {
      for (Copy* copy : group) {
        if (copy->mailbox == mailbox) fail(*copy, done.error());
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
  write_journal();
  const auto needs_rows = [](const Message& message) { return !message.error && !message.in_journal; };
  if (std::ranges::none_of(messages_, needs_rows)) return {};
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
    if (message.error || message.in_journal) continue;
    auto done = index.insert({0, copy.mailbox, message.id, "new/" + copy.name, copy.size,
                              message.has_dot_lines, now_, message.delivery->id, MessageState::kPresent,
                              message.message_id, copy.header, copy.hash});
    if (!done && done.error().kind == ErrorKind::kExists) {
      fail(copy, again);
      return false;
    }
    if (!done) return done.error();
    copy.row = *done;
    if (copy.in_database) {
      if (auto kept = contents_.insert(copy.row, copy.head, message.rest); !kept) return kept.error();
    }
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
  if (!QueueTable(database_).note_all(outcomes_, settled_)) {
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
  for (const Copy& copy : copies_) {
    if (messages_[copy.message].error || messages_[copy.message].in_journal) continue;
    if (copy.in_database) {
      contents_.keep(copy.row, copy.size, copy.mailbox);
    } else {
      filer_.trust(copy.mailbox);
    }
  }
  noted_ = !outcomes_failed_;
  return true;
}

Result<void> DeliveryBatch::write_queue_changes() {
  settled_.clear();
  QueueTable table(database_);
  for (const Message& message : messages_) {
    if (message.error) continue;
    if (auto done = table.settle_all(message.delivery->settles, message.delivery->id, now_, settled_); !done)
      return done;
    if (auto done = table.note_all(message.delivery->notes, settled_); !done) return done;
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
