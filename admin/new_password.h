// The password that a command gives to a mailbox: from the standard input, from a terminal, or a new one.
// Blocking, but for prepared_password(); the command line's process only: a server sees a password only where
// it comes from the administration page.
#pragma once

#include <string>
#include <string_view>

#include "protocols/result.h"

namespace mailstead::admin {

inline constexpr std::size_t kMaxPassword = 240;  // octets: with PASS and CRLF within a POP3 line, RFC 2449 4

enum class PasswordSource { kStandardInput, kTerminalOrNew };

struct NewPassword {
  std::string text;  // prepared by SASLprep: what is to be hashed
  bool generated = false;
};

// kInvalid: empty, too long, with control characters or others that cannot be prepared (saslprep.h), or not
// the same twice.
Result<NewPassword> new_password(PasswordSource source);
// One that somebody has chosen, in the form that is hashed. kInvalid as above.
Result<std::string> prepared_password(std::string_view password);

// A password that is for another server, as it is: from a terminal without echo; kInvalid: there is none.
Result<std::string> ask_secret(const std::string& question);
// The first line of the standard input.
Result<std::string> read_secret_line();

}  // namespace mailstead::admin
