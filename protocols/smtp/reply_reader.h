// Reads the replies of an SMTP server: RFC 5321 4.2 (codes, several lines) and 4.2.1, RFC 2034 (enhanced
// status codes).
//
// Strict where two readers could understand two things: a code has three digits and begins with 2 to 5, all
// lines of a reply have the same. Tolerant where servers in the wild are careless and nothing hangs on it: a
// line may end in a lone LF (no reply can be hidden behind one: that line has to be a reply itself), a last
// line may have no text, and the text may hold anything.
//
// Memory: at most kMaxReply octets of one reply. Time: linear. Works across any split. Threads: one at a
// time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

inline constexpr std::size_t kMaxReplyLine = 4096;   // octets; RFC 5321 4.5.3.1.5 wants 512
inline constexpr std::size_t kMaxReplyLines = 1000;  // of one reply
inline constexpr std::size_t kMaxReply = 64 * 1024;  // octets of one reply
inline constexpr std::size_t kMaxReplyText = 1000;   // octets of RemoteReply::text

// What another server has said, or in its place what we say of it.
struct RemoteReply {
  int code = 0;          // 0: the words are ours, for it has said nothing, or nothing that is a reply
  std::string enhanced;  // "5.1.1"; of a server's reply only if it agrees with the code; empty: none
  std::string text;      // UTF-8 in one line without control characters, at most kMaxReplyText octets

  bool is_ours() const { return code == 0; }
  // "550 5.1.1 No such user"
  std::string line() const;

  bool operator==(const RemoteReply&) const = default;
};

// Anything as text of a RemoteReply: control characters become blanks, octets that are not UTF-8 "?".
std::string printable(std::string_view text);

class ReplyReader {
 public:
  enum class Event {
    kIncomplete,  // all was consumed, the reply goes on
    kReply,       // reply() and lines() are good
    kNoReply,     // what came is no reply, or there is no end to it: why(). Nothing can be read behind it.
  };

  // Reads to the end of one reply at most, and sets `consumed`.
  Event read(std::string_view bytes, std::size_t& consumed);

  // After kReply, until the next read().
  RemoteReply reply() const;
  int code() const { return code_; }
  // What stands behind the code and its blank or hyphen, as it came.
  const std::vector<std::string>& lines() const { return lines_; }

  // After kNoReply: fit for a log, with a part of what came.
  const std::string& why() const { return why_; }

 private:
  Event end_line();
  Event fail(std::string_view why);

  std::string line_;
  std::vector<std::string> lines_;
  std::size_t octets_ = 0;
  int code_ = 0;
  bool complete_ = false;  // a reply was handed out
  std::string why_;
};

}  // namespace mailstead
