// The store's part about maildrops and what lies in the maildirs: opening and deleting, files of others, and
// how long messages stay.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/deletion.h"
#include "storage/mailbox_tree.h"
#include "storage/removal.h"
#include "storage/schema.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostMaildirsOpen = 16;  // four descriptors each
constexpr std::size_t kMostTroublesNoticed = 1'000;
constexpr const char* kRetentionKey = "retention";  // in meta, seconds; insert() of the index notes it
constexpr std::size_t kMostFilesAtClose = 4'096;    // deleted then; the next start deletes the rest
constexpr std::size_t kPathsAhead = 16;
constexpr std::uint64_t kScannedAtLogin = 5'000;  // messages of a mailbox: some 20 ms
constexpr std::uint64_t kRestBetweenLooks =
    1'000;  // messages for each second between two looks at a larger one

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

Result<void> SqliteStore::look_for_changes(MailboxId mailbox, Maildir& maildir, std::size_t imports,
                                           MarkedFiles marked) {
  auto times = maildir.times();
  if (!times) return times.error();
  auto totals = Index(*database_).totals_of(mailbox);
  if (!totals) return totals.error();
  if (!watch_.needs_scan(mailbox, *times, unix_seconds(), totals->messages)) return {};
  auto found = reconcile(*database_, maildir, mailbox, naming_, marked, imports,
                         [&] { return listings_.before_change(*database_, mailbox); });
  if (!found) return found.error();
  if (found->settled) watch_.scanned(mailbox, *times, unix_seconds());
  if (found->left > 0) {
    to_take_in_.insert(mailbox);
  } else {
    to_take_in_.erase(mailbox);
  }
  notice(*found, mailbox, maildir);
  if (found->restored > 0 || found->kept > 0) return recount_deleted();
  return {};
}

// Trouble that stays is told once.
bool SqliteStore::is_news(const std::string& trouble) {
  if (troubles_noticed_.size() > kMostTroublesNoticed) troubles_noticed_.clear();
  return troubles_noticed_.insert(trouble).second;
}

void SqliteStore::notice(const Reconciled& found, MailboxId mailbox, const Maildir& maildir) {
  const auto directory_now = directory();
  const MailboxEntry* entry = directory_now->find(mailbox);
  Reconciled news = found;
  std::erase_if(news.skipped, [this](const std::string& line) { return !is_news(line); });
  auto lines = sentences(news, entry == nullptr ? maildir.path() : entry->address.text());
  notices_.insert(notices_.end(), std::make_move_iterator(lines.begin()),
                  std::make_move_iterator(lines.end()));
}

// Of a look that nobody asked for: the mailbox is as good as it was, but somebody should know.
void SqliteStore::notice_failure(const Result<void>& done) {
  if (!done && is_news(done.error().message)) notices_.push_back(done.error().message);
}

Result<bool> SqliteStore::take_in_files(std::size_t at_most) {
  if (!database_) return closed_error();
  if (to_take_in_.empty()) {
    if (to_examine_.empty()) return false;
    const MailboxId next = to_examine_.begin()->first;
    if (auto done = examine_some(next, at_most); !done) {
      to_examine_.erase(next);  // until the next start
      notice_failure(done);
    }
    database_->checkpoint_if_due();
    return files_wait();
  }
  const MailboxId mailbox = *to_take_in_.begin();
  to_take_in_.erase(mailbox);  // what stands in the way now is met again at the next login
  auto maildir = maildir_of(mailbox);
  if (!maildir) {
    notice_failure(maildir.error());
    return files_wait();
  }
  notice_failure(look_for_changes(mailbox, *maildir, at_most));
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return files_wait();
}

// A file that cannot be read, or is not the one that the index knows, stays unknown.
Result<void> SqliteStore::examine_some(MailboxId mailbox, std::size_t at_most) {
  constexpr std::uint64_t kOctets = 32 << 20;  // then others have their turn
  auto maildir = maildir_of(mailbox);
  if (!maildir) return maildir.error();
  auto rows = Index(*database_).unexamined(mailbox, to_examine_[mailbox], at_most);
  if (!rows) return rows.error();
  std::vector<std::pair<std::int64_t, HeaderFacts>> found;
  std::uint64_t octets = 0;
  for (const MessageRow& row : *rows) {
    if (octets > kOctets) break;
    octets += row.size;
    to_examine_[mailbox] = row.id;
    auto facts = maildir->inspect(row.name);
    if (facts && facts->size == row.size) found.emplace_back(row.id, facts->header);
  }
  if (rows->empty()) to_examine_.erase(mailbox);
  if (found.empty()) return {};
  if (auto done = listings_.before_change(*database_, mailbox); !done) return done;
  return in_transaction([&]() -> Result<void> {
    for (const auto& [id, header] : found) {
      if (auto done = Index(*database_).set_header(id, header); !done) return done;
    }
    return {};
  });
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
  if (auto done = look_at_login(*entry); !done) return done.error();
  auto listing = listings_.take(*database_, mailbox);
  if (!listing) return listing.error();
  return std::unique_ptr<Maildrop>(std::make_unique<HeldMaildrop>(std::move(*lock), std::move(*listing)));
}

Result<void> SqliteStore::look_at_login(const MailboxEntry& mailbox) {
  auto totals = Index(*database_).totals_of(mailbox.id);
  if (!totals) return totals.error();
  // Mostly nobody changed it, and nothing is opened.
  const auto times = Maildir::times_of(*folder_, mailbox.address);
  if (times && !watch_.needs_scan(mailbox.id, *times, unix_seconds(), totals->messages)) return {};
  auto maildir = maildir_of(mailbox.id);
  if (!maildir) return maildir.error();
  if (totals->messages > kScannedAtLogin) {
    // No login waits for a look at a large mailbox: it comes behind it, and the next one sees what it finds.
    look_behind(mailbox.id, totals->messages);
  } else {
    // On a full disk, say, what the index knows already can still be read and deleted.
    notice_failure(look_for_changes(mailbox.id, *maildir));
  }
  return {};
}

// It holds up everybody for a moment, so that there are rests in between.
void SqliteStore::look_behind(MailboxId mailbox, std::uint64_t messages) {
  std::int64_t& last = looked_behind_[mailbox];
  const std::int64_t now = unix_seconds();
  if (now >= last && now - last < static_cast<std::int64_t>(messages / kRestBetweenLooks)) return;
  last = now;
  to_take_in_.insert(mailbox);
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
    auto paths = Index(*database_).paths(maildrop.mailbox(), key, kPathsAhead);
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
  auto maildir = maildir_to_read(mailbox);
  if (!maildir) return maildir.error();
  auto path = path_of(maildrop, index, entry.key);
  if (!path) return path.error();
  auto file = (*maildir)->open_message(*path);
  if (!file && file.error().kind == ErrorKind::kNotFound) {
    // Another mail tool may have renamed it: the index then learns the new names of all, from the folder that
    // is there now.
    forget_maildir_to_read(mailbox);
    maildir = maildir_to_read(mailbox);
    if (!maildir) return maildir.error();
    if (totals.messages > kScannedAtLogin) {
      auto times = (*maildir)->times();
      if (times && !watch_.needs_scan(mailbox, *times, unix_seconds(), totals.messages)) return file.error();
      look_behind(mailbox, totals.messages);
      return Error{ErrorKind::kUnavailable, file.error().message + "; its mailbox is searched for it"};
    }
    notice_failure(look_for_changes(mailbox, **maildir));
    path = Index(*database_).path(entry.key);
    if (!path) return path.error();
    file = (*maildir)->open_message(*path);
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
  const auto known = to_purge_.find(mailbox);
  Tidying tidying = known == to_purge_.end() ? Tidying{} : known->second;
  // What is to be freed first: it makes the room that the rest may need.
  auto left = tidying.frees ? purge_marked(*database_, *maildir, mailbox, tidying.freed_after, at_most)
                            : std::size_t{0};
  auto to_move = put_aside(*database_, *maildir, mailbox, tidying.aside_after, at_most);
  auto after = maildir->times();
  if (after && quiet) watch_.expect(mailbox, *after);
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
  static_cast<void>(sweep_removed_folders(*folder_, kMostFilesAtClose));
}

}  // namespace mailstead
