// The store's part about deleted mail that is kept: freeing it, restoring it, and telling what is known of
// messages.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_set>
#include <utility>

#include "protocols/smtp/message_id_field.h"
#include "storage/database/history.h"
#include "storage/mailbox/deletion.h"
#include "storage/mailbox/restore.h"
#include "storage/spool.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kRoomToWork = 8 << 20;    // octets beside the messages: the index, and the reserve
constexpr std::size_t kSliceForRoom = 200;        // messages
constexpr std::int64_t kJumpWorthTelling = 3600;  // seconds
constexpr std::int64_t kAnyAge = std::numeric_limits<std::int64_t>::max();

}  // namespace

DeletedTotals SqliteStore::deleted_totals() const {
  std::lock_guard guard(directory_mutex_);
  return deleted_totals_;
}

Result<void> SqliteStore::recount_deleted() {
  auto totals = Index(*database_).totals();
  if (!totals) return totals.error();
  DeletedTotals sum;
  for (const auto& [mailbox, each] : *totals) {
    sum.messages += each.kept_messages;
    sum.octets += each.kept_octets;
  }
  std::lock_guard guard(directory_mutex_);
  deleted_totals_ = sum;
  return {};
}

Result<bool> SqliteStore::free_deleted(const FreeTerms& terms, std::size_t at_most) {
  if (!database_) return closed_error();
  const bool more_to_tidy = tidy_some(at_most);
  if (deleted_totals().messages > 0) {
    auto rows = choose_to_free(terms, at_most);
    if (!rows) return rows.error();
    if (!rows->empty()) {
      if (auto done = free_these(*rows); !done) return done.error();
      if (rows->size() == at_most || freed_early_ > 0) return true;
    }
  }
  if (freed_early_ > 0) {
    notices_.push_back(
        fmt::format("the disk is low: freed {} deleted message{} before their time, the oldest first",
                    freed_early_, freed_early_ == 1 ? "" : "s"));
    freed_early_ = 0;
  }
  return more_to_tidy;
}

// What earlier calls of purge_deleted() left, for want of room or because nobody called again.
bool SqliteStore::tidy_some(std::size_t at_most) {
  if (to_purge_.empty()) return false;
  auto next = to_purge_.upper_bound(tidied_);
  if (next == to_purge_.end()) next = to_purge_.begin();
  tidied_ = next->first;
  const auto left = purge_deleted(tidied_, at_most);
  if (left) return *left > 0 || !to_purge_.empty();
  notice_failure(left.error());
  return false;
}

Result<std::vector<MessageRow>> SqliteStore::choose_to_free(const FreeTerms& terms, std::size_t at_most) {
  auto age = read_age(*database_, unix_seconds());
  if (!age) return age.error();
  if (age->stale) {
    tell_of_jump(*age);
    auto transaction = Transaction::begin(*database_);
    if (!transaction) return transaction.error();
    // On a full disk it is written later.
    if (advance_age(*database_, unix_seconds())) static_cast<void>(transaction->commit());
  }
  auto rows = Deletions(*database_).oldest(age->now - terms.kept_seconds, at_most);
  if (!rows || !rows->empty()) return rows;
  const auto space = free_space();
  // A reserve that was given up has to be made again.
  const std::uint64_t least = std::max(terms.least_free, folder_->holds_reserve() ? 0 : kRoomToWork);
  if (!space || *space >= least) return rows;
  rows = Deletions(*database_).oldest(kAnyAge, at_most);
  if (!rows) return rows;
  std::uint64_t room = *space;
  std::size_t count = 0;
  while (count < rows->size() && room < least) room += (*rows)[count++].size;
  rows->resize(count);
  freed_early_ += count;
  return rows;
}

void SqliteStore::tell_of_jump(const Age& age) {
  if (age.jump > kJumpWorthTelling) {
    notices_.push_back(fmt::format(
        "{} hours passed since deleted mail was looked after, or the clock was set forward: it counts "
        "as one day older",
        age.jump / 3600 + 24));
  } else if (age.jump < -kJumpWorthTelling) {
    notices_.push_back(fmt::format("the clock went back by {} hours: deleted mail is kept as much longer",
                                   -age.jump / 3600));
  }
}

Result<void> SqliteStore::free_these(const std::vector<MessageRow>& rows) {
  std::vector<std::int64_t> ids;
  std::unordered_set<MailboxId> mailboxes;
  for (const MessageRow& row : rows) {
    ids.push_back(row.id);
    mailboxes.insert(row.mailbox);
  }
  const DeleteTerms for_good;
  auto marked = mark_deleted(*folder_, *database_, ids, for_good, nullptr);
  if (!marked && marked.error().kind == ErrorKind::kNoSpace) {
    if (auto done = unlink_these(rows); !done) return done;
    marked = mark_deleted(*folder_, *database_, ids, for_good, nullptr);
  }
  if (!marked) return marked.error();
  Result<void> resisted;
  for (MailboxId mailbox : mailboxes) {
    to_purge_[mailbox].frees = true;
    to_purge_[mailbox].freed_after = 0;
    auto left = purge_deleted(mailbox, rows.size());
    if (!left && resisted) resisted = left.error();
  }
  if (auto done = recount_deleted(); !done) return done;
  return resisted;
}

// The disk is so full that not even the mark finds room: here the file goes first. A crash in between leaves
// rows without files, which say so when somebody would restore them.
Result<void> SqliteStore::unlink_these(const std::vector<MessageRow>& rows) {
  std::map<MailboxId, Maildir> maildirs;
  for (const MessageRow& row : rows) {
    auto known = maildirs.find(row.mailbox);
    if (known == maildirs.end()) {
      auto maildir = maildir_of(row.mailbox);
      if (!maildir) return maildir.error();
      known = maildirs.emplace(row.mailbox, std::move(*maildir)).first;
    }
    auto done = known->second.remove(row.name);
    if (!done && done.error().kind != ErrorKind::kNotFound) return done;
  }
  return {};
}

void SqliteStore::make_room(std::span<const Delivery> deliveries) {
  if (deleted_totals().messages == 0) return;
  std::uint64_t needed = kRoomToWork;
  for (const Delivery& delivery : deliveries) {
    const std::uint64_t spooled = delivery.spool ? delivery.spool->size() : 0;
    needed += (spooled + delivery.rest.size()) * delivery.envelope.recipients.size();
  }
  // Each round frees some or ends; what cannot be freed leaves it to the delivery to find the disk full.
  while (true) {
    const auto space = free_space();
    if (!space || *space >= needed) return;
    auto more = free_deleted({kAnyAge, needed}, kSliceForRoom);
    if (!more || !*more) return;
  }
}

Result<std::vector<std::string>> SqliteStore::restore_messages(const Address& address,
                                                               std::span<const std::string> uidls,
                                                               LostFiles lost) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  auto maildir = maildir_of(entry->id);
  if (!maildir) return maildir.error();
  if (auto ready = listings_.before_change(*database_, entry->id); !ready) return ready.error();
  auto before = maildir->times();
  const bool quiet = before && watch_.is_quiet(entry->id, *before);
  const std::int64_t deleted_before = deleted_time_of(entry->id);
  auto done = restore_deleted(*folder_, *database_, *filer_, *maildir, *entry, uidls, lost);
  auto after = maildir->times();
  if (done && after && quiet) watch_.expect(entry->id, *after);
  watch_.expect_deleted(entry->id, deleted_before, deleted_time_of(entry->id));
  // Those that an older program wrote may not have been looked at while they were deleted.
  if (done) to_examine_[entry->id] = 0;
  if (done) {
    if (auto counted = recount_deleted(); !counted) done = counted.error();
  }
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return done;
}

Result<std::vector<DeviceFacts>> SqliteStore::list_devices(const Address& address) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  static_cast<void>(write_notes());  // on a full disk the newest are not told
  return Devices(*database_).of(entry->id);
}

Result<std::vector<KnownMessage>> SqliteStore::know(const std::vector<MessageRow>& rows) {
  auto age = read_age(*database_, unix_seconds());
  if (!age) return age.error();
  const auto directory_now = directory();
  std::vector<KnownMessage> messages;
  for (const MessageRow& row : rows) {
    const MailboxEntry* entry = directory_now->find(row.mailbox);
    if (entry == nullptr) continue;
    auto message = known_message(*database_, row, entry->address, age->now);
    if (!message) return message.error();
    messages.push_back(std::move(*message));
  }
  return messages;
}

Result<std::vector<KnownMessage>> SqliteStore::list_messages(const Address& address, MessageListing which,
                                                             const MessageSlice& slice) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  Index index(*database_);
  auto rows = which == MessageListing::kDeleted ? index.kept(entry->id, slice)
                                                : index.of_state(entry->id, MessageState::kPresent, slice);
  if (!rows) return rows.error();
  auto age = read_age(*database_, unix_seconds());
  if (!age) return age.error();
  std::vector<KnownMessage> messages;
  if (rows->empty()) return messages;
  const auto [first, last] = std::minmax(rows->front().id, rows->back().id);
  auto deletions = Deletions(*database_).current(entry->id, first, last);
  if (!deletions) return deletions.error();
  messages.reserve(rows->size());
  for (const MessageRow& row : *rows) {
    messages.push_back(standing_of(row, entry->address));
    const auto deletion = deletions->find(row.id);
    if (deletion != deletions->end()) tell_deletion(deletion->second, age->now, messages.back());
  }
  return messages;
}

Result<KnownMessage> SqliteStore::show_message(const Address& address, const std::string& uidl) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  static_cast<void>(write_notes());
  auto rows = Index(*database_).of_uidl(entry->id, uidl);
  if (!rows) return rows.error();
  auto messages = know(*rows);
  if (!messages) return messages.error();
  if (messages->empty() || messages->front().standing == Standing::kGone) {
    return Error{
        ErrorKind::kNotFound,
        fmt::format("{0} has no message {1}; 'mailstead message list ADDRESS' shows what is there, with "
                    "--deleted what can be restored",
                    entry->address.text(), uidl)};
  }
  return std::move(messages->front());
}

Result<std::vector<KnownMessage>> SqliteStore::find_messages(const std::string& id) {
  if (!database_) return closed_error();
  static_cast<void>(write_notes());
  Index index(*database_);
  std::vector<MessageRow> rows;
  if (is_uidl(id)) {
    const auto directory_now = directory();
    for (const MailboxEntry& mailbox : directory_now->mailboxes()) {
      auto found = index.of_uidl(mailbox.id, id);
      if (!found) return found.error();
      rows.insert(rows.end(), found->begin(), found->end());
    }
  }
  if (rows.empty()) {
    auto found = index.of_message_id(bare_message_id(id));
    if (!found) return found.error();
    rows = std::move(*found);
  }
  std::erase_if(rows, [](const MessageRow& row) { return row.state == MessageState::kDeleting; });
  return know(rows);
}

Result<std::string> SqliteStore::read_beginning(const KnownMessage& message, std::size_t at_most) {
  if (!database_) return closed_error();
  auto rows = Index(*database_).of_uidl(message.mailbox, message.uidl);
  if (!rows) return rows.error();
  if (rows->empty()) return Error{ErrorKind::kNotFound, "the message is gone from the index"};
  if (contents_->holds(rows->front().id)) {
    auto bytes = contents_->read(rows->front().id);
    if (bytes && bytes->size() > at_most) bytes->resize(at_most);
    return bytes;
  }
  auto maildir = maildir_to_read(message.mailbox);
  if (!maildir) return maildir.error();
  auto file = (*maildir)->open_message(rows->front().name);
  if (!file) return file.error();
  std::string bytes;
  if (auto done = read_some(file->fd(), 0, at_most, bytes); !done) return done.error();
  return bytes;
}

}  // namespace mailstead
