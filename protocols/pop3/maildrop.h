// What a POP3 session knows of its maildrop: RFC 1939 section 4 (the state at login), 7 (UIDL), 11 (sizes).
//
// The totals are there from the login on. The messages come in pages, when a command needs one: a session of
// a very large maildrop holds a page of it, and one that only asks STAT none. Message n is the n-th of all
// pages laid end to end; neither order nor content changes during a session. Plain values; pages are shared
// read-only between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mailstead {

// What the header fields of a message hold, those of its parts included: see surrogate.h.
enum class HeaderText : std::uint8_t {
  kAscii,    // every client can be sent it as it is
  kUtf8,     // in UTF-8 mode it is sent as it is, else its surrogate
  kUnknown,  // nobody has looked yet: the surrogate of what may need none
};

struct MaildropEntry {
  std::uint64_t size = 0;     // octets as sent: CRLF line ends, before dot-stuffing (RFC 1939 11)
  std::string uidl;           // 1 to 70 characters of 0x21 to 0x7E (RFC 1939 7)
  bool has_dot_lines = true;  // a dot is its first octet or follows an LF; false lets RETR skip stuffing
  HeaderText header = HeaderText::kAscii;
  std::int32_t surrogate_growth = 0;  // kUtf8: octets that the surrogate has more than the message, or fewer
  std::int64_t key = 0;               // what the store calls the message; means nothing to the session
};

using MaildropPage = std::vector<MaildropEntry>;

// Entries in each page but the last.
inline constexpr std::size_t kMaildropPage = 1024;

struct MaildropTotals {
  std::size_t messages = 0;
  std::uint64_t octets = 0;           // the sum of all sizes
  std::int64_t surrogate_growth = 0;  // likewise
  std::size_t page = kMaildropPage;   // entries in each page but the last; not 0

  // Entries of page `number`.
  std::size_t entries_in(std::size_t number) const {
    const std::size_t first = number * page;
    return first >= messages ? 0 : (messages - first < page ? messages - first : page);
  }
  friend bool operator==(const MaildropTotals&, const MaildropTotals&) = default;
};

}  // namespace mailstead
