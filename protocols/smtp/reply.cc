#include "protocols/smtp/reply.h"

#include <fmt/format.h>

#include "protocols/ascii.h"

namespace mailstead {

std::string Reply::wire() const {
  std::string line = fmt::format("{} ", code);
  if (!enhanced.empty()) {
    line += enhanced;
    line += ' ';
  }
  // RFC 5321 4.2: textstring is printable ASCII. What is not would let a text become a second reply.
  for (const char c : text) line += ascii::is_printable(c) ? c : '?';
  line += "\r\n";
  return line;
}

}  // namespace mailstead
