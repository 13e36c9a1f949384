// Bytes of small messages of the queue, in the database for as long as that is worth it.
//
// Nearly all mail leaves within seconds. A file for it would cost a create, a sync, a rename and an unlink
// each; here its bytes are part of the commit that queues it, and go with the one that finishes it. What
// stays longer is moved into a file (queue_file.h), so that the database stays small, and a lost one costs
// nobody a message that has waited for a few minutes.
// Memory: some 60 octets for each message. Threads: the storage thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/database.h"
#include "storage/queue.h"

namespace mailstead {

class QueueContents {
 public:
  using Clock = std::chrono::steady_clock;

  // So much is here at a time; a message beyond it has a file from the start.
  static constexpr std::uint64_t kMostOctets = 32u << 20;
  static constexpr std::size_t kMostMessages = 8192;
  static constexpr std::uint64_t kMostOfOne = 128u << 10;

  explicit QueueContents(Database& database) : database_(database) {}

  // What an earlier program left here; it counts as old.
  Result<void> load();
  // Is there room for so many messages of so many octets together?
  bool has_room(std::size_t messages, std::uint64_t octets) const;

  // In the caller's transaction.
  Result<void> insert(QueueRow message, std::string_view head, std::string_view rest);
  Result<void> erase(QueueRow message);
  // What has become of it, after the commit.
  void keep(QueueRow message, std::uint64_t octets);
  // False: it was not here.
  bool forget(QueueRow message);
  // It could not be moved into a file: it counts as new.
  void postpone(QueueRow message);

  bool holds(QueueRow message) const { return kept_.contains(message); }
  // kNotFound: it is not here.
  Result<std::string> read(QueueRow message);
  // Those that came before `until`, the oldest first.
  std::vector<QueueRow> before(Clock::time_point until, std::size_t at_most) const;

 private:
  struct Kept {
    std::uint64_t octets;
    Clock::time_point since;
  };

  Database& database_;
  std::map<QueueRow, Kept> kept_;
  std::uint64_t octets_ = 0;
};

}  // namespace mailstead
