// Writes a message as RETR and TOP send it: dots stuffed (RFC 1939 3), a final CRLF, the ending dot, and for
// TOP no more than the header and the wanted lines of the body (RFC 1939 7).
//
// A dot is stuffed wherever some client may see a line begin: behind every LF, also a lone one, which only a
// file that another tool has put into a maildir can hold. A lone CR begins a line for nobody.
//
// Memory: what is written to the caller's string. Time: linear. Works across any split. Threads: one at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

enum class DotStuffing {
  kNeeded,
  kNotNeeded,  // no line of this message begins with a dot
};

class DotWriter {
 public:
  // `body_lines`: as in TOP; without it the whole message.
  explicit DotWriter(DotStuffing stuffing, std::optional<std::uint64_t> body_lines = std::nullopt);

  // The next piece of the message. What TOP does not want of it is left out.
  void write(std::string_view piece, std::string& out);
  // No more pieces: writes the missing CRLF, if it is, and the line with the dot.
  void finish(std::string& out);

  // TOP has all that it wants; more pieces would be ignored.
  bool complete() const { return complete_; }

 private:
  std::size_t count_lines(std::string_view piece);
  void end_line();
  void stuff(std::string_view piece, std::string& out);

  DotStuffing stuffing_;
  std::optional<std::uint64_t> body_lines_;  // still wanted
  bool complete_ = false;
  bool in_header_ = true;
  bool line_is_blank_ = true;  // nothing in this line of the header but perhaps one CR
  bool line_has_cr_ = false;
  bool at_line_start_ = true;
  bool ends_with_crlf_ = true;  // an empty message has its CRLF: that of the +OK line
  bool last_was_cr_ = false;
};

}  // namespace mailstead
