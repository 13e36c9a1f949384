// Mail that has just come: durable in the journal, and in the index a moment later.
//
// A record of the journal is a message whole: what its rows say, and its octets. The rows of many messages
// then go into the index together, which costs a part of what each for itself would, and waits for no flush:
// a start takes them in again from the journal, behind the position that the same transaction notes. Until
// they have rows nobody has seen them: whatever asks the database anything takes them in first
// (Database::defer()), but for another process, which reads what was there a moment ago.
//
// Ownership: all of it outlives this. Threads: the storage thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "protocols/result.h"
#include "storage/database/database.h"
#include "storage/database/index.h"
#include "storage/delivery/contents.h"
#include "storage/delivery/journal.h"
#include "storage/folder.h"

namespace mailstead {

// In meta: JournalPosition::text(). Records before it have their rows, or are nobody's.
inline constexpr std::string_view kJournalKey = "journal";

// A copy of a message for a mailbox.
struct Arrival {
  MessageRow row;              // its id is the index's to give
  std::string address;         // key of its mailbox, for an index that has given it another id
  std::string_view head = {};  // of its octets, which are one after the other
  std::string_view rest = {};
};

// The copies of one message; all of them are there, or none is.
std::string arrivals_record(std::span<const Arrival> copies);
// Of copies without their octets, each with its place within the record; nullopt: it is none of ours.
struct ReadArrival {
  Arrival arrival;
  std::uint64_t at = 0;
};
std::optional<std::vector<ReadArrival>> read_arrivals(std::string_view record);

class Arrivals {
 public:
  Arrivals(DataFolder& folder, Database& database, MailContents& contents, Journal& journal)
      : folder_(folder), database_(database), contents_(contents), journal_(journal) {}
  // Before the database's. What has no row yet is in the journal.
  ~Arrivals() { database_.defer(nullptr); }
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  // Makes these messages durable, all or none. They have their rows with the next write_rows().
  Result<void> take(std::span<const std::vector<Arrival>> messages);
  // None while rows cannot be written, or might not be on a full disk: who cannot show mail to anybody is not
  // to promise more of it.
  bool has_room(std::size_t messages, std::uint64_t octets) const {
    return !failing_ && folder_.holds_reserve() &&
           contents_.has_room_in_journal(waiting() + messages, octets_ + octets);
  }
  // Copies without a row.
  std::size_t waiting() const { return coming_.size() + (writing_ ? writing_->rows.size() : 0); }
  // Of a mailbox, those of which the database does not know anything yet, also while it commits others.
  std::uint64_t octets_to_come(MailboxId mailbox) const;
  // Is one of them of this message?
  bool holds(const std::string& message) const { return ids_.contains(message); }

  // All of them get their rows; on an error none does, and they go on waiting. On a full disk the reserve is
  // given up for them. kCorrupt: the index refuses one of which it has no row.
  Result<void> write_rows();
  // A part of that, which holds up nobody for long: it takes what waits now, or goes on with it, and writes
  // so many rows. True: that was not all. Who asks the database anything has the rest written first.
  Result<bool> write_some_rows(std::size_t at_most);
  // After a crash: those that the journal has behind the noted position. `mailbox_of` finds a mailbox by its
  // id and its address; mail of one that is gone, 0, goes with it. What has a row already, because its file
  // was found first, has its file written once more: nobody knows whether it was whole. How many are new.
  using FindMailbox = std::function<MailboxId(MailboxId, const std::string& address)>;
  Result<std::size_t> replay(const FindMailbox& mailbox_of);
  // Files of the journal that nobody needs any more are used anew, or go.
  Result<void> reclaim();

 private:
  struct Coming {
    MessageRow row;
    JournalPlace place;
  };

  // Rows that are being written, in a transaction that stays open meanwhile.
  struct Writing {
    std::vector<Coming> rows;
    JournalPosition end;
    std::size_t at = 0;  // those before it are written
    std::unordered_map<MailboxId, std::int64_t> last_deliveries;
    std::optional<Transaction> transaction;
  };

  void expect_rows();
  Result<bool> write_on(std::size_t at_most);
  Writing begin_rows();
  Result<void> insert_rows(Writing& writing, std::size_t at_most);
  Result<bool> insert_row(Coming& coming);
  void written(const Writing& all);
  Result<void> renew_row(Coming& coming);

  DataFolder& folder_;
  Database& database_;
  MailContents& contents_;
  Journal& journal_;
  std::vector<Coming> coming_;
  std::unordered_map<MailboxId, std::uint64_t> coming_octets_;
  JournalPosition end_;  // of them
  std::optional<Writing> writing_;
  // Of both.
  std::uint64_t octets_ = 0;
  std::unordered_set<std::string> ids_;  // of their messages
  bool replaying_ = false;
  bool failing_ = false;
};

}  // namespace mailstead
