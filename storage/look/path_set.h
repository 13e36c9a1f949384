// The paths of a maildir's files, compact: a large mailbox has a million of them, and they are in memory all
// at once while it is searched. About 16 octets for each path, and its own.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

class PathSet {
 public:
  // Room for so many; more are welcome, at the price of a pause.
  explicit PathSet(std::size_t expected = 0);

  // Of at most 65,535 octets.
  void add(std::string_view path);
  // False: it is not there. Otherwise it is no more.
  bool take(std::string_view path);
  // What was not taken, in the order of add().
  std::vector<std::string> left() const;

 private:
  // Of an entry: whether it is taken, two octets of length, the path.
  static constexpr std::size_t kHead = 3;

  std::string_view path_at(std::size_t place) const;
  // The slot of the path, or the free one where it belongs.
  std::size_t slot_of(std::string_view path) const;
  void grow();

  std::string entries_;
  std::vector<std::uint64_t> slots_;  // places in entries_ by hash, counted from 1; 0: free. A power of two.
  std::size_t count_ = 0;
};

}  // namespace mailstead
