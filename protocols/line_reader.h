// Cuts a stream into command lines: RFC 5321 2.3.8 and 4.1.1, RFC 1939 3. Only CRLF ends a good line.
//
// Memory: at most the limit. Time: linear. Threads: one at a time. What is wrong with a line is a value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mailstead {

enum class LineEvent {
  kIncomplete,   // all was consumed, the line goes on
  kLine,         // line() is good
  kBareNewline,  // the line ended in a lone LF, or a lone CR stood in it
  kNul,          // there was a NUL in it
  kTooLong,      // the limit was reached; the rest of the line will be thrown away without another event
};

class LineReader {
 public:
  // `limit`: octets of a line with its CRLF.
  explicit LineReader(std::size_t limit) : limit_(limit) {}

  // Reads to the end of one line at most, and sets `consumed`.
  LineEvent read(std::string_view bytes, std::size_t& consumed);

  // After kLine: the line without its CRLF, good until the next read().
  std::string_view line() const { return std::string_view(buffer_).substr(0, buffer_.size() - 2); }

  // After kBareNewline and kNul: the line as it came, good until the next read(); after kTooLong its
  // beginning.
  std::string_view bad_line() const { return buffer_; }

  // From the next line on.
  void set_limit(std::size_t limit) { limit_ = limit; }

 private:
  LineEvent judge() const;

  std::size_t limit_;
  std::string buffer_;
  bool complete_ = false;  // buffer_ holds a line that was handed out
  bool skipping_ = false;  // within a line that was too long
};

}  // namespace mailstead
