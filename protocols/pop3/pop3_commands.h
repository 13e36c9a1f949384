// The POP3 commands and what holds for each before its handler runs. Private to protocols/.
#pragma once

#include <string_view>

namespace mailstead {

class Pop3Core;

enum class Pop3Rule : unsigned {
  kNone = 0,
  kBeforeLogin = 1,  // valid in AUTHORIZATION, RFC 1939 4
  kAfterLogin = 2,   // valid in TRANSACTION, RFC 1939 5
  kNoArgument = 4,
  kNeedsArgument = 8,
  kEndsPipeline = 16,  // input behind it in the same packet closes, RFC 2595 4
  kLongLine = 32,      // takes an address of the largest size, or a password
};

constexpr Pop3Rule operator|(Pop3Rule a, Pop3Rule b) {
  return static_cast<Pop3Rule>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

struct Pop3Command {
  std::string_view name;  // upper case
  void (Pop3Core::*run)(std::string_view argument);
  Pop3Rule rules = Pop3Rule::kNone;

  bool has(Pop3Rule rule) const { return (static_cast<unsigned>(rules) & static_cast<unsigned>(rule)) != 0; }
};

// nullptr: unknown. Names are compared without regard to case, RFC 1939 3.
const Pop3Command* find_pop3_command(std::string_view name);

}  // namespace mailstead
