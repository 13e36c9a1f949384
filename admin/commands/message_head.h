// What people know a message by: sender, subject and date of its header, as text for a terminal.
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/origin/authentication_results.h"

namespace mailstead::admin {

struct MessageHead {
  std::string from;
  std::string subject;
  std::string date;
  std::vector<ToldResult> checks;  // what ours of its origin found, from Authentication-Results
  // From the trace lines on top: "<anna@remote.example>"; and by whom and how it came, "from
  // mx.remote.example ([192.0.2.1]) with ESMTPS (TLSv1.3)", the client's address left out where it was a
  // user's.
  std::string return_path;
  std::string came;
};

// Octets of a message that hold its header as a rule.
inline constexpr std::size_t kHeadOctets = 16 * 1024;

// From the beginning of a message. Folded lines are joined (RFC 5322 2.2.3), encoded words decoded where
// their charset is UTF-8, US-ASCII or ISO-8859-1 (RFC 2047), and left as they are where it is another.
// `host`: ours; it may have had another name when it wrote the trace line on top. Results of others are
// passed over.
MessageHead read_head(std::string_view beginning, std::string_view host);
std::string decode_words(std::string_view value);

// Does a field, or what a client said, name it: "Anna <anna@remote.example>", or the address alone? The case
// of letters makes no difference.
bool names_address(std::string_view text, const Address& address);

}  // namespace mailstead::admin
