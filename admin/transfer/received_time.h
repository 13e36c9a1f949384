// When a message came to its mailbox, by its own words: the date of the topmost Received field, else Date.
//
// Threads: one at a time. Memory: at most kMostHeader octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::admin {

class ReceivedTime {
 public:
  static constexpr std::size_t kMostHeader = 64u << 10;

  void add(std::string_view bytes) {
    if (header_.size() < kMostHeader) header_.append(bytes.substr(0, kMostHeader - header_.size()));
  }
  // Unix seconds; nullopt: it does not say, or says a time before 1980.
  std::optional<std::int64_t> value() const;

 private:
  std::string header_;  // the beginning of the message
};

// "Tue, 1 Jul 2003 10:52:37 +0200 (CEST)", RFC 5322 3.3, day of the week and seconds optional; Unix seconds.
std::optional<std::int64_t> mail_date(std::string_view text);

}  // namespace mailstead::admin
