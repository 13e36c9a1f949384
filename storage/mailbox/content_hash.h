// A hash of all of a message's octets, to tell a file that has changed from one that has not: XXH3 with 128
// bits. It is quick, finds what disks and other programs do to a file, and withstands nobody who wants to
// forge one.
//
// Threads: one at a time for each hasher.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mailstead {

// As the index keeps it. Of 2^128 values one is taken for "not known".
struct ContentHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  bool is_known() const { return high != 0 || low != 0; }
  bool operator==(const ContentHash&) const = default;

  // 16 octets, or none when it is not known; and back: what has another length is not known.
  std::string octets() const;
  static ContentHash of_octets(std::string_view octets);
};

class ContentHasher {
 public:
  ContentHasher();
  ~ContentHasher();
  ContentHasher(ContentHasher&&) noexcept;
  ContentHasher& operator=(ContentHasher&&) noexcept;

  void add(std::string_view bytes);
  ContentHash value() const;  // of all that was added

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of octets that are all in memory.
ContentHash content_hash(std::string_view bytes);

}  // namespace mailstead
