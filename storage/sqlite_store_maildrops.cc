// The store's part about maildrops: opening, reading and deleting, and how long messages stay.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/accounts/accounts.h"
#include "storage/database/schema.h"
#include "storage/mailbox/deletion.h"
#include "storage/mailbox/mailbox_tree.h"
#include "storage/mailbox/removal.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostMaildirsOpen = 16;       // four descriptors each
constexpr const char* kRetentionKey = "retention";  // in meta, seconds; insert() of the index notes it
constexpr std::size_t kMostFilesAtClose = 4'096;    // deleted then; the next start deletes the rest
constexpr std::size_t kPathsAhead = 16;

Error foreign_maildrop() {
  return Error{ErrorKind::kInvalid, "a maildrop of another store"};
}

Error no_such_message() {
  return Error{ErrorKind::kInvalid, "no such message in this maildrop"};
}

}  // namespace

Result<Maildir> SqliteStore::maildir_of(MailboxId mailbox) const {
  const auto directory_now = directory();
  const MailboxEntry* entry = directory_now->find(mailbox);
  if (entry == nullptr) return mailbox_gone();
  auto maildir = Maildir::open(*folder_, entry->address);
  // kNotFound would say that the mailbox is gone.
  if (!maildir && maildir.error().kind == ErrorKind::kNotFound) {
    return Error{ErrorKind::kIo, maildir.error().message + "; the next start makes it again"};
  }
  return maildir;
}

std::int64_t SqliteStore::deleted_time_of(MailboxId mailbox) const {
  const auto directory_now = directory();
  const MailboxEntry* entry = directory_now->find(mailbox);
  const auto time = entry == nullptr ? Result<std::int64_t>(mailbox_gone())
                                     : Maildir::deleted_time_of(*folder_, entry->address);
  return time ? *time : 0;
}

Result<Maildir*> SqliteStore::maildir_to_read(MailboxId mailbox) {
  const auto found = std::find_if(reading_.begin(), reading_.end(),
                                  [mailbox](const auto& each) { return each.first == mailbox; });
  if (found != reading_.end()) {
    std::rotate(reading_.begin(), found, found + 1);
    return &reading_.front().second;
  }
  auto maildir = maildir_of(mailbox);
  if (!maildir) return maildir.error();
  if (reading_.size() == kMostMaildirsOpen) reading_.pop_back();
  reading_.emplace(reading_.begin(), mailbox, std::move(*maildir));
  return &reading_.front().second;
}

void SqliteStore::forget_maildir_to_read(MailboxId mailbox) {
  std::erase_if(reading_, [mailbox](const auto& each) { return each.first == mailbox; });
}

Result<void> SqliteStore::advance_retention(std::chrono::seconds elapsed) {
  if (!database_) return closed_error();
  auto before = read_meta_number(*database_, kRetentionKey);
  if (!before) return before.error();
  const std::int64_t step = std::clamp<std::int64_t>(elapsed.count(), 0, kRetentionStep.count());
  return in_transaction(
      [&] { return write_meta(*database_, kRetentionKey, std::to_string(*before + step)); });
}

Result<std::size_t> SqliteStore::expire_messages(MailboxId mailbox, std::chrono::seconds kept,
                                                 std::size_t at_most, const DeleteTerms& terms) {
  if (!database_) return closed_error();
  auto now = read_meta_number(*database_, kRetentionKey);
  if (!now) return now.error();
  // A row notes the retention of the last step, so up to one step may be missing from its time.
  const std::int64_t newest = *now - kept.count() - kRetentionStep.count();
  if (newest < 0) return std::size_t{0};
  const std::pair<std::int64_t, std::int64_t> state{*now, kept.count()};
  if (const auto known = expired_.find(mailbox); known != expired_.end() && known->second == state) {
    return std::size_t{0};
  }
  auto lock = MaildropLock::take(locks_, mailbox);
  if (!lock) return Error{ErrorKind::kInUse, "another session has this mailbox open"};
  auto ids = Index(*database_).kept_since(mailbox, newest, at_most);
  if (!ids) return ids.error();
  if (!ids->empty()) {
    auto marked = mark_deleted(*folder_, *database_, *ids, terms, nullptr);
    if (!marked) return marked.error();
    listings_.forget(mailbox);
    to_purge_[mailbox] = {};
    if (auto counted = recount_deleted(); !counted) return counted.error();
  }
  if (ids->size() < at_most) expired_[mailbox] = state;
  return ids->size();
}

Result<std::unique_ptr<Maildrop>> SqliteStore::open_maildrop(MailboxId mailbox) {
  if (!database_) return closed_error();
  const auto directory_now = directory();
  const MailboxEntry* entry = directory_now->find(mailbox);
  if (entry == nullptr) return mailbox_gone();
  auto lock = MaildropLock::take(locks_, mailbox);
  if (!lock) return Error{ErrorKind::kInUse, "another session has this mailbox open"};
  auto totals = Index(*database_).totals_of(mailbox);
  if (!totals) return totals.error();
  auto looked = look_at_login(*entry, totals->messages);
  if (!looked) return looked.error();
  if (*looked) totals = Index(*database_).totals_of(mailbox);
  if (!totals) return totals.error();
  auto listing = listings_.take(*database_, mailbox, *totals);
  if (!listing) return listing.error();
  return std::unique_ptr<Maildrop>(std::make_unique<HeldMaildrop>(std::move(*lock), std::move(*listing)));
}

Result<std::shared_ptr<const MaildropPage>> SqliteStore::read_page(const Maildrop& maildrop,
                                                                   std::size_t number) {
  if (!database_) return closed_error();
  const auto* held = dynamic_cast<const HeldMaildrop*>(&maildrop);
  if (held == nullptr) return foreign_maildrop();
  if (directory()->find(held->mailbox()) == nullptr) return mailbox_gone();
  return listings_.read(*database_, held->listing(), number);
}

// One look into the index for several messages of a client that takes one after the other.
Result<std::string> SqliteStore::path_of(const Maildrop& maildrop, std::size_t index, std::int64_t key) {
  const auto* held = dynamic_cast<const HeldMaildrop*>(&maildrop);
  if (held == nullptr) return foreign_maildrop();
  HeldMaildrop::PathsAhead& ahead = held->paths_ahead();
  const std::size_t next = std::exchange(ahead.next_index, index + 1);
  if (index == 0 || index != next) {
    ahead.paths.clear();
    return Index(*database_).path(key);
  }
  const auto find = [&] {
    return std::find_if(ahead.paths.begin(), ahead.paths.end(),
                        [&](const auto& each) { return each.first == key; });
  };
  auto found = find();
  if (found == ahead.paths.end()) {
    auto paths = Index(*database_).paths(maildrop.mailbox(), MessageState::kPresent, key - 1, kPathsAhead);
    if (!paths) return paths.error();
    ahead.paths = std::move(*paths);
    found = find();
  }
  if (found == ahead.paths.end()) return Index(*database_).path(key);  // its file is missed, and may be back
  return std::move(found->second);
}

Result<std::unique_ptr<MessageReader>> SqliteStore::open_message(const Maildrop& maildrop,
                                                                 std::size_t index) {
  if (!database_) return closed_error();
  const MaildropTotals& totals = maildrop.totals();
  if (index >= totals.messages) return no_such_message();
  auto page = read_page(maildrop, index / totals.page);
  if (!page) return page.error();
  const MaildropEntry& entry = (**page)[index % totals.page];
  const MailboxId mailbox = maildrop.mailbox();
  if (contents_->holds(entry.key)) {
    auto bytes = contents_->read(entry.key);
    if (!bytes) return bytes.error();
    return std::unique_ptr<MessageReader>(std::make_unique<TextReader>(*std::move(bytes)));
  }
  auto maildir = maildir_to_read(mailbox);
  if (!maildir) return maildir.error();
  auto path = path_of(maildrop, index, entry.key);
  if (!path) return path.error();
  auto file = (*maildir)->open_message(*path);
  if (!file && file.error().kind == ErrorKind::kNotFound) {
    // A search may have found its new name since, or another mail tool has renamed it: the index then learns
    // the new names of all, from the folder that is there now.
    forget_maildir_to_read(mailbox);
    maildir = maildir_to_read(mailbox);
    if (!maildir) return maildir.error();
    const auto open_anew = [&]() -> Result<void> {
      path = Index(*database_).path(entry.key);
      if (!path) return path.error();
      file = (*maildir)->open_message(*path);
      return {};
    };
    if (auto done = open_anew(); !done) return done.error();
    if (!file && file.error().kind == ErrorKind::kNotFound) {
      auto own = maildir_of(mailbox);
      if (!own) return own.error();
      auto looked = look_at(mailbox, *std::move(own), totals.messages);
      if (!looked) notice_failure(looked.error());
      if (looked && *looked == Looked::kLater) {
        return Error{ErrorKind::kUnavailable, file.error().message + "; its mailbox is searched for it"};
      }
      if (auto done = open_anew(); !done) return done.error();
    }
  }
  // Somebody changed it under its name. The next login looks into it again and shows what is in it now.
  const auto changed = [&](std::string what) {
    if (listings_.before_change(*database_, mailbox)) {
      static_cast<void>(
          in_transaction([&] { return Index(*database_).set_state(entry.key, MessageState::kMissing); }));
    }
    watch_.forget(mailbox);
    return Error{ErrorKind::kCorrupt, std::move(what)};
  };
  if (!file && file.error().kind == ErrorKind::kInvalid) return changed(file.error().message);
  if (!file) return file.error();
  if (static_cast<std::uint64_t>(file->facts.st_size) != entry.size) {
    return changed(fmt::format("{}/{} has {} octets, the index says {}", (*maildir)->path(), *path,
                               file->facts.st_size, entry.size));
  }
  return std::unique_ptr<MessageReader>(std::make_unique<FileReader>(std::move(file->handle)));
}

Result<void> SqliteStore::commit_deletes(const Maildrop& maildrop, std::span<const std::size_t> indices,
                                         const DeleteTerms& terms) {
  if (!database_) return closed_error();
  const MailboxId mailbox = maildrop.mailbox();
  if (directory()->find(mailbox) == nullptr) return mailbox_gone();
  const MaildropTotals& totals = maildrop.totals();
  std::vector<std::int64_t> ids;
  DeletedTotals deleted;
  std::shared_ptr<const MaildropPage> page;
  std::size_t number = 0;  // of it
  for (std::size_t index : indices) {
    if (index >= totals.messages) return no_such_message();
    if (page == nullptr || number != index / totals.page) {
      number = index / totals.page;
      auto found = read_page(maildrop, number);
      if (!found) return found.error();
      page = std::move(*found);
    }
    const MaildropEntry& entry = (*page)[index % totals.page];
    ids.push_back(entry.key);
    deleted.octets += entry.size;
  }
  deleted.messages = ids.size();
  if (ids.empty()) return {};
  // Who took them is worth knowing, and costs nothing on the way; on a full disk it waits.
  auto notes_went = mark_deleted(*folder_, *database_, ids, terms, [&] { return notes_.write(*database_); });
  if (!notes_went) return notes_went.error();
  if (*notes_went) notes_.clear();
  listings_.forget(mailbox);
  to_purge_[mailbox] = {};
  if (terms.deleted == Deleted::kKept) {
    std::lock_guard guard(directory_mutex_);
    deleted_totals_.messages += deleted.messages;
    deleted_totals_.octets += deleted.octets;
  }
  return {};
}

Result<std::size_t> SqliteStore::purge_deleted(MailboxId mailbox, std::size_t at_most) {
  if (!database_) return closed_error();
  if (directory()->find(mailbox) == nullptr) {
    to_purge_.erase(mailbox);
    return std::size_t{0};  // they went with it
  }
  auto maildir = maildir_of(mailbox);
  if (!maildir) return maildir.error();
  auto before = maildir->times();
  const bool quiet = before && watch_.is_quiet(mailbox, *before);
  const std::int64_t deleted_before = deleted_time_of(mailbox);
  const auto known = to_purge_.find(mailbox);
  Tidying tidying = known == to_purge_.end() ? Tidying{} : known->second;
  // What is to be freed first: it makes the room that the rest may need.
  auto left = tidying.frees
                  ? purge_marked(*database_, *filer_, *maildir, mailbox, tidying.freed_after, at_most)
                  : std::size_t{0};
  Result<std::size_t> to_move = std::size_t{0};
  if (auto filed = filer_->file_now(mailbox, Filer::Which::kDeleted); filed) {
    to_move = put_aside(*database_, *maildir, mailbox, tidying.aside_after, at_most);
  } else {
    to_move = filed.error();
  }
  auto after = maildir->times();
  if (after && quiet) watch_.expect(mailbox, *after);
  watch_.expect_deleted(mailbox, deleted_before, deleted_time_of(mailbox));
  if (left && to_move) *left += *to_move;
  if (left && !to_move) left = to_move.error();
  if (!left) {
    to_purge_[mailbox] = {};  // from the beginning, with the next delete or at the end
  } else if (*left == 0) {
    to_purge_.erase(mailbox);
  } else {
    to_purge_[mailbox] = tidying;
  }
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return left;
}

// Some at the end, so that the next start has nothing to finish when nobody purged the last ones.
void SqliteStore::delete_leftovers() {
  const auto mailboxes = to_purge_;
  for (const auto& [mailbox, tidying] : mailboxes)
    static_cast<void>(purge_deleted(mailbox, kMostFilesAtClose));
  static_cast<void>(Accounts(*database_).sweep_rows(kMostFilesAtClose));
  static_cast<void>(sweep_removed_folders(*folder_, kMostFilesAtClose));
}

}  // namespace mailstead
