// The Store over SQLite and maildirs: the façade that joins the parts of this folder.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/accounts.h"
#include "storage/database.h"
#include "storage/folder.h"
#include "storage/index.h"
#include "storage/maildir.h"
#include "storage/maildrop.h"
#include "storage/message_id.h"
#include "storage/reconcile.h"
#include "storage/store.h"
#include "storage/watch.h"

namespace mailstead {

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
  Result<std::string> password_hash(const Address& address) override;
  Result<void> note_login(MailboxId mailbox) override;
  Result<std::vector<MailboxSummary>> list_mailboxes() override;
  Result<MailboxSummary> show_mailbox(const Address& address) override;
  Result<void> add_alias(const std::string& name, const std::vector<Address>& targets) override;
  Result<void> remove_alias(const std::string& name) override;

  std::string new_id() override { return ids_.next(); }
  Result<std::unique_ptr<Spool>> new_spool() override;
  std::vector<Result<Delivered>> deliver(std::span<Delivery> deliveries) override;

  Result<std::unique_ptr<Maildrop>> open_maildrop(MailboxId mailbox) override;
  Result<std::unique_ptr<MessageReader>> open_message(const Maildrop& maildrop, std::size_t index) override;
  Result<void> commit_deletes(const Maildrop& maildrop, std::span<const std::size_t> indices) override;
  Result<std::size_t> purge_deleted(MailboxId mailbox, std::size_t at_most) override;

  Result<bool> take_in_files(std::size_t at_most) override;
  bool files_wait() const override { return !to_take_in_.empty() || !to_examine_.empty(); }
  Result<void> advance_retention(std::chrono::seconds elapsed) override;
  Result<std::size_t> expire_messages(MailboxId mailbox, std::chrono::seconds kept,
                                      std::size_t at_most) override;
  std::vector<std::string> take_notices() override { return std::exchange(notices_, {}); }

  Result<std::uint64_t> free_space() const override { return folder_->free_space(); }
  Result<void> close() override;

 private:
  SqliteStore(std::unique_ptr<DataFolder> folder, const std::string& host);

  Result<void> refresh_directory();
  template <typename Work>
  Result<void> in_transaction(Work work);
  Result<MailboxEntry> known(const Address& address) const;
  Result<Maildir> maildir_of(MailboxId mailbox) const;
  // The folders of the mailboxes read last stay open: opening them costs more than reading a small message.
  // Good until the next call.
  Result<Maildir*> maildir_to_read(MailboxId mailbox);
  void forget_maildir_to_read(MailboxId mailbox);
  Result<void> make_folder_of(MailboxId mailbox, const Address& address);
  // Looks at the folder when somebody else changed it.
  Result<void> look_for_changes(MailboxId mailbox, Maildir& maildir, std::size_t imports = kImportSlice);
  void notice(const Reconciled& found, MailboxId mailbox, const Maildir& maildir);
  Result<void> examine_some(MailboxId mailbox, std::size_t at_most);
  void notice_failure(const Result<void>& done);
  bool is_news(const std::string& trouble);
  Result<void> write_logins();
  void delete_leftovers();

  std::unique_ptr<DataFolder> folder_;
  MessageIds ids_;
  Naming naming_;
  MaildirWatch watch_;
  std::unique_ptr<Database> database_;  // null once closed
  std::shared_ptr<MaildropLocks> locks_ = std::make_shared<MaildropLocks>();
  std::unordered_map<MailboxId, std::int64_t> logins_;  // not written yet: a login is not worth a flush
  std::int64_t logins_written_at_ = 0;
  std::unordered_set<MailboxId> to_purge_;  // have marked messages whose files are still there
  std::unordered_map<MailboxId, std::int64_t> to_examine_;  // and the row that was looked at last
  std::unordered_map<MailboxId, std::pair<std::int64_t, std::int64_t>>
      expired_;                               // retention and `kept` when nothing more was to be expired
  std::unordered_set<MailboxId> to_take_in_;  // have files that wait to be imported
  std::vector<std::pair<MailboxId, Maildir>> reading_;  // the last one used in front
  std::vector<std::string> notices_;
  std::unordered_set<std::string> troubles_noticed_;

  mutable std::mutex directory_mutex_;  // guards directory_
  std::shared_ptr<const Directory> directory_;
};

}  // namespace mailstead
