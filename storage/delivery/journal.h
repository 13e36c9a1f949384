// The journal: mail that has just come, in the order in which it came, in files that are only appended to.
//
// One write and one flush make a whole batch durable. A record stands for itself: a hash tells whether all of
// it is there, and a lap, which grows with each beginning of a file by a step that nobody knows, tells it
// from what an earlier use of the same file left behind it, and from a record that somebody has put into a
// message. So a crash may cut the last append anywhere, and a disk may lose a part of a file: replay() finds
// the rest. What a record says is the caller's (arrivals.h); what is in the journal and has neither a row nor
// a file yet holds the file it is in, and a file that nobody holds is used anew, or goes. One in which
// something is damaged is kept for people, as journal/N.damaged-TIME.
//
// Layout: journal/N, records (journal_records.h) one after the other.
// Ownership: the folder's descriptor is the caller's. Threads: one at a time; read_journal() any.
// Errors: of files. After one of append() nothing of that batch counts, and nothing follows it in its file:
// whether it is on the disk can be asked only once. A start may still find some of its records, each whole
// and once.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/delivery/journal_records.h"
#include "storage/files.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead {

// Where octets are; file 0: nowhere in the journal.
struct JournalPlace {
  std::uint32_t file = 0;
  std::uint64_t at = 0;

  bool operator==(const JournalPlace&) const = default;
};

// Behind a record: all before it is dealt with.
struct JournalPosition {
  std::uint64_t lap = 0;
  std::uint64_t at = 0;

  auto operator<=>(const JournalPosition&) const = default;
  std::string text() const;
  static JournalPosition of_text(std::string_view text);  // the beginning, when it is none
};

// The octets of this hash. Of a file that may be in use by its owner meanwhile, too. kNotFound; kCorrupt:
// they are not there as they came.
Result<std::string> read_journal(int folder, JournalPlace place, std::size_t octets, const ContentHash& hash);

class Journal {
 public:
  static constexpr std::size_t kHeadOctets = JournalRecords::kHeadOctets;
  // A batch is never split; the last one may go beyond it.
  static constexpr std::uint64_t kFileOctets = 64u << 20;

  // What is in the folder stays as it is, and is on the disk then: an earlier owner may have ended before
  // that. `dealt_with`: see replay(). What a disk cannot read, or write, is no error but damage().
  static Result<std::unique_ptr<Journal>> open(int folder, JournalPosition dealt_with);

  struct Record {
    std::string_view octets;
    JournalPlace place;  // of the octets
    JournalPosition end;
  };
  // Those behind the position, the oldest first, before anything is appended. An error of `take` ends it.
  Result<void> replay(JournalPosition dealt_with, const std::function<Result<void>(const Record&)>& take);
  // What open(), replay() and read() have come upon, of each file that reclaim() has not put aside.
  struct Damage {
    std::uint64_t unreadable = 0;  // octets
    bool is_unwritable = false;    // what an earlier owner had written may not be on the disk
    std::uint64_t unknown = 0;     // octets in front of a record that are none: maybe an append that was cut
  };
  const std::map<std::uint32_t, Damage>& damage() const { return damage_; }

  struct Appended {
    std::vector<JournalPlace> places;  // of each record's octets
    JournalPosition end;
  };
  // Durable on return, all of them. Each holds its file once.
  Result<Appended> append(std::span<const std::string> records);

  // As read_journal(). kCorrupt is remembered as damage().
  Result<std::string> read(JournalPlace place, std::size_t octets, const ContentHash& hash);
  // What is there, whatever it is: of this message perhaps a part, or another's.
  Result<std::string> read_whatever(JournalPlace place, std::size_t octets) const;

  // Would the next start find this file, or has somebody removed or replaced it? read() has its octets until
  // it is closed.
  bool will_be_found(std::uint32_t file) const;
  // False: somebody has removed the folder, and every append fails.
  bool is_usable() const;
  // Files that messages are said to be in, and that are not there.
  std::vector<std::uint32_t> missing() const;

  // Messages that need the file: one more, one less.
  void hold(std::uint32_t file);
  void release(std::uint32_t file);
  // Is there a file that is to be used anew, or to go? Before reclaim() the database has to be durable as it
  // is: a position, or a place in it that is of yesterday, would be read as today's.
  bool has_free() const;
  enum class Keep { kOne, kNone };  // to be used anew
  void reclaim(Keep keep = Keep::kOne);

  std::size_t files() const { return files_.size(); }

 private:
  struct File {
    FileHandle handle = {};    // none: the file is not there, and its number is not given again
    std::uint64_t lap = 0;     // 0: not known
    std::uint64_t end = 0;     // 0: nothing is in it, whatever it holds
    std::uint64_t octets = 0;  // on the disk
    std::size_t holds = 0;
  };

  explicit Journal(int folder) : folder_(folder) {}

  Result<void> learn_lap(std::uint32_t number, File& file, JournalPosition dealt_with);
  Result<void> replay_file(std::uint32_t number, const File& file, JournalPosition dealt_with,
                           const std::function<Result<void>(const Record&)>& take);
  Result<std::uint32_t> file_for(std::uint64_t octets);
  Result<std::uint32_t> make_file();
  void give_up(std::uint32_t number);
  Result<int> open_file_of(JournalPlace place) const;

  int folder_;
  std::map<std::uint32_t, File> files_;
  std::uint32_t active_ = 0;  // 0: none
  std::uint64_t lap_ = 0;     // the newest
  std::map<std::uint32_t, Damage> damage_;
};

}  // namespace mailstead
