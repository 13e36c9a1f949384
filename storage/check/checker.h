// Looks through a data folder beside the store that owns it, and says what it suspects.
//
// It reads the database by a connection of its own, a page at a time, and the files as they are, so that the
// server goes on; and changes nothing. Whatever it finds may have been overtaken meanwhile: Store::judge()
// looks at it anew. Memory: 8 octets for each message of the largest mailbox, and a page.
// Threads: one. Errors: those of database.h and files.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/result.h"
#include "storage/check/check.h"
#include "storage/database/database.h"
#include "storage/folder.h"
#include "storage/mailbox/maildir.h"
#include "storage/queue/queue.h"

namespace mailstead {

class Checker {
 public:
  // Of a folder that a store has open.
  static Result<std::unique_ptr<Checker>> open(const std::string& data);

  // The database itself: pages, indexes, references. A sentence for each finding, at most 100.
  Result<std::vector<std::string>> check_database();

  struct Mailbox {
    MailboxId id = 0;
    Address address;
    std::uint64_t messages = 0;  // about: for who wants to know how far it is
  };
  Result<std::vector<Mailbox>> mailboxes();

  struct Options {
    std::uint64_t read_one_in = 1;  // of so many messages one is read whole, by chance; 1: all
    std::uint64_t seed = 0;         // of the chance
  };
  struct Found {
    std::vector<Suspicion> suspicions;
    std::vector<LearntHash> learnt;
    std::uint64_t rows = 0;    // that were looked at
    std::uint64_t files = 0;   // of these, read whole
    std::uint64_t octets = 0;  // of these
  };
  // The messages of a mailbox, a page of them at each call. False: there are no more.
  Result<bool> check_messages(const Mailbox& mailbox, const Options& options, Found& found);
  // The files of the mailbox that check_messages() has just come to the end of, of which no row told.
  Result<void> check_files(const Mailbox& mailbox, Found& found);
  Result<void> check_totals(Found& found);
  Result<void> check_queue(Found& found);
  // Names in the data folder and mail/ that are none of ours, and what lies there for people: a sentence
  // each.
  Result<std::vector<std::string>> check_folders();

 private:
  explicit Checker(std::unique_ptr<DataFolder> folder) : folder_(std::move(folder)) {}

  struct Row;
  Result<std::vector<Row>> page(MailboxId mailbox, std::int64_t state);
  Result<void> check_row(const Row& row, const Maildir& maildir, const Options& options, Found& found);
  Result<void> check_bytes(const Row& row, Found& found);
  Result<void> check_names(const Maildir& maildir, std::string_view place, MailboxId mailbox, Found& found);
  Result<void> check_queue_files(Found& found);

  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<Database> database_;
  // In the mailbox under way: whose turn it is, the row that was looked at last, and hashes of the base names
  // that rows told of.
  std::size_t state_ = 0;
  std::int64_t after_ = 0;
  std::vector<std::uint64_t> names_;
};

}  // namespace mailstead
