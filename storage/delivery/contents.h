// Bytes of small messages that have no file, for as long as that is worth it.
//
// Mail of the queue has mostly left within seconds, and never gets a file: its bytes are in the database,
// part of the commit that takes the message in (QueueContents). Mail of a mailbox is in the journal until it
// gets its file, within a moment (MailContents, journal.h, filing.h), or where the queue had a part in its
// commit in the database, too. All is bounded. Memory: some 80 octets for each message. Threads: the storage
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/delivery/journal.h"
#include "storage/queue/queue.h"

namespace mailstead {

class Contents {
 public:
  using Clock = std::chrono::steady_clock;
  using Row = std::int64_t;

  // A larger message has a file from the start.
  static constexpr std::uint64_t kMostOfOne = 128u << 10;

  // The journal's files are let go of.
  ~Contents();
  Contents(const Contents&) = delete;
  Contents& operator=(const Contents&) = delete;

  // What an earlier program left here; it counts as old.
  Result<void> load();
  // Is there room in the database for so many messages of so many octets together? A message beyond it has a
  // file from the start.
  bool has_room(std::size_t messages, std::uint64_t octets) const;

  // In the caller's transaction.
  Result<void> insert(Row message, std::string_view head, std::string_view rest);
  Result<void> erase(Row message);
  // What has become of it, after the commit.
  void keep(Row message, std::uint64_t octets, MailboxId mailbox = 0, std::uint32_t file = 0);
  // False: it was not here.
  bool forget(Row message);
  // It could not be moved into a file: it counts as new.
  void postpone(Row message);

  bool holds(Row message) const { return kept_.contains(message); }
  bool is_in_journal(Row message) const;
  // False: its bytes are in a file of the journal that the next start would not find.
  bool is_lasting(Row message) const;
  MailboxId mailbox_of(Row message) const;  // 0: it is not here
  std::size_t size() const { return kept_.size(); }
  std::uint64_t octets() const { return octets_; }
  // kNotFound: it is not here. kCorrupt: what is here is not it.
  Result<std::string> read(Row message);
  // What is at its place in the journal, whatever it is. kNotFound: nothing.
  Result<std::string> read_whatever(Row message);
  // Those that came before `until`, the oldest first.
  std::vector<Row> before(Clock::time_point until, std::size_t at_most,
                          const std::unordered_set<Row>& except = {}) const;
  // All of one mailbox, likewise.
  std::vector<Row> of(MailboxId mailbox) const;

 protected:
  // Literals: statements are kept by them.
  struct Table {
    std::string_view load;  // row, octets, mailbox, file of the journal
    std::string_view insert;
    std::string_view erase;
    std::string_view read;  // bytes, or file, place, octets, hash
  };
  struct Limits {
    std::size_t messages;
    std::uint64_t octets;
  };
  // `journal` may be null.
  Contents(Database& database, Journal* journal, const Table& table, Limits limits)
      : database_(database), journal_(journal), table_(table), limits_(limits) {}

  Database& database_;
  Journal* journal_;

 private:
  struct Kept {
    std::uint64_t octets;
    Clock::time_point since;
    MailboxId mailbox;
    std::uint32_t file;  // of the journal; 0: in the database
  };

  // Where a message is: `bytes` when it is in the database, else the place in the journal.
  struct Found {
    std::string bytes = {};
    JournalPlace place = {};
    std::size_t octets = 0;
    ContentHash hash = {};
  };
  Result<Found> find(Row message);

  const Table& table_;
  const Limits limits_;
  std::map<Row, Kept> kept_;
  std::uint64_t octets_ = 0;
  Limits in_database_ = {};  // what is there
};

class QueueContents : public Contents {
 public:
  static constexpr std::size_t kMostMessages = 8192;
  static constexpr std::uint64_t kMostOctets = 32u << 20;

  explicit QueueContents(Database& database);

 private:
  static const Table kTable;
};

class MailContents : public Contents {
 public:
  static constexpr std::size_t kMostMessages = 16'384;
  static constexpr std::uint64_t kMostOctets = 64u << 20;
  // In the journal: what a flood may bring before its senders are held back to what files cost. It needs the
  // disk's room and 80 MB of memory then.
  static constexpr std::size_t kMostInJournal = 1'000'000;
  static constexpr std::uint64_t kMostOctetsInJournal = 4ull << 30;

  MailContents(Database& database, Journal& journal);

  // Is there room in the journal for so many messages of so many octets, with those that have no row yet?
  bool has_room_in_journal(std::size_t messages, std::uint64_t octets) const;
  // In the caller's transaction: its bytes are there.
  Result<void> insert_place(Row message, JournalPlace place);

 private:
  static const Table kTable;
};

}  // namespace mailstead
