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
// The work is done in slices, so that nobody's mail waits long behind a large mailbox, or a great many files
// of others: a Search finds what differs, then each difference is looked at anew and settled, the files of
// others last and the oldest first. Each slice is whole: its rows are committed when settle() returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/delivery/filing.h"
#include "storage/look/import.h"
#include "storage/look/search.h"
#include "storage/mailbox/maildir.h"

namespace mailstead {

struct Reconciled {
  std::size_t adopted = 0;   // files of ours that had no row
  std::size_t imported = 0;  // files of others
  std::size_t moved = 0;     // rows whose file has another name now
  std::size_t returned = 0;  // missing files that are there again
  std::size_t missing = 0;   // newly missing
  std::size_t unsure = 0;    // files that were not found while somebody changed the maildir
  std::size_t finished_deletes = 0;
  std::size_t restored = 0;          // rows whose file was taken out of deleted/
  std::size_t kept = 0;              // files of deleted/ that no row knew as deleted
  std::size_t left = 0;              // files of others that wait for another slice
  std::vector<std::string> skipped;  // files that could not be taken in, one line each
  // Nothing of it was made by us just now, and nothing waits: until the times change, another run would find
  // nothing.
  bool settled = true;
};

// Files of others in one call, while somebody waits: a moment's work; and octets of them.
constexpr std::size_t kImportSlice = 192;
constexpr std::uint64_t kImportOctets = 32 << 20;

// Files that have no name of ours.
struct FilesOfOthers {
  std::vector<std::pair<std::int64_t, std::string>> dated;  // Unix seconds when it was written, path
  std::size_t next = 0;                                     // the first that has not been tried
  bool in_order = true;                                     // the oldest first
};

class Reconciler {
 public:
  // All of it outlives the reconciler. `expected` files, about.
  Reconciler(Database& database, const Filer& filer, Maildir& maildir, MailboxId mailbox,
             const Naming& naming, MarkedFiles marked, std::size_t expected);

  // Goes past `at_most` files or rows. True: there is more; otherwise settle() may begin.
  Result<bool> search(std::size_t at_most);

  struct Slice {
    std::size_t differences = SIZE_MAX;
    std::size_t imports = kImportSlice;
    std::uint64_t octets = kImportOctets;  // of files of ours without a row that are read
    // Nobody has changed the maildir since before the search began: asked after a file was not found.
    // Otherwise it may have another name, and is not taken for missing.
    std::function<bool()> still;
  };
  // Settles so much at most. True: there is more. `before_change` runs once in a slice, if at all: before
  // messages that are present are so no more, or others are again.
  Result<bool> settle(const Slice& slice, const std::function<Result<void>()>& before_change);

  // Of all slices so far.
  const Reconciled& result() const { return result_; }

 private:
  Database& database_;
  const Filer& filer_;
  Maildir& maildir_;
  const MailboxId mailbox_;
  const Naming& naming_;
  const MarkedFiles marked_;
  Search search_;
  Differences differences_;
  std::size_t next_path_ = 0;
  std::size_t next_row_ = 0;
  FilesOfOthers others_;
  Reconciled result_;
};

// What was done and what is amiss, a sentence each, for logs and people.
std::vector<std::string> sentences(const Reconciled& found, std::string_view address);

}  // namespace mailstead
