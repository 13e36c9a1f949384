// What in a maildir and in the index does not agree, found in slices, so that nobody waits long behind the
// search of a large mailbox.
//
// First the names of all files are read, then the index's rows go past them; what is left over on either side
// is a difference. The store may go on working between slices: a difference is what was one at some moment
// since the search began, so whoever acts on it looks again (reconcile.h). None is overlooked that was there
// at the beginning and is still there at the end. One may be found that is none: a file that another tool
// renames during the search may seem to be gone. A search writes nothing.
//
// Memory: that of a PathSet. Ownership: the database and the maildir outlive it. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/files.h"
#include "storage/look/path_set.h"
#include "storage/mailbox/maildir.h"

namespace mailstead {

// Files of messages that are marked as deleted, and deleted/: a start looks after them, a login must not wait
// for that.
enum class MarkedFiles { kRemove, kLeave };

struct Differences {
  std::vector<std::string> paths;  // files at whose path no row stands, by base name
  std::vector<std::int64_t> rows;  // ids: the file is gone, or is back, or is to be removed
  bool any_file = false;           // some row has its file
  bool any_message = false;        // some row is not being deleted
};

class Search {
 public:
  // `expected` files, about.
  Search(Database& database, const Maildir& maildir, MailboxId mailbox, MarkedFiles marked,
         std::size_t expected);

  // Goes past `at_most` files or rows. True: there is more.
  Result<bool> step(std::size_t at_most);
  // When there is no more.
  Differences take();

 private:
  // Counts down.
  Result<void> list(std::size_t& at_most);
  Result<void> compare(std::size_t at_most);
  void judge(MessageState state, std::int64_t id, const std::string& path);

  Index index_;
  const Maildir& maildir_;
  const MailboxId mailbox_;
  const MarkedFiles marked_;
  std::size_t place_ = 0;  // of the folder that is read, then of the state whose rows are compared
  std::optional<FolderNames> names_;
  bool listed_ = false;
  std::int64_t after_ = 0;  // the last row of this state
  PathSet paths_;
  Differences found_;
};

}  // namespace mailstead
