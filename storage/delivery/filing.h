// Gives files to small mail that is in the journal or the database (contents.h), many at a time and behind
// everybody's back.
//
// Three steps: write() makes the files and moves them to where their rows say, FiledBatch::sync() has them on
// the disk, settle() has the database forget where their bytes are. Until then the bytes count, and the file
// does not: it may be unfinished after a crash. settle() waits for no flush: should its commit be lost, the
// bytes are there again, and the next start finds the file, too. Whoever needs a message's file at once, or
// deletes it, asks is_unfiled() first, or calls file_now().
// Threads: the storage thread, but for FiledBatch::sync(), which is any one's.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/delivery/contents.h"
#include "storage/files.h"
#include "storage/folder.h"
#include "storage/look/watch.h"
#include "storage/mailbox/maildir.h"
#include "storage/store.h"

namespace mailstead {

class FiledBatch final : public Filing {
 public:
  void sync() override;
  std::size_t size() const override { return files_.size(); }

 private:
  friend class Filer;
  struct File {
    Contents::Row message;
    MailboxId mailbox;
    std::string path;  // in its maildir
    dev_t device = 0;
    FileHandle handle = {};  // where each is synced for itself
    std::optional<Error> error = std::nullopt;
  };

  void sync_each();

  bool all_at_once_ = false;  // one sync for each file system
  std::vector<File> files_;
  std::map<dev_t, Maildir> on_device_;     // one of those on it
  std::map<MailboxId, Maildir> maildirs_;  // where each file is synced for itself
};

// A file of these bytes under this path of a message, in one step; the caller syncs it and its folder. What
// is there already is an earlier attempt's.
Result<FileHandle> write_mail_file(Maildir& maildir, const std::string& path, std::string_view bytes);

class Filer {
 public:
  using MaildirOf = std::function<Result<Maildir>(MailboxId)>;

  // A sentence for people.
  using Tell = std::function<void(std::string)>;

  // All of it outlives the filer. `tell` hears of each message that is lost.
  Filer(Database& database, MailContents& contents, MaildirWatch& watch, const DataFolder& folder,
        MaildirOf maildir_of, Tell tell)
      : database_(database),
        contents_(contents),
        watch_(watch),
        folder_(folder),
        maildir_of_(std::move(maildir_of)),
        tell_(std::move(tell)) {}

  // Those that came before `until`, the oldest first; null when there are none. What cannot be written now
  // comes again after the others; the first error is in `failure`. On a low disk nothing is written: what is
  // left of it is for those who delete, and for the end.
  std::unique_ptr<FiledBatch> write(Contents::Clock::time_point until, std::size_t at_most,
                                    Result<void>& failure);
  // A file that could not be synced goes, and its message gets another one later: no sync is tried twice.
  Result<void> settle(FiledBatch& batch);
  // All three steps, for mail of a mailbox.
  enum class Which { kAll, kDeleted };
  Result<void> file_now(MailboxId mailbox, Which which = Which::kAll);
  // The same for this message alone.
  Result<void> file_message(Contents::Row message);
  // After a crash: likewise, and what is there already is found, also where another tool has moved it.
  Result<void> recover(MailboxId mailbox);

  // Its bytes are in the journal or the database, and no filing has given it a file. An earlier one that
  // failed may have left one.
  bool is_unfiled(Contents::Row message) const {
    return contents_.holds(message) && !written_.contains(message);
  }
  // What is under way is not settled: it counts as not done.
  void give_up() { written_.clear(); }
  // The last message of this mailbox could not be filed: who cannot write a file is not to promise more of
  // them.
  bool is_troubled(MailboxId mailbox) const { return troubled_.contains(mailbox); }
  // A file was written there.
  void trust(MailboxId mailbox) { troubled_.erase(mailbox); }
  // Messages of which nobody has bytes any more, since this began.
  std::size_t lost() const { return lost_; }
  // Messages without one.
  std::size_t waiting() const { return contents_.size() - written_.size(); }
  // Of messages and mailboxes whose rows are gone.
  void forget(Contents::Row message);
  void forget_mailbox(MailboxId mailbox);

 private:
  struct Unfiled;
  Result<std::optional<Unfiled>> find(Contents::Row message);
  using Messages = std::span<const Contents::Row>;
  Result<void> write_some(Messages messages, FiledBatch& batch);
  Result<void> write_in(MailboxId mailbox, Messages messages, FiledBatch& batch);
  Result<void> write_one(Contents::Row message, Maildir& maildir, FiledBatch& batch);
  Result<void> write_file(Contents::Row message, const Unfiled& unfiled, Maildir& maildir, FiledBatch& batch);
  Result<void> file_these(Messages messages);
  Result<void> note(const std::vector<Contents::Row>& messages);
  Result<void> note_rest();
  void lose(Contents::Row message, Maildir& maildir, const Error& why);

  Database& database_;
  MailContents& contents_;
  MaildirWatch& watch_;
  const DataFolder& folder_;
  MaildirOf maildir_of_;
  Tell tell_;
  std::unordered_set<Contents::Row> written_;  // have a file that may not be on the disk yet
  std::unordered_set<MailboxId> troubled_;
  std::size_t lost_ = 0;  // messages
  // Theirs is, but the database could not be told; or their bytes are lost.
  std::vector<Contents::Row> unnoted_;
};

}  // namespace mailstead
