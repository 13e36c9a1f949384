// What people know a message by: sender, subject and date of its header, as text for a terminal.
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace mailstead::admin {

struct MessageHead {
  std::string from;
  std::string subject;
  std::string date;
};

// Octets of a message that hold its header as a rule.
inline constexpr std::size_t kHeadOctets = 16 * 1024;

// From the beginning of a message. Folded lines are joined (RFC 5322 2.2.3), encoded words decoded where
// their charset is UTF-8, US-ASCII or ISO-8859-1 (RFC 2047), and left as they are where it is another.
MessageHead read_head(std::string_view beginning);
std::string decode_words(std::string_view value);

}  // namespace mailstead::admin
