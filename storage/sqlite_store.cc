#include "storage/sqlite_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "storage/database/refused_table.h"
#include "storage/database/schema.h"
#include "storage/delivery/delivery.h"
#include "storage/mailbox/mailbox_tree.h"
#include "storage/mailbox/removal.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queueing.h"
#include "storage/recovery/recovery.h"
#include "storage/spool.h"

namespace mailstead {

namespace {

constexpr std::size_t kFiledAtEnd = 256;  // messages in a step
// Who ends the process by force does it after ten; nothing is lost then.
constexpr std::chrono::seconds kPatienceAtEnd(5);

Error unknown_mailbox(const Address& address) {
  return Error{ErrorKind::kNotFound, fmt::format("there is no mailbox {}", address.text())};
}

MailboxSummary summary_of(const AccountRow& account, const MailboxTotals& totals, const Quotas& quotas) {
  return {account.id,
          account.address,
          account.enabled,
          !account.password.empty(),
          totals.messages,
          totals.octets,
          account.created_at,
          account.last_delivery_at,
          account.last_login_at,
          totals.kept_messages,
          totals.kept_octets,
          quotas.quota(account.id),
          quotas.own(account.id)};
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options, RecoveryReport& report) {
  return SqliteStore::open(options, report);
}

SqliteStore::SqliteStore(std::unique_ptr<DataFolder> folder, const SecretKey& secret_key,
                         const StoreOptions& options)
    : folder_(std::move(folder)),
      secret_key_(secret_key),
      naming_{ids_, sanitised_host(options.host)},
      quotas_(options.default_quota) {}

Result<std::unique_ptr<Store>> SqliteStore::open(const StoreOptions& options, RecoveryReport& report) {
  auto folder = DataFolder::open(options.data, sanitised_host(options.host));
  if (!folder) return folder.error();
  auto secret_key = SecretKey::open(**folder, options.credentials, report.actions);
  if (!secret_key) return secret_key.error();
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(*folder), *secret_key, options));
  auto recovered = recover(*store->folder_, store->naming_, store->watch_, report);
  if (!recovered) return recovered.error();
  store->database_ = std::move(recovered->database);
  store->journal_ = std::move(recovered->journal);
  auto backup_at = read_meta_number(*store->database_, kBackupAtKey);
  if (!backup_at) return backup_at.error();
  store->last_backup_at_ = *backup_at;
  store->queue_contents_.emplace(*store->database_);
  if (auto done = store->queue_contents_->load(); !done) return done.error();
  store->contents_.emplace(*store->database_, *store->journal_);
  if (auto done = store->contents_->load(); !done) return done.error();
  store->arrivals_.emplace(*store->folder_, *store->database_, *store->contents_, *store->journal_);
  store->filer_.emplace(
      *store->database_, *store->contents_, store->watch_, *store->folder_,
      [self = store.get()](MailboxId mailbox) { return self->maildir_of(mailbox); },
      [self = store.get()](std::string lost) { self->notices_.push_back(std::move(lost)); });
  // On a full disk the journal keeps its files until the next filing.
  if (auto done = store->arrivals_->reclaim(); !done) store->notice_failure(done.error());
  if (auto done = store->begin_quotas(); !done) return done.error();
  for (MailboxId mailbox : report.unfinished) store->to_look_at_[mailbox] = MarkedFiles::kLeave;
  auto unexamined = Index(*store->database_).unexamined_mailboxes();
  if (!unexamined) return unexamined.error();
  for (MailboxId mailbox : *unexamined) store->to_examine_.emplace(mailbox, 0);
  if (auto done = store->refresh_directory(); !done) return done.error();
  store->tell_of_lost_secrets(report);
  if (auto done = store->recount_deleted(); !done) return done.error();
  auto to_tidy = Index(*store->database_).mailboxes_to_tidy();
  if (!to_tidy) return to_tidy.error();
  for (MailboxId mailbox : *to_tidy) {
    store->to_purge_[mailbox].frees = false;
    // Before anybody can lose the index as well: it alone says that these files in new/ and cur/ are no mail.
    if (auto left = store->purge_deleted(mailbox, SIZE_MAX); !left) store->notice_failure(left.error());
  }
  return std::unique_ptr<Store>(std::move(store));
}

SqliteStore::~SqliteStore() {
  static_cast<void>(close());
}

Result<void> SqliteStore::close() {
  if (!database_) return {};
  if (!filer_) {  // it was not opened whole
    arrivals_.reset();
    database_.reset();
    return {};
  }
  static_cast<void>(arrivals_->write_rows());
  delete_leftovers();
  look_.reset();
  make_room({});  // the end has to be written, too
  // A lost index after it costs no message.
  const auto now = Contents::Clock::now();
  file_all(now + kPatienceAtEnd);
  while (Contents::Clock::now() < now + kPatienceAtEnd) {
    const auto rows = queue_contents_->before(now, kFiledAtEnd);
    if (rows.empty()) break;
    // What fails counts as new from then on, and the others have their turn.
    static_cast<void>(move_to_files(QueueFolder(folder_->queue_fd()), *database_, *queue_contents_, rows));
  }
  static_cast<void>(write_notes());  // who logged in and took what is no reason to call the end unclean
  const auto settled = settled_folders();
  // A damaged one is looked at again, all of it.
  auto done = database_->is_damaged() ? Result<void>(Error{ErrorKind::kCorrupt, "the database is damaged"})
                                      : mark_clean(*database_, settled);
  if (!done && done.error().kind == ErrorKind::kNoSpace) {
    folder_->release_reserve();
    done = mark_clean(*database_, settled);
  }
  if (done) journal_->reclaim(Journal::Keep::kNone);
  auto emptied = database_->checkpoint_all();
  if (!emptied && emptied.error().kind == ErrorKind::kNoSpace) {
    folder_->release_reserve();
    emptied = database_->checkpoint_all();
  }
  // Without any room the WAL stays: all is in it, and the next start takes it in.
  if (done && !emptied && emptied.error().kind != ErrorKind::kNoSpace) done = emptied;
  filer_.reset();
  arrivals_.reset();
  database_.reset();
  return done;
}

// Those that the next start need not look into, when nobody has changed them by then.
std::unordered_map<MailboxId, FolderTimes> SqliteStore::settled_folders() const {
  std::unordered_map<MailboxId, FolderTimes> settled;
  std::this_thread::sleep_for(MaildirWatch::kGrain);  // then our last change is told from a later one
  for (const MailboxEntry& mailbox : directory()->mailboxes()) {
    if (to_purge_.contains(mailbox.id) || to_look_at_.contains(mailbox.id)) continue;
    if (!contents_->of(mailbox.id).empty()) continue;
    auto times = folder_times_of(*folder_, mailbox.address);
    if (!times || !watch_.is_settled(mailbox.id, times->times)) continue;
    if (!watch_.is_deleted_as_seen(mailbox.id, times->deleted_time)) continue;
    // What could not be discarded is for a start.
    const auto maildir = maildir_of(mailbox.id);
    const auto drafts = maildir ? maildir->drafts() : maildir.error();
    if (!drafts || !drafts->empty()) continue;
    times->changed_by_us = watch_.is_changed_by_us(mailbox.id);
    settled.emplace(mailbox.id, *times);
  }
  return settled;
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
    Maildir::unmake(*folder_, address);  // the next start would make a mailbox of it
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
  // Deleted mail that was kept with the rest can be restored, too; what is in the way now, from the next
  // start on.
  auto looked = look_now(mailbox, *std::move(maildir), MarkedFiles::kRemove);
  if (!looked) notice_failure(looked.error());
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
  if (keep == KeepMail::kYes) {
    // Without its row a file in new/ or cur/ would be mail again: what was deleted has to be out of there
    // first, also what resisted before.
    to_purge_[entry->id] = {};
    if (auto left = purge_deleted(entry->id, SIZE_MAX); !left) return left.error();
    if (auto filed = filer_->file_now(entry->id); !filed) return filed.error();
  }
  {
    auto transaction = Transaction::begin(*database_);
    if (!transaction) return transaction.error();
    auto removal = Accounts(*database_).remove_mailbox(entry->id, entry->address, keep == KeepMail::kYes);
    if (!removal) return removal.error();
    // Nobody looks for a place of theirs in the journal any more.
    for (const Contents::Row message : contents_->of(entry->id)) {
      if (auto done = database_->run("DELETE FROM contents WHERE message = ?1", message); !done) return done;
    }
    if (auto done = transaction->commit(); !done) return done;
  }
  filer_->forget_mailbox(entry->id);
  quotas_.forget(entry->id);
  watch_.forget(entry->id);
  listings_.forget(entry->id);
  looks_asked_for_.erase(entry->id);
  if (look_ != nullptr && look_->mailbox == entry->id) look_.reset();
  forget_maildir_to_read(entry->id);
  notes_.forget(entry->id);
  to_look_at_.erase(entry->id);
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
  while (at_most > 0) {
    auto rows = Accounts(*database_).sweep_rows(at_most);
    if (!rows) return rows.error();
    if (*rows == 0) break;
    at_most -= std::min(at_most, *rows);
  }
  database_->checkpoint_if_due();
  if (at_most == 0) return true;
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

Result<void> SqliteStore::set_quota(const Address& address, std::optional<std::uint64_t> octets) {
  if (!database_) return closed_error();
  if (octets.value_or(0) > kMostQuota) return Error{ErrorKind::kInvalid, "no quota is as large as that"};
  auto entry = known(address);
  if (!entry) return entry.error();
  auto done = in_transaction([&] { return Accounts(*database_).set_quota(entry->id, octets); });
  if (done) quotas_.set_own(entry->id, octets);
  return done;
}

Result<void> SqliteStore::begin_quotas() {
  auto own = Accounts(*database_).quotas();
  if (!own) return own.error();
  for (const auto& [mailbox, octets] : *own) quotas_.set_own(mailbox, octets);
  auto totals = Index(*database_).totals();
  if (!totals) return totals.error();
  for (const auto& [mailbox, each] : *totals) quotas_.set_use(mailbox, each.octets);
  // Messages come and go in many places; the totals tell of all of them.
  database_->watch_rows("totals", [this](MailboxId mailbox) {
    const auto now = Index(*database_).totals_of(mailbox);
    if (now) quotas_.set_use(mailbox, now->octets + arrivals_->octets_to_come(mailbox));
  });
  return {};
}

Room SqliteStore::room_for(const Address& recipient, std::uint64_t octets) const {
  const auto mailboxes = directory()->resolve(recipient);
  if (mailboxes.empty()) return Room::kYes;
  Room best = Room::kNever;
  // A full mailbox has no room for a message of whatever size.
  for (MailboxId mailbox : mailboxes) {
    best = std::min(best, quotas_.room(mailbox, std::max<std::uint64_t>(octets, 1)));
  }
  const bool stops =
      best == Room::kYes && std::any_of(mailboxes.begin(), mailboxes.end(),
                                        [&](MailboxId mailbox) { return quotas_.is_far_beyond(mailbox); });
  return stops ? Room::kNo : best;
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

Result<std::vector<RefusedMail>> SqliteStore::refused_mail() {
  if (!database_) return closed_error();
  return RefusedTable(*database_).all();
}

Result<void> SqliteStore::change_refused_mail(const RefusedMailChanges& changes) {
  if (!database_) return closed_error();
  if (changes.added.empty() && changes.removed.empty()) return {};
  return in_transaction([&] { return RefusedTable(*database_).change(changes); });
}

Result<std::vector<MailboxSummary>> SqliteStore::list_mailboxes() {
  if (!database_) return closed_error();
  auto accounts = Accounts(*database_).mailboxes();
  if (!accounts) return accounts.error();
  auto totals = Index(*database_).totals();
  if (!totals) return totals.error();
  std::vector<MailboxSummary> summaries;
  for (AccountRow& account : *accounts) {
    account.last_login_at = notes_.last_login(account.id, account.last_login_at);
    summaries.push_back(summary_of(account, (*totals)[account.id], quotas_));
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
  return deliver_and_note(deliveries, {}).delivered;
}

Store::Committed SqliteStore::deliver_and_note(std::span<Delivery> deliveries,
                                               std::span<const QueueOutcome> outcomes) {
  if (!database_) return {std::vector<Result<Delivered>>(deliveries.size(), closed_error()), closed_error()};
  if (deliveries.empty()) return {{}, note_outcomes(outcomes)};
  make_room(deliveries);
  const auto directory_now = directory();
  DeliveryBatch batch(*folder_, *database_, *directory_now, naming_, watch_, quotas_,
                      {*filer_, *arrivals_, *contents_, *queue_contents_},
                      {srs_key(), [this] { return ids_.next(); }});
  Committed committed{batch.deliver(deliveries, outcomes), {}};
  tell_queue_changes(batch.changed_in_queue());
  if (!batch.noted() && !outcomes.empty()) committed.noted = note_outcomes(outcomes);
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return committed;
}

Result<bool> SqliteStore::index_mail(std::size_t at_most) {
  if (!database_) return closed_error();
  auto more = arrivals_->write_some_rows(at_most);
  database_->checkpoint_if_due();
  return more;
}

Result<std::unique_ptr<Filing>> SqliteStore::begin_filing(std::chrono::milliseconds age,
                                                          std::size_t at_most) {
  if (!database_) return closed_error();
  if (auto done = arrivals_->write_rows(); !done) return done.error();
  Result<void> failure;
  std::unique_ptr<Filing> filing = filer_->write(Contents::Clock::now() - age, at_most, failure);
  if (filing == nullptr) {
    if (auto done = arrivals_->reclaim(); failure && !done) failure = done;
  }
  if (!failure) {
    if (filing == nullptr) return failure.error();
    notice_failure(failure);
  }
  return filing;
}

Result<void> SqliteStore::end_filing(Filing& filing) {
  if (!database_) return closed_error();
  auto* batch = dynamic_cast<FiledBatch*>(&filing);
  if (batch == nullptr) return Error{ErrorKind::kInvalid, "a filing of another store"};
  auto done = filer_->settle(*batch);
  if (auto reclaimed = arrivals_->reclaim(); done && !reclaimed) done = reclaimed;
  database_->checkpoint_if_due();
  return done;
}

void SqliteStore::file_all(Contents::Clock::time_point deadline) {
  const auto began = Contents::Clock::now();
  filer_->give_up();  // who asked for a filing does not end it any more
  while (Contents::Clock::now() < deadline) {
    Result<void> failure;
    const auto batch = filer_->write(began, kFiledAtEnd, failure);
    if (batch == nullptr) break;
    batch->sync();
    static_cast<void>(filer_->settle(*batch));
  }
}

}  // namespace mailstead
