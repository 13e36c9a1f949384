#include "storage/sqlite_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "protocols/ascii.h"
#include "storage/deletion.h"
#include "storage/delivery.h"
#include "storage/mailbox_tree.h"
#include "storage/recovery.h"
#include "storage/removal.h"
#include "storage/schema.h"
#include "storage/spool.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostMaildirsOpen = 16;  // four descriptors each
constexpr std::size_t kMostTroublesNoticed = 1'000;
constexpr const char* kRetentionKey = "retention";  // in meta, seconds; insert() of the index notes it
constexpr std::size_t kMostFilesAtClose = 4'096;    // deleted then; the next start deletes the rest

Error closed_error() {
  return Error{ErrorKind::kUnavailable, "the store is closed"};
}

Error unknown_mailbox(const Address& address) {
  return Error{ErrorKind::kNotFound, fmt::format("there is no mailbox {}", address.text())};
}

Error foreign_maildrop() {
  return Error{ErrorKind::kInvalid, "a maildrop of another store"};
}

Error no_such_message() {
  return Error{ErrorKind::kInvalid, "no such message in this maildrop"};
}

Error mailbox_gone() {
  return Error{ErrorKind::kNotFound, "the mailbox was removed"};
}

MailboxSummary summary_of(const AccountRow& account, const MailboxTotals& totals,
                          const MailboxTotals& deleted) {
  return {account.id,
          account.address,
          account.enabled,
          !account.password.empty(),
          totals.messages,
          totals.octets,
          account.created_at,
          account.last_delivery_at,
          account.last_login_at,
          deleted.messages,
          deleted.octets};
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options, RecoveryReport& report) {
  return SqliteStore::open(options, report);
}

SqliteStore::SqliteStore(std::unique_ptr<DataFolder> folder, const SecretKey& secret_key,
                         const std::string& host)
    : folder_(std::move(folder)), secret_key_(secret_key), naming_{ids_, sanitised_host(host)} {}

Result<std::unique_ptr<Store>> SqliteStore::open(const StoreOptions& options, RecoveryReport& report) {
  auto folder = DataFolder::open(options.data, sanitised_host(options.host));
  if (!folder) return folder.error();
  auto secret_key = SecretKey::open(**folder, report.actions);
  if (!secret_key) return secret_key.error();
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(*folder), *secret_key, options.host));
  auto database = recover(*store->folder_, store->naming_, store->watch_, report);
  if (!database) return database.error();
  store->database_ = std::move(*database);
  store->to_take_in_.insert(report.unfinished.begin(), report.unfinished.end());
  auto unexamined = Index(*store->database_).unexamined_mailboxes();
  if (!unexamined) return unexamined.error();
  for (MailboxId mailbox : *unexamined) store->to_examine_.emplace(mailbox, 0);
  if (auto done = store->refresh_directory(); !done) return done.error();
  store->tell_of_lost_secrets(report);
  if (auto done = store->recount_deleted(); !done) return done.error();
  auto to_tidy = Index(*store->database_).mailboxes_to_tidy();
  if (!to_tidy) return to_tidy.error();
  for (MailboxId mailbox : *to_tidy) store->to_purge_[mailbox].frees = false;
  return std::unique_ptr<Store>(std::move(store));
}

SqliteStore::~SqliteStore() {
  static_cast<void>(close());
}

Result<void> SqliteStore::close() {
  if (!database_) return {};
  delete_leftovers();
  make_room({});                     // the end has to be written, too
  static_cast<void>(write_notes());  // who logged in and took what is no reason to call the end unclean
  auto done = mark_clean(*database_);
  if (!done && done.error().kind == ErrorKind::kNoSpace) {
    folder_->release_reserve();
    done = mark_clean(*database_);
  }
  if (auto emptied = database_->checkpoint_all(); done && !emptied) done = emptied;
  database_.reset();
  return done;
}

std::shared_ptr<const Directory> SqliteStore::directory() const {
  std::lock_guard guard(directory_mutex_);
  return directory_;
}

Result<void> SqliteStore::refresh_directory() {
  auto newest = Accounts(*database_).directory(secret_key_);
  if (!newest) return newest.error();
  std::lock_guard guard(directory_mutex_);
  directory_ = std::move(*newest);
  return {};
}

Result<MailboxEntry> SqliteStore::known(const Address& address) const {
  const MailboxEntry* entry = directory()->find(address);
  if (entry == nullptr) return unknown_mailbox(address);
  return *entry;
}

Result<void> SqliteStore::add_mailbox(const Address& address, const std::string& password_hash) {
  if (!database_) return closed_error();
  if (auto allowed = may_add_mailbox(*directory(), address); !allowed) return allowed;
  // The folder of an earlier mailbox of this address must be out of the way.
  if (auto finished = finish_removals_of(*folder_, *database_, address); !finished) return finished;
  AccountRow account;
  account.address = address;
  account.password = password_hash;
  account.created_at = unix_seconds();
  // The row first: a folder without one would be a mailbox to the next start, this way round it is made then.
  MailboxId id = 0;
  auto added = in_transaction([&]() -> Result<void> {
    auto given = Accounts(*database_).add_mailbox(account);
    if (!given) return given.error();
    id = *given;
    return {};
  });
  if (!added) return added;
  if (auto made = make_folder_of(id, address); !made) {
    static_cast<void>(in_transaction([&]() -> Result<void> {
      auto gone = database_->run("DELETE FROM messages WHERE mailbox = ?1", id);
      if (gone) gone = database_->run("DELETE FROM mailboxes WHERE id = ?1", id);
      return gone;
    }));
    return made;
  }
  return refresh_directory();
}

Result<void> SqliteStore::make_folder_of(MailboxId mailbox, const Address& address) {
  const bool kept = has_kept_mail(*folder_, address);
  if (auto done = bring_folder_back(*folder_, address); !done) return done;
  auto maildir = Maildir::make(*folder_, address);
  if (!maildir) {
    if (kept) static_cast<void>(put_folder_away(*folder_, address, KeepMail::kYes, ""));
    return maildir.error();
  }
  // Deleted mail that was kept with the rest can be restored, too. Tried again at the next login.
  notice_failure(look_for_changes(mailbox, *maildir, kImportSlice, MarkedFiles::kRemove));
  return {};
}

Result<void> SqliteStore::remove_mailbox(const Address& address, KeepMail keep) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  if (auto allowed = may_remove_mailbox(*directory(), address); !allowed) return allowed;
  if (keep == KeepMail::kYes && has_kept_mail(*folder_, address)) {
    return Error{
        ErrorKind::kExists,
        fmt::format("mail kept from an earlier mailbox {} is still there; move its .kept folder away first",
                    address.text())};
  }
  if (keep == KeepMail::kYes && to_purge_.contains(entry->id)) {
    // Without its row a file in new/ or cur/ would be mail again: what was deleted has to be out of there
    // first.
    if (auto left = purge_deleted(entry->id, SIZE_MAX); !left) return left.error();
  }
  {
    auto transaction = Transaction::begin(*database_);
    if (!transaction) return transaction.error();
    auto removal = Accounts(*database_).remove_mailbox(entry->id, entry->address, keep == KeepMail::kYes);
    if (!removal) return removal.error();
    if (auto done = transaction->commit(); !done) return done;
  }
  watch_.forget(entry->id);
  forget_maildir_to_read(entry->id);
  notes_.forget(entry->id);
  to_take_in_.erase(entry->id);
  to_purge_.erase(entry->id);
  to_examine_.erase(entry->id);
  expired_.erase(entry->id);
  auto refreshed = refresh_directory();
  if (refreshed) refreshed = recount_deleted();
  // The mailbox is gone by now; a folder that resists is put away at the next start.
  static_cast<void>(finish_removals_of(*folder_, *database_, entry->address));
  return refreshed;
}

Result<bool> SqliteStore::sweep_removed(std::size_t at_most) {
  if (!database_) return closed_error();
  const Swept swept = sweep_removed_folders(*folder_, at_most);
  if (!swept.more && !swept.failures.empty()) return swept.failures.front();
  return swept.more;
}

Result<void> SqliteStore::set_password(const Address& address, const std::string& password_hash) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  auto done = in_transaction([&] { return Accounts(*database_).set_password(entry->id, password_hash); });
  if (!done) return done;
  return refresh_directory();
}

Result<void> SqliteStore::set_enabled(const Address& address, bool enabled) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  auto done = in_transaction([&] { return Accounts(*database_).set_enabled(entry->id, enabled); });
  if (!done) return done;
  return refresh_directory();
}

Result<void> SqliteStore::note_taken(MailboxId mailbox, const std::string& device,
                                     std::span<const TakenMessage> taken) {
  if (!database_) return closed_error();
  if (directory()->find(mailbox) == nullptr) return mailbox_gone();
  for (const TakenMessage& message : taken) {
    notes_.took(mailbox, device, message.message, message.first_at, message.last_at);
  }
  if (!notes_.full()) return {};
  auto done = write_notes();
  if (!done) notes_.clear();  // on a full disk, say: it is worth no more memory
  return done;
}

Result<void> SqliteStore::write_notes() {
  if (!database_) return closed_error();
  if (notes_.empty()) return {};
  auto done = in_transaction([&] { return notes_.write(*database_); });
  if (!done) return done;
  notes_.clear();
  notes_written_at_ = unix_seconds();
  return {};
}

Result<std::vector<MailboxSummary>> SqliteStore::list_mailboxes() {
  if (!database_) return closed_error();
  auto accounts = Accounts(*database_).mailboxes();
  if (!accounts) return accounts.error();
  auto totals = Index(*database_).totals();
  if (!totals) return totals.error();
  auto deleted = Index(*database_).kept_totals();
  if (!deleted) return deleted.error();
  std::vector<MailboxSummary> summaries;
  for (AccountRow& account : *accounts) {
    account.last_login_at = notes_.last_login(account.id, account.last_login_at);
    summaries.push_back(summary_of(account, (*totals)[account.id], (*deleted)[account.id]));
  }
  return summaries;
}

Result<MailboxSummary> SqliteStore::show_mailbox(const Address& address) {
  auto entry = known(address);
  if (!entry) return entry.error();
  auto summaries = list_mailboxes();
  if (!summaries) return summaries.error();
  for (const MailboxSummary& summary : *summaries) {
    if (summary.id == entry->id) return summary;
  }
  return unknown_mailbox(address);
}

Result<void> SqliteStore::add_alias(const std::string& name, const std::vector<Address>& targets) {
  if (!database_) return closed_error();
  AliasEntry alias{name, targets};
  if (auto allowed = may_add_alias(*directory(), alias); !allowed) return allowed;
  // As it is written elsewhere, not as it was typed.
  if (auto address = parse_address(name)) {
    alias.name = address->text();
  } else if (auto key = alias_key(name)) {
    alias.name = *key;
  }
  auto transaction = Transaction::begin(*database_);
  if (!transaction) return transaction.error();
  if (auto done = Accounts(*database_).add_alias(alias); !done) return done;
  if (auto done = transaction->commit(); !done) return done;
  return refresh_directory();
}

Result<void> SqliteStore::remove_alias(const std::string& name) {
  if (!database_) return closed_error();
  auto key = alias_key(name);
  if (!key) return key.error();
  auto removed = in_transaction([&]() -> Result<void> {
    auto found = Accounts(*database_).remove_alias(*key);
    if (!found) return found.error();
    if (!*found) return Error{ErrorKind::kNotFound, fmt::format("there is no alias {}", name)};
    return {};
  });
  if (!removed) return removed;
  return refresh_directory();
}

Result<std::unique_ptr<Spool>> SqliteStore::new_spool() {
  return FileSpool::make(folder_->queue_fd());
}

std::vector<Result<Delivered>> SqliteStore::deliver(std::span<Delivery> deliveries) {
  if (!database_) return std::vector<Result<Delivered>>(deliveries.size(), closed_error());
  make_room(deliveries);
  const auto directory_now = directory();
  auto results = DeliveryBatch(*folder_, *database_, *directory_now, naming_, watch_).deliver(deliveries);
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return results;
}

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
  if (!watch_.needs_scan(mailbox, *times, unix_seconds())) return {};
  auto found = reconcile(*database_, maildir, mailbox, naming_, marked, imports);
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
  return in_transaction([&]() -> Result<void> {
    for (const auto& [id, header] : found) {
      if (auto done = Index(*database_).set_header(id, header); !done) return done;
    }
    return {};
  });
}

namespace {

Result<std::int64_t> read_retention(Database& database) {
  auto text = read_meta(database, kRetentionKey);
  if (!text) return text.error();
  return static_cast<std::int64_t>(ascii::number(*text).value_or(0));
}

}  // namespace

Result<void> SqliteStore::advance_retention(std::chrono::seconds elapsed) {
  if (!database_) return closed_error();
  auto before = read_retention(*database_);
  if (!before) return before.error();
  const std::int64_t step = std::clamp<std::int64_t>(elapsed.count(), 0, kRetentionStep.count());
  return in_transaction(
      [&] { return write_meta(*database_, kRetentionKey, std::to_string(*before + step)); });
}

Result<std::size_t> SqliteStore::expire_messages(MailboxId mailbox, std::chrono::seconds kept,
                                                 std::size_t at_most, const DeleteTerms& terms) {
  if (!database_) return closed_error();
  auto now = read_retention(*database_);
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
    to_purge_[mailbox] = {};
    if (auto counted = recount_deleted(); !counted) return counted.error();
  }
  if (ids->size() < at_most) expired_[mailbox] = state;
  return ids->size();
}

Result<std::unique_ptr<Maildrop>> SqliteStore::open_maildrop(MailboxId mailbox) {
  if (!database_) return closed_error();
  auto maildir = maildir_of(mailbox);
  if (!maildir) return maildir.error();
  auto lock = MaildropLock::take(locks_, mailbox);
  if (!lock) return Error{ErrorKind::kInUse, "another session has this mailbox open"};
  // On a full disk, say, what the index knows already can still be read and deleted.
  notice_failure(look_for_changes(mailbox, *maildir));
  auto rows = Index(*database_).of_state(mailbox, MessageState::kPresent);
  if (!rows) return rows.error();
  return std::unique_ptr<Maildrop>(std::make_unique<HeldMaildrop>(std::move(*lock), std::move(*rows)));
}

Result<std::unique_ptr<MessageReader>> SqliteStore::open_message(const Maildrop& maildrop,
                                                                 std::size_t index) {
  if (!database_) return closed_error();
  const auto* held = dynamic_cast<const HeldMaildrop*>(&maildrop);
  if (held == nullptr || index >= held->rows().size()) {
    return no_such_message();
  }
  const MessageRow& row = held->rows()[index];
  auto maildir = maildir_to_read(held->mailbox());
  if (!maildir) return maildir.error();
  auto file = (*maildir)->open_message(row.name);
  if (!file && file.error().kind == ErrorKind::kNotFound) {
    // Another mail tool may have renamed it: the index then learns the new names of all, from the folder that
    // is there now.
    forget_maildir_to_read(held->mailbox());
    maildir = maildir_to_read(held->mailbox());
    if (!maildir) return maildir.error();
    notice_failure(look_for_changes(held->mailbox(), **maildir));
    auto path = Index(*database_).path(row.id);
    if (!path) return path.error();
    file = (*maildir)->open_message(*path);
  }
  // Somebody changed it under its name. The next login looks into it again and shows what is in it now.
  const auto changed = [&](std::string what) {
    static_cast<void>(
        in_transaction([&] { return Index(*database_).set_state(row.id, MessageState::kMissing); }));
    watch_.forget(held->mailbox());
    return Error{ErrorKind::kCorrupt, std::move(what)};
  };
  if (!file && file.error().kind == ErrorKind::kInvalid) return changed(file.error().message);
  if (!file) return file.error();
  struct stat facts {};
  if (::fstat(file->fd(), &facts) != 0) return system_error(errno, "look at", row.name);
  if (static_cast<std::uint64_t>(facts.st_size) != row.size) {
    return changed(fmt::format("{}/{} has {} octets, the index says {}", (*maildir)->path(), row.name,
                               facts.st_size, row.size));
  }
  return std::unique_ptr<MessageReader>(std::make_unique<FileReader>(std::move(*file)));
}

Result<void> SqliteStore::commit_deletes(const Maildrop& maildrop, std::span<const std::size_t> indices,
                                         const DeleteTerms& terms) {
  if (!database_) return closed_error();
  const auto* held = dynamic_cast<const HeldMaildrop*>(&maildrop);
  if (held == nullptr) return foreign_maildrop();
  if (directory()->find(held->mailbox()) == nullptr) return mailbox_gone();
  std::vector<std::int64_t> ids;
  DeletedTotals deleted;
  for (std::size_t index : indices) {
    if (index >= held->rows().size()) return no_such_message();
    ids.push_back(held->rows()[index].id);
    deleted.octets += held->rows()[index].size;
  }
  deleted.messages = ids.size();
  if (ids.empty()) return {};
  // Who took them is worth knowing, and costs nothing on the way; on a full disk it waits.
  auto notes_went = mark_deleted(*folder_, *database_, ids, terms, [&] { return notes_.write(*database_); });
  if (!notes_went) return notes_went.error();
  if (*notes_went) notes_.clear();
  to_purge_[held->mailbox()] = {};
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
  if (left && *left == 0) {
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
