// Imports a batch of messages into one mailbox, with the UIDLs and times that they had elsewhere.
//
// Each message is a draft in tmp/ whose name holds its UIDL and whose time is the message's; drafts are
// flushed together, moved to new/, and then the batch's rows go in one transaction, in the order of the
// batch. A crash leaves drafts, which are swept, or files without rows, which a start takes in under the same
// UIDL: when the import is begun again, they are found to be there. A UIDL is never given twice. One that is
// taken by another message gives way to one made of the message's source and item: the same in every try.
// A message that was imported before and whose file is lost gets its file back under the name that it had;
// should a crash come before its row says so, a look finds it by that name. Another message that its source
// calls as it called one before is noted beside that one.
// Threads: the storage thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/look/reconcile.h"
#include "storage/mailbox/content.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/maildir.h"
#include "storage/transfer/imported_mail.h"
#include "storage/transfer/imported_table.h"
#include "storage/transfer/transfer.h"

namespace mailstead {

// Of a message as it would be here.
struct ImportFacts {
  std::uint64_t size = 0;
  ContentHash hash;
};

class ImportBatch {
 public:
  // `before_change` is called before a message comes back; on its error none does.
  ImportBatch(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming,
              std::function<Result<void>()> before_change);

  // The i-th result is the i-th message's.
  std::vector<Result<Imported>> run(std::span<const Import> messages);

 private:
  struct Work {
    const Import* message;
    std::optional<Error> error = {};
    ImportOutcome outcome = ImportOutcome::kNew;
    std::string item = {};                 // that it is noted under
    bool is_noted = false;                 // `imported` knows it already
    std::optional<std::size_t> same = {};  // the same message, before it in the batch: its fate is this one's
    std::optional<MessageRow> lost = {};   // whose file this is to be again
    std::optional<ImportFacts> facts = {};
    std::string uidl = {};
    std::string name = {};  // of its file
    ContentScan scan = {};
    ContentHasher hasher = {};
    bool in_tmp = false;
    bool in_new = false;
    FileHandle file = {};  // while its group is written

    bool is_new() const { return !error && outcome == ImportOutcome::kNew; }
  };
  enum class Claim { kFree, kSame, kLost, kTaken };
  // Does a note tell what is to be done with a message?
  enum class Note { kNone, kSettled, kOfAnother };

  Result<void> plan(Work& work);
  Result<Note> recognise(Work& work);
  Result<Note> recognise_in_batch(Work& work);
  Result<Note> recognise_in_table(Work& work);
  Result<Claim> claim(Work& work, const std::string& uidl);
  Result<const ImportFacts*> facts_of(Work& work) const;
  Result<bool> is_same(const Import& message, const MessageRow& row) const;
  void each_new(std::span<Work> group, Result<void> (ImportBatch::*step)(Work&));
  void write_group(std::span<Work> group);
  Result<void> write(Work& work);
  Result<void> flush(Work& work);
  Result<void> publish(Work& work);
  Result<void> write_rows();
  void withdraw_failed();

  Database& database_;
  Index index_;
  ImportedTable imported_;
  ImportedMail mail_;
  Maildir& maildir_;
  const MailboxId mailbox_;
  const Naming& naming_;
  const std::function<Result<void>()> before_change_;
  const std::int64_t now_;  // Unix seconds
  std::vector<Work> works_;
  std::set<std::string> uidls_;                                       // of this batch
  std::map<std::pair<std::string, std::string>, std::size_t> items_;  // and which of works_ they are
};

}  // namespace mailstead
