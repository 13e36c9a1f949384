// A backup: one moment of the database, and the files that it needs, while the store goes on.
//
// The moment is a copy of the database, made by a connection of its own that only reads (SQLite's backup).
// What the copy knows decides what the backup is: message files that are not in the pool yet are copied, and
// a message or a queued one that has gone meanwhile is taken out of the copy. A generation of the backup
// folder (backup_folder.h) so holds
//
//     mailstead.db            the copy: accounts, passwords, aliases, index, queue, small mail of the last second
//     queue/                  files of mail on its way out
//     secret.key dkim/ tls/   and whatever else of the data folder lasts
//     configuration.toml      the configuration file, where it lay elsewhere
//     about                   BackupFacts
//
// and has its mail in the pool. The table backup_kept of the copy names the files of mail that was kept of
// removed mailboxes, which no other table knows, with their lengths and hashes.
// The steps are begin(), for which the store must be recovered and not change its schema (a running server,
// or a Store in this process), and finish(), which needs neither.
// Ownership: BackupFolder outlives it. Threads: one, any. Rights: this process acts as the data folder's
// owner; `as_caller` lends it those that the backup's folder is written with. Errors: kUnavailable (stopped),
// and those of backup_folder.h and database.h; what was copied into the pool stays for the next try.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/backup/backup_files.h"
#include "storage/backup/backup_folder.h"
#include "storage/backup/backup_generations.h"
#include "storage/backup/backup_pool.h"
#include "storage/database/database.h"
#include "storage/mailbox/maildir.h"

namespace mailstead {

struct BackupTerms {
  std::string data;           // the data folder
  std::string configuration;  // path of the configuration file, where it lies elsewhere; may be empty
  AsCaller as_caller;
  TellProgress tell;
};

struct BackupSummary {
  BackupFacts facts;
  std::uint64_t new_messages = 0;     // that the backups before do not hold as they are
  std::uint64_t new_octets = 0;       // that were copied for it
  std::uint64_t gone = 0;             // deleted while the backup was made, and not in it
  std::uint64_t missing = 0;          // whose files were missed already before
  std::uint64_t lost = 0;             // whose files are gone from the server; a trouble each
  std::uint64_t lost_deleted = 0;     // likewise, of deleted mail that could be restored
  MailSum deleted;                    // in it: deleted mail that can be restored
  MailSum kept;                       // in it: kept of removed mailboxes
  std::vector<std::string> left_out;  // of other files: what is no file and no folder
  std::vector<std::string> troubles;  // what should be in it and is not, or looks wrong

  // All that the server has is in it, and as it should be.
  bool holds_what_there_is() const { return troubles.size() == lost + lost_deleted; }
};

class Backup {
 public:
  // Makes the copy.
  static Result<std::unique_ptr<Backup>> begin(BackupFolder& folder, const BackupTerms& terms);
  // Takes away what is unfinished.
  ~Backup();

  // The rest, to the new generation's name. Once.
  Result<void> finish();
  const BackupSummary& summary() const { return summary_; }

 private:
  struct Wanted;
  struct KeptFile;
  class Mailbox;

  Backup(BackupFolder& folder, const BackupTerms& terms) : folder_(folder), terms_(terms) {}

  Result<void> copy_database();
  Result<void> open_data();
  std::string source_path() const;
  std::string copy_path() const;

  Result<void> copy_unfiled();
  Result<void> copy_mailboxes();
  Result<void> copy_mailbox(const Address& address, std::int64_t id);
  Result<void> copy_some(Mailbox& mailbox, const std::vector<Wanted>& some);
  enum class HasFile { kNo, kYes };
  // With the rights of the caller.
  void count_new(const Mailbox& mailbox, const Wanted& message, HasFile has_file, std::uint64_t octets);
  Result<void> add_all(Mailbox& mailbox, std::vector<std::pair<Wanted, RegularFile>>& files);
  Result<void> look_for(Mailbox& mailbox);
  Result<void> search_once(Mailbox& mailbox);
  Result<void> settle_gone(Mailbox& mailbox);
  Result<void> copy_kept_mail();
  Result<void> copy_kept_folder(int at, const PoolFolder& name);
  // What is to be noted of it.
  Result<PoolClaim> copy_kept_file(const PoolFolder& folder, const std::string& name, const RegularFile& file,
                                   const PoolClaim& noted);
  Result<void> note_kept(const PoolFolder& name, std::vector<KeptFile>& kept);

  Result<void> copy_queue();
  struct Queued;
  Result<bool> link_queued(int before, int to, const Queued& queued);
  Result<void> copy_queued(int queue, int to, const Queued& queued);
  // The hash of one of which the store knows none.
  Result<void> note_queued(const Queued& queued, const ContentHash& hash);
  Result<void> settle_unqueued(std::int64_t row, const std::string& id);
  Result<FileHandle> newest_queue() const;

  Result<void> copy_rest();
  Result<void> copy_rest_once(TreeCopy& copy);
  Result<void> copy_configuration();
  Result<void> write_facts();
  Result<void> publish();
  Result<void> tell();

  BackupFolder& folder_;
  const BackupTerms terms_;
  BackupSummary summary_;
  std::string real_data_;
  FileHandle data_;
  FileHandle mail_;
  FileHandle to_;  // the generation
  std::string generation_;
  std::unique_ptr<Database> copy_;
  std::unique_ptr<EarlierGenerations> generations_;
  std::unique_ptr<BackupPool> pool_;
  BackupProgress progress_;
};

// Of the data folder, what a backup holds besides mail, queue and database.
bool lasts_in_data_folder(const std::string& name);

}  // namespace mailstead
