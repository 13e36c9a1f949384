// The Store over SQLite and maildirs: the façade that joins the parts of this folder.
//
// sqlite_store_check.cc holds what becomes of a check's suspicions, sqlite_store_credentials.cc what logins
// need, sqlite_store_deleted.cc what becomes of deleted mail, sqlite_store_keys.cc the keys that sign mail,
// sqlite_store_looks.cc what other tools did to the maildirs, sqlite_store_maildrops.cc maildrops,
// sqlite_store_queue.cc the queue, sqlite_store_transfer.cc import and export, sqlite_store.cc the rest.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/accounts/accounts.h"
#include "storage/accounts/dkim_keyring.h"
#include "storage/accounts/quotas.h"
#include "storage/accounts/secret_key.h"
#include "storage/database/aging.h"
#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/database/notes.h"
#include "storage/delivery/arrivals.h"
#include "storage/delivery/contents.h"
#include "storage/delivery/filing.h"
#include "storage/folder.h"
#include "storage/look/folder_times.h"
#include "storage/look/reconcile.h"
#include "storage/look/watch.h"
#include "storage/mailbox/listing.h"
#include "storage/mailbox/maildir.h"
#include "storage/mailbox/maildrop.h"
#include "storage/mailbox/message_id.h"
#include "storage/store.h"

namespace mailstead {

inline Error closed_error() {
  return {ErrorKind::kUnavailable, "the store is closed"};
}

inline Error mailbox_gone() {
  return {ErrorKind::kNotFound, "the mailbox was removed"};
}

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options, RecoveryReport& report);
  ~SqliteStore() override;

  std::shared_ptr<const Directory> directory() const override;

  Result<void> add_mailbox(const Address& address, const std::string& password_hash) override;
  Result<void> remove_mailbox(const Address& address, KeepMail keep) override;
  Result<bool> sweep_removed(std::size_t at_most) override;
  Result<void> set_password(const Address& address, const std::string& password_hash) override;
  Result<void> set_enabled(const Address& address, bool enabled) override;
  Result<void> set_quota(const Address& address, std::optional<std::uint64_t> octets) override;
  void set_default_quota(std::uint64_t octets) override { quotas_.set_default(octets); }
  Room room_for(const Address& recipient, std::uint64_t octets) const override;
  std::size_t full_mailboxes() const override { return quotas_.full(); }
  Result<void> add_app_password(const Address& address, const NewAppPassword& password) override;
  Result<std::vector<AppPasswordSummary>> list_app_passwords(const Address& address) override;
  Result<void> revoke_app_password(const Address& address, const std::string& name) override;
  Result<Credentials> credentials(const Address& address) override;
  std::string scram_salt(const std::string& name) const override;
  Result<void> note_login(MailboxId mailbox, const std::string& device, AppPasswordId app_password) override;
  Result<void> note_taken(MailboxId mailbox, const std::string& device,
                          std::span<const TakenMessage> taken) override;
  Result<void> write_notes() override;
  Result<std::vector<RefusedMail>> refused_mail() override;
  Result<void> change_refused_mail(const RefusedMailChanges& changes) override;
  Result<std::vector<DeviceFacts>> list_devices(const Address& address) override;
  Result<std::vector<MailboxSummary>> list_mailboxes() override;
  Result<MailboxSummary> show_mailbox(const Address& address) override;
  Result<void> add_alias(const std::string& name, const std::vector<Address>& targets) override;
  Result<void> remove_alias(const std::string& name) override;

  Result<DkimSigners> dkim_keys(const std::string& domain) override;
  DkimSigners known_dkim_keys(const std::string& domain) const override;
  Result<std::vector<DkimKeyEntry>> list_dkim_keys(const std::string& domain) override;
  Result<void> prepare_dkim_keys(const std::string& domain) override;
  Result<void> activate_dkim_keys(const std::string& domain) override;
  std::string srs_key() const override;
  bool takes_reports(const Address& recipient) const override;

  std::string new_id() override { return ids_.next(); }
  Result<std::unique_ptr<Spool>> new_spool() override;
  std::vector<Result<Delivered>> deliver(std::span<Delivery> deliveries) override;
  Committed deliver_and_note(std::span<Delivery> deliveries, std::span<const QueueOutcome> outcomes) override;
  Result<std::unique_ptr<Filing>> begin_filing(std::chrono::milliseconds age, std::size_t at_most) override;
  Result<void> end_filing(Filing& filing) override;
  Result<bool> index_mail(std::size_t at_most = SIZE_MAX) override;
  std::size_t unindexed() const override { return arrivals_ ? arrivals_->waiting() : 0; }
  std::size_t unfiled() const override { return filer_ ? filer_->waiting() + arrivals_->waiting() : 0; }

  Result<std::vector<QueueEntry>> queue_entries(QueueRow& after, std::size_t at_most) override;
  std::vector<QueueEntry> take_queue_changes() override { return std::exchange(queue_changes_, {}); }
  Result<QueuedMessage> queued_message(QueueRow message) override;
  Result<std::unique_ptr<MessageReader>> open_queued(const QueuedMessage& message) override;
  Result<void> note_outcomes(std::span<const QueueOutcome> outcomes) override;
  Result<void> settle_reports(std::span<const SettledReport> reports) override;
  Result<QueueTotals> queue_totals() override;
  Result<std::int64_t> queue_waits_since() override;
  Result<std::vector<QueuedMessage>> list_queue(QueueRow after, std::size_t at_most) override;
  Result<QueuedMessage> find_queued(const std::string& id) override;
  Result<std::vector<QueuedMessage>> search_queue(const std::string& what) override;
  Result<std::vector<QueueAttempt>> queue_attempts(RecipientRow recipient) override;
  Result<std::vector<QueueEvent>> queue_events(QueueRow message) override;
  Result<std::string> queued_header(QueueRow message) override;
  Result<void> retry_queued(const std::string& id) override;
  Result<std::size_t> retry_queue(QueueRow& after, std::size_t at_most) override;
  Result<void> hold_queued(const std::string& id) override;
  Result<void> release_queued(const std::string& id) override;
  Result<void> drop_queued(const std::string& id) override;
  Result<std::vector<KeptStsPolicy>> sts_policies() override;
  Result<void> keep_sts_policy(const KeptStsPolicy& policy) override;
  Result<void> add_tls_counts(std::span<const TlsCount> counts) override;
  Result<std::vector<TlsCount>> tls_counts(std::int64_t since) override;
  Result<std::vector<TlsCount>> tls_counts_of(const DueTlsReport& report) override;
  Result<std::vector<DueTlsReport>> due_tls_reports(std::int64_t before) override;
  Result<void> settle_tls_report(const DueTlsReport& report) override;
  Result<bool> file_queued(std::chrono::seconds age, std::size_t at_most) override;
  Result<bool> forget_finished(std::size_t at_most) override;

  Result<std::unique_ptr<Maildrop>> open_maildrop(MailboxId mailbox) override;
  Result<std::shared_ptr<const MaildropPage>> read_page(const Maildrop& maildrop,
                                                        std::size_t number) override;
  Result<std::unique_ptr<MessageReader>> open_message(const Maildrop& maildrop, std::size_t index) override;
  Result<void> commit_deletes(const Maildrop& maildrop, std::span<const std::size_t> indices,
                              const DeleteTerms& terms) override;
  Result<std::size_t> purge_deleted(MailboxId mailbox, std::size_t at_most) override;
  Result<bool> free_deleted(const FreeTerms& terms, std::size_t at_most) override;
  DeletedTotals deleted_totals() const override;
  Result<std::vector<std::string>> restore_messages(const Address& address,
                                                    std::span<const std::string> uidls,
                                                    LostFiles lost) override;
  Result<std::vector<KnownMessage>> list_messages(const Address& address, MessageListing which,
                                                  const MessageSlice& slice) override;
  Result<KnownMessage> show_message(const Address& address, const std::string& uidl) override;
  Result<std::vector<KnownMessage>> find_messages(const std::string& id) override;
  Result<std::string> read_beginning(const KnownMessage& message, std::size_t at_most) override;

  std::vector<Result<Imported>> import_messages(const Address& address,
                                                std::span<const Import> messages) override;
  Result<std::vector<WasImported>> were_imported(const Address& address, const std::string& source,
                                                 std::span<const ImportQuestion> questions) override;
  Result<std::vector<ExportEntry>> export_entries(const Address& address, std::int64_t after,
                                                  std::size_t at_most) override;
  Result<std::unique_ptr<MessageReader>> open_entry(const Address& address,
                                                    const ExportEntry& entry) override;

  std::vector<Result<Judgement>> judge(std::span<const Suspicion> suspicions, Mend mend) override;
  Result<Judgement> mend_database() override;
  Result<void> learn_hashes(std::span<const LearntHash> learnt) override;

  Result<bool> take_in_files(std::size_t at_most) override;
  bool files_wait() const override {
    return look_ != nullptr || !to_look_at_.empty() || !to_examine_.empty();
  }
  Result<void> advance_retention(std::chrono::seconds elapsed) override;
  Result<std::size_t> expire_messages(MailboxId mailbox, std::chrono::seconds kept, std::size_t at_most,
                                      const DeleteTerms& terms) override;
  std::vector<std::string> take_notices() override { return std::exchange(notices_, {}); }
  void note_trouble(const Error& error) override { notice_failure(error); }

  Result<std::uint64_t> free_space() const override { return folder_->free_space(); }
  std::int64_t last_backup_at() const override { return last_backup_at_.load(); }
  Result<void> note_backup_failure(std::int64_t at, std::string_view why) override;
  Result<AlertNotes> alert_notes() override;
  Result<void> keep_told_alerts(std::string_view told) override;
  Result<void> note_backup(std::int64_t at, std::string_view folder) override;
  Result<bool> may_hold_backups(std::string_view folder) override;
  Result<void> close() override;

 private:
  SqliteStore(std::unique_ptr<DataFolder> folder, const SecretKey& secret_key, const StoreOptions& options);

  Result<void> refresh_directory();
  // Reads them, and has them follow every commit from now on.
  Result<void> begin_quotas();
  // Also for one statement: Transaction knows what to do when a commit's outcome is not known.
  template <typename Work>
  Result<void> in_transaction(Work work) {
    auto done = try_in_transaction(work);
    if (done || done.error().kind != ErrorKind::kNoSpace) return done;
    // Somebody has to be shut out, say: that works on a full disk, too. Refilled when there is room again.
    folder_->release_reserve();
    return try_in_transaction(work);
  }
  template <typename Work>
  Result<void> try_in_transaction(Work& work) {
    auto transaction = Transaction::begin(*database_);
    if (!transaction) return transaction.error();
    Result<void> done = work();
    return done ? transaction->commit() : done;
  }
  Result<void> check_signs_for(const std::string& domain) const;
  Result<MailboxEntry> known(const Address& address) const;
  Result<Maildir> maildir_of(MailboxId mailbox) const;
  // The folders of the mailboxes read last stay open: opening them costs more than reading a small message.
  // Good until the next call.
  Result<Maildir*> maildir_to_read(MailboxId mailbox);
  void forget_maildir_to_read(MailboxId mailbox);
  // Of its deleted/; 0: there is none, or it cannot be told.
  std::int64_t deleted_time_of(MailboxId mailbox) const;
  Result<void> make_folder_of(MailboxId mailbox, const Address& address);
  // A look at what other tools did in a maildir.
  struct Look {
    Look(Database& database, const Filer& filer, MailboxId of, Maildir in, const Naming& naming,
         MarkedFiles marked, std::uint64_t messages)
        : mailbox(of),
          maildir(std::move(in)),
          reconciler(database, filer, maildir, of, naming, marked, messages) {}

    const MailboxId mailbox;
    Maildir maildir;
    Reconciler reconciler;
    bool searching = true;
  };
  // Was the mailbox looked at as far as somebody has to wait for it, or is that to come?
  enum class Looked { kNow, kLater };
  // True: it was looked at, and its messages may be others now.
  Result<bool> look_at_login(const MailboxEntry& mailbox, std::uint64_t messages);
  // `messages` it has, about.
  Result<Looked> look_at(MailboxId mailbox, Maildir maildir, std::uint64_t messages);
  Result<Looked> look_now(MailboxId mailbox, Maildir maildir, MarkedFiles marked = MarkedFiles::kLeave);
  // Has take_in_files() look at it, unless it did so a short while ago.
  Looked ask_for_look(MailboxId mailbox, std::uint64_t messages);
  Result<std::unique_ptr<Look>> begin_look(MailboxId mailbox, Maildir maildir, MarkedFiles marked);
  Result<bool> advance(Look& look, std::size_t names, std::size_t differences, std::size_t imports);
  Result<void> end_look(const Look& look, Looked looked);
  bool is_still(const Look& look) const;
  Result<std::string> path_of(const Maildrop& maildrop, std::size_t index, std::int64_t key);
  void notice(const Reconciled& found, MailboxId mailbox, const Maildir& maildir);
  Result<Judgement> judge_one(const Suspicion& suspicion, Mend mend);
  Result<Judgement> judge_message(std::int64_t id, Mend mend);
  Result<Judgement> judge_unfiled(const MessageRow& row, const Maildir& maildir, Mend mend);
  Result<Judgement> judge_no_file(MessageRow& row, Maildir& maildir, Mend mend);
  Result<Judgement> judge_missing(MessageRow& row, Maildir& maildir, Mend mend);
  Result<Judgement> judge_changed(MessageRow& row, Maildir& maildir, const MessageFacts& facts, Mend mend);
  Result<Judgement> put_in_quarantine(MessageRow& row, Maildir& maildir, const std::string& what);
  Result<Judgement> give_up(const MessageRow& row, const std::string& what);
  Result<Judgement> take_as_it_came(MessageRow& row, Maildir& maildir, const MessageFacts& facts);
  Result<Judgement> take_as_it_is(MessageRow& row, Maildir& maildir, const MessageFacts& facts,
                                  const std::string& what);
  // A message that clients may see, or are to see no more.
  Result<void> take_facts(MessageRow& row, const MessageFacts& facts);
  Result<void> change_row(const MessageRow& row);
  Result<Judgement> look_again(MailboxId mailbox, const std::string& what, Mend mend);
  Result<Judgement> judge_file(MailboxId mailbox, const std::string& path, Mend mend);
  Result<Judgement> judge_totals(MailboxId mailbox, Mend mend);
  Result<Judgement> judge_queued(QueueRow id);
  Result<Judgement> judge_queue_file(const std::string& name);
  Result<void> examine_some(MailboxId mailbox, std::size_t at_most);
  void notice_failure(const Result<void>& done);
  bool is_news(const std::string& trouble);
  void tell_of_lost_secrets(RecoveryReport& report) const;
  void delete_leftovers();
  // True: there is more.
  bool tidy_some(std::size_t at_most);
  Result<void> recount_deleted();
  // Which of the kept messages go now: those past their time, else of the oldest as many as the disk is short
  // of.
  Result<std::vector<MessageRow>> choose_to_free(const FreeTerms& terms, std::size_t at_most);
  Result<void> free_these(const std::vector<MessageRow>& rows);
  Result<void> unlink_these(const std::vector<MessageRow>& rows);
  // Before a delivery: deleted mail makes room for new mail.
  void make_room(std::span<const Delivery> deliveries);
  void file_all(Contents::Clock::time_point deadline);
  std::unordered_map<MailboxId, FolderTimes> settled_folders() const;
  void tell_of_jump(const Age& age);
  // The committed changes of these messages are told, and the files of the finished ones go.
  void tell_queue_changes(const std::vector<QueueRow>& messages);
  template <typename Change>
  Result<void> change_queued(const std::string& id, Change change);
  Result<std::vector<KnownMessage>> know(const std::vector<MessageRow>& rows);

  std::unique_ptr<DataFolder> folder_;
  const SecretKey secret_key_;
  DkimKeyring dkim_keyring_{*folder_};
  MessageIds ids_;
  Naming naming_;
  MaildirWatch watch_;
  Quotas quotas_;
  std::unique_ptr<Database> database_;  // null once closed
  std::optional<QueueContents> queue_contents_;
  std::unique_ptr<Journal> journal_;
  std::optional<MailContents> contents_;
  std::optional<Arrivals> arrivals_;
  std::optional<Filer> filer_;
  std::shared_ptr<MaildropLocks> locks_ = std::make_shared<MaildropLocks>();
  Listings listings_;
  Notes notes_;
  std::int64_t notes_written_at_ = 0;
  struct Tidying {
    std::int64_t aside_after =
        0;  // the ids behind which the kept ones, and those to be freed, have not been tried
    std::int64_t freed_after = 0;
    // What an earlier process marked as gone for good is the start's to finish: it looks whether the disk is
    // there.
    bool frees = true;
  };
  std::map<MailboxId, Tidying> to_purge_;  // have marked messages whose files are still there
  MailboxId tidied_ = 0;                   // the last of them that had its turn in tidy_some()
  std::uint64_t freed_early_ = 0;          // messages, in the calls of free_deleted() that belong together
  std::unordered_map<MailboxId, std::int64_t> to_examine_;  // and the row that was looked at last
  std::unordered_map<MailboxId, std::pair<std::int64_t, std::int64_t>>
      expired_;  // retention and `kept` when nothing more was to be expired
  std::unordered_map<MailboxId, MarkedFiles> to_look_at_;
  std::unique_ptr<Look> look_;                                   // under way; nobody waits for it
  std::unordered_map<MailboxId, std::int64_t> looks_asked_for_;  // Unix seconds of the last ask_for_look()
  std::vector<std::pair<MailboxId, Maildir>> reading_;           // the last one used in front
  std::vector<std::string> notices_;
  std::vector<QueueEntry> queue_changes_;
  std::vector<std::string> queue_leftovers_;  // ids of finished messages whose files could not be removed
  std::unordered_set<std::string> troubles_noticed_;

  mutable std::mutex directory_mutex_;  // guards the next two
  std::shared_ptr<const Directory> directory_;
  DeletedTotals deleted_totals_;
  std::atomic<std::int64_t> last_backup_at_ = 0;
};

}  // namespace mailstead
