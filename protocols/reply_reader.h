// The replies of a server that we are the client of (RFC 5321 4.2), from bytes in pieces of any size.
//
// What a server says is as much to be mistrusted as what a client says: lines, their number and their sum are
// bounded, and what goes on to logs and reports is one line of harmless characters. A line may end in a bare
// LF, as some servers' do; nothing of ours depends on it. Threads: one at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

struct ServerReply {
  int code = 0;                    // 0: there was no reply, the text is ours
  std::string enhanced;            // "5.1.1"; empty: none was told (RFC 2034)
  std::string text;                // all lines without code and enhanced code, at most kMaxReplyText octets
  std::vector<std::string> lines;  // each without its code, as they came

  bool is_positive() const { return code >= 200 && code < 300; }
  bool is_permanent() const { return code >= 500 && code < 600; }
  // "550 5.1.1 no such user"
  std::string words() const;
};

inline constexpr std::size_t kMaxReplyLine = 4096;   // octets; RFC 5321 4.5.3.1.5 has 512
inline constexpr std::size_t kMaxReply = 64 * 1024;  // octets of all its lines
inline constexpr std::size_t kMaxReplyText = 1000;   // octets

class ReplyReader {
 public:
  enum class Event { kMore, kReply, kBroken };

  // Consumes up to the end of a reply; `used` tells how much. kBroken: this is no SMTP, or too much of it.
  Event read(std::string_view bytes, std::size_t& used);
  // After kReply.
  ServerReply take();

 private:
  Event end_line();

  std::string line_;
  std::size_t octets_ = 0;
  ServerReply reply_;
};

// One line of printable text: control characters, and octets that are no UTF-8, become "?".
std::string harmless(std::string_view text, std::size_t at_most);

}  // namespace mailstead
