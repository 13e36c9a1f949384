// An SMTP reply: RFC 5321 4.2 (codes, text lines), RFC 2034 and 3463 (enhanced status codes).
// Plain value; any thread.
#pragma once

#include <string>
#include <string_view>

namespace mailstead {

struct Reply {
  int code = 0;
  std::string_view enhanced;  // "2.1.0", or empty where RFC 2034 has none (greeting, EHLO, 354)
  std::string text;           // one line of printable text, no CR or LF

  // "250 2.1.0 OK\r\n"
  std::string wire() const;
};

}  // namespace mailstead
