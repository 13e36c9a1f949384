// The SMTP commands and what holds for each before its handler runs. Private to protocols/.
#pragma once

#include <string_view>

namespace mailstead {

class SmtpCore;
struct SmtpServiceRules;

enum class SmtpRule : unsigned {
  kNone = 0,
  kNeedsGreeting = 1,  // 503 before HELO or EHLO, RFC 5321 4.1.4
  kNoArgument = 2,     // 501 with one
  kEndsPipeline = 4,   // input behind it in the same packet: 554 and close, RFC 2920 3.1, RFC 3207 4.2
  kNeedsArgument = 8,  // 501 without
  kNotByLmtp = 16,     // unknown there, RFC 2033 4.1
  kByLmtpOnly = 32,    // unknown elsewhere
};

constexpr SmtpRule operator|(SmtpRule a, SmtpRule b) {
  return static_cast<SmtpRule>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

struct SmtpCommand {
  std::string_view name;  // upper case
  void (SmtpCore::*run)(std::string_view argument);
  SmtpRule rules = SmtpRule::kNone;

  bool has(SmtpRule rule) const { return (static_cast<unsigned>(rules) & static_cast<unsigned>(rule)) != 0; }
};

// nullptr: unknown to such a service. Names are compared without regard to case, RFC 5321 2.4.
const SmtpCommand* find_smtp_command(std::string_view name, const SmtpServiceRules& rules);

}  // namespace mailstead
