// SASLprep, RFC 4013: names and passwords in the one form in which they are compared, however a keyboard or a
// program has composed their letters. Unicode 3.2, as the profile says (RFC 3454): blanks become U+0020, what
// cannot be seen goes, the rest is normalised by NFKC.
// Pure functions; any thread. Text in ASCII costs a look at its octets.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::saslprep {

// Octets. No name and no password that can be set is as long; the work grows with the square.
inline constexpr std::size_t kMaxText = 1024;

// RFC 3454 7: a character that Unicode 3.2 does not have, such as most emoji, may stand in what somebody
// says, and not in what is kept to compare it with, for a later Unicode may give it a second form.
enum class Use {
  kQuery,   // said at a login
  kStored,  // kept for later logins
};

// nullopt: not UTF-8, longer than kMaxText, prohibited (control characters, private use, right-to-left
// letters mixed with others: RFC 4013 2.3 to 2.5), or nothing is left of it, which is no name and no password
// (RFC 4616 2, RFC 5802 5.1).
std::optional<std::string> prepare(std::string_view text, Use use);

}  // namespace mailstead::saslprep
