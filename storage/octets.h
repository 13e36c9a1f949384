// Numbers and texts as octets and back, for what we write to the disk ourselves: little endian, a text with
// its length in front. A reader that meets the end before its time is not good from then on, and reads
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mailstead {

class OctetWriter {
 public:
  void reserve(std::size_t octets) { octets_.reserve(octets); }
  void number(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) octets_ += static_cast<char>(value >> shift & 0xff);
  }
  void text(std::string_view text) {
    number(text.size());
    append(text);
  }
  void append(std::string_view octets) { octets_ += octets; }  // without its length
  const std::string& octets() const { return octets_; }
  std::string take() { return std::move(octets_); }

 private:
  std::string octets_;
};

class OctetReader {
 public:
  explicit OctetReader(std::string_view octets) : octets_(octets) {}

  std::uint64_t number() {
    const std::string_view eight = take(8);
    std::uint64_t value = 0;
    for (std::size_t i = eight.size(); i > 0; --i)
      value = value << 8 | static_cast<unsigned char>(eight[i - 1]);
    return value;
  }
  std::string_view text() { return take(number()); }
  std::string_view take(std::uint64_t octets) {
    if (octets > octets_.size() - at_) is_good_ = false;
    if (!is_good_) return {};
    const auto taken = octets_.substr(at_, static_cast<std::size_t>(octets));
    at_ += static_cast<std::size_t>(octets);
    return taken;
  }
  std::size_t at() const { return at_; }  // read so far
  bool is_good() const { return is_good_; }

 private:
  std::string_view octets_;
  std::size_t at_ = 0;
  bool is_good_ = true;
};

}  // namespace mailstead
