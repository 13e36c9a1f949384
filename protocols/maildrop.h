// What a POP3 session knows of its maildrop: RFC 1939 section 4 (the state at login), 7 (UIDL), 11 (sizes).
// Plain values; shared read-only between threads.
#pragma once

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
};

// Message n of the session is entry n - 1; the order never changes during a session.
using MaildropSnapshot = std::vector<MaildropEntry>;

}  // namespace mailstead
