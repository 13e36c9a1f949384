// Records in a file of the journal (journal.h), as they are written, and as they are found again, also in a
// file of which a disk has lost a part.
//
// A record is a head of kHeadOctets (magic, lap, octets, hash; little endian) and its octets.
// Ownership: the descriptor is the caller's. Threads: one at a time. Errors: of files, but for what the disk
// cannot read: NULs are in its place, and it is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/result.h"
#include "storage/octets.h"

namespace mailstead {

class JournalRecords {
 public:
  static constexpr std::size_t kHeadOctets = 40;
  // What a reclaimed file begins with.
  static constexpr std::string_view kNoHead{"\0\0\0\0\0\0\0\0", 8};

  static void write(OctetWriter& into, std::uint64_t lap, std::string_view octets);

  // Of a file of `end` octets, from `at` on, read in pieces of so many octets.
  JournalRecords(int fd, std::uint64_t at, std::uint64_t end, std::size_t piece = 4u << 20)
      : fd_(fd), at_(at), end_(end), together_(piece) {}

  std::uint64_t at() const { return at_; }
  std::string_view octets() const { return std::string_view(piece_).substr(skipped_); }  // from at() on
  std::uint64_t unreadable() const { return unreadable_; }                               // so far

  // Of the head that is here, whether its record is whole or not; nullopt: there is none.
  Result<std::optional<std::uint64_t>> lap();
  // The octets of the record of this lap that begins here, its head and all; 0: there is none.
  Result<std::size_t> record(std::uint64_t lap);
  // To the next record of this lap, here or behind. Its octets; 0: there is none up to the end.
  Result<std::size_t> find(std::uint64_t lap);
  void skip(std::size_t octets) {
    at_ += octets;
    skipped_ += octets;
  }

 private:
  Result<bool> have(std::size_t octets);
  Result<bool> skip_to_mark(const std::string& mark);

  int fd_;
  std::uint64_t at_;
  std::uint64_t end_;
  std::size_t together_;
  std::string piece_;
  std::size_t skipped_ = 0;  // of it
  std::uint64_t unreadable_ = 0;
};

}  // namespace mailstead
