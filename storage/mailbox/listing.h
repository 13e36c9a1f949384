// What mailboxes held at a moment, without reading them: the maildrops of POP3 sessions, RFC 1939 section 4.
//
// A listing is its totals, which the index keeps, and the id of the newest message: a login costs two
// look-ups, however many messages there are. Its messages are read from the index in pages, when a session
// needs one. That works while the index goes on saying what it said at the login: new messages stand behind
// the newest id, and whoever is about to change older ones calls before_change(), which first reads what a
// session may still need. So no session's numbers shift, and what is not needed is not read.
//
// Pages are kept for the next session, up to kMostListed entries in all; those of the mailboxes used longest
// ago go first, also from under a session, which reads them again. Only what before_change() read for a
// session stays until that ends. Threads: the storage thread, but for what is marked otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "protocols/pop3/maildrop.h"
#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/database/index.h"

namespace mailstead {

class Listing {
 public:
  Listing(MailboxId mailbox, const MaildropTotals& totals, std::int64_t newest);

  MailboxId mailbox() const { return mailbox_; }            // any thread
  const MaildropTotals& totals() const { return totals_; }  // any thread
  // Null: not in memory, Listings::read() gets it. Any thread.
  std::shared_ptr<const MaildropPage> page(std::size_t number) const;

 private:
  friend class Listings;

  void put(std::size_t number, std::shared_ptr<const MaildropPage> page);

  const MailboxId mailbox_;
  const MaildropTotals totals_;
  const std::int64_t newest_;         // id: rows behind it are not of this listing
  std::vector<std::int64_t> begins_;  // by page: the id behind which it begins; -1: not known
  mutable std::mutex mutex_;          // guards the rest
  std::vector<std::shared_ptr<const MaildropPage>> pages_;
};

class Listings {
 public:
  static constexpr std::size_t kMostListed = 256 * 1024;  // entries, about 80 octets each

  // Entries that are kept, and those in a page.
  explicit Listings(std::size_t most = kMostListed, std::size_t page = kMaildropPage)
      : most_(most), page_(page) {}

  // The mailbox as it is now, with these totals.
  Result<std::shared_ptr<Listing>> take(Database& database, MailboxId mailbox, const MailboxTotals& now);
  // kCorrupt: the index does not hold what it should, because the mailbox was removed.
  Result<std::shared_ptr<const MaildropPage>> read(Database& database, Listing& listing, std::size_t number);
  // Call it before messages that are there go, come back, or change what a session is told of them. On an
  // error they must stay as they are.
  Result<void> before_change(Database& database, MailboxId mailbox);
  // Instead of it when no session needs its listing any more.
  void forget(MailboxId mailbox);

 private:
  struct Kept {
    std::shared_ptr<Listing> listing;
    std::size_t entries = 0;                // in its pages
    std::list<MailboxId>::iterator in_use;  // its place in order_
  };

  Result<std::int64_t> find_begin(Database& database, Listing& listing, std::size_t number);
  void keep(std::shared_ptr<Listing> listing, std::size_t entries);
  void drop_pages(Kept& kept, const Listing* but_of, std::size_t number);
  void make_room(const Listing& for_whom, std::size_t number);

  const std::size_t most_;
  const std::size_t page_;
  std::size_t entries_ = 0;  // of all
  std::unordered_map<MailboxId, Kept> kept_;
  std::list<MailboxId> order_;  // the one used last at the end
};

}  // namespace mailstead
