// Brings a mailbox's index rows and its files together: the files rule.
//
// Files without a row are adopted: one with a name of ours keeps it and its UIDL, any other gets a name of
// ours and CRLF line ends first. Rows follow files that another mail tool renamed. A row whose file is
// gone becomes kMissing and waits for it; a row that is kDeleting loses its file and then itself, unless they
// are left for later. Where a file lies tells what it is: one that somebody took out of deleted/ into new/ or
// cur/ is restored, one that lies in deleted/ without a row, or with a row that knows nothing of it, was
// deleted and is kept from now on; neither is seen unless deleted/ is looked into. Nothing else is ever
// deleted here. A crash at any step leaves a state that the next run finishes: each file operation is one
// step, and rows come last.
//
// Files of others are imported the oldest first and `at_most` in one call, so that nobody's mail waits long
// behind a great many of them; all else is done whole.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/database.h"
#include "storage/directory.h"
#include "storage/import.h"
#include "storage/maildir.h"

namespace mailstead {

struct Reconciled {
  std::size_t adopted = 0;   // files of ours that had no row
  std::size_t imported = 0;  // files of others
  std::size_t moved = 0;     // rows whose file has another name now
  std::size_t returned = 0;  // missing files that are there again
  std::size_t missing = 0;   // newly missing
  std::size_t finished_deletes = 0;
  std::size_t restored = 0;          // rows whose file was taken out of deleted/
  std::size_t kept = 0;              // files of deleted/ that no row knew as deleted
  std::size_t left = 0;              // files of others that wait for another call
  std::vector<std::string> skipped;  // files that could not be taken in, one line each
  // Nothing of it was made by us just now, and nothing waits: until the times change, another run would find
  // nothing.
  bool settled = true;
};

// Files of others in one call, while somebody waits: a moment's work.
constexpr std::size_t kImportSlice = 192;

// Files of messages that are marked as deleted, and deleted/: a start looks after them, a login must not wait
// for that.
enum class MarkedFiles { kRemove, kLeave };

// `before_change` runs once, if at all: before messages that are present are so no more, or others are again.
Result<Reconciled> reconcile(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming,
                             MarkedFiles marked, std::size_t at_most,
                             const std::function<Result<void>()>& before_change);

// What was done and what is amiss, a sentence each, for logs and people.
std::vector<std::string> sentences(const Reconciled& found, std::string_view address);

}  // namespace mailstead
