// What has become of messages that were imported into a mailbox: here, lost, or deleted by their owner.
//
// A note of the import alone does not say that a message is here, and its name does not say that it is the
// same one: whoever deletes mail at its source, or leaves it out, has to know both.
//
// Ownership: database and maildir outlive it. Keep it for one call of the store: what it has seen in the
// folder it does not look at again. Threads: the storage thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "protocols/result.h"
#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/maildir.h"
#include "storage/transfer/imported_table.h"
#include "storage/transfer/transfer.h"

namespace mailstead {

enum class ImportedFate {
  kHere,     // its file is on the disk, with the length that the index knows
  kLost,     // it should be here, and its file is not
  kDeleted,  // its owner deleted it
  kUnsure,   // the database was damaged once and knows nothing of it
};

struct ImportedState {
  ImportedFate fate = ImportedFate::kDeleted;
  std::optional<MessageRow> row;  // its name is where the file is
};

class ImportedMail {
 public:
  ImportedMail(Database& database, const Maildir& maildir, MailboxId mailbox)
      : database_(database), index_(database), imported_(database), maildir_(maildir), mailbox_(mailbox) {}

  // Of the message that got this UIDL. Whose mail has no file yet: see Filer::file_now().
  Result<ImportedState> state_of(const std::string& uidl);
  Result<WasImported> was_imported(const std::string& source, const ImportQuestion& question);

  // Can it be the row's message? What is not known on either side is not compared.
  static bool fits(const MessageRow& row, std::optional<std::uint64_t> size, const ContentHash& hash);

 private:
  Result<WasImported> answer(const std::string& source, const std::string& item,
                             const ImportQuestion& question, bool& is_another);
  Result<bool> find_file(MessageRow& row);

  Database& database_;
  Index index_;
  ImportedTable imported_;
  const Maildir& maildir_;
  const MailboxId mailbox_;
  std::optional<std::unordered_map<std::string, std::string>> path_by_base_;  // listed when a file is missed
  std::optional<bool> was_damaged_;
};

}  // namespace mailstead
