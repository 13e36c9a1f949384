// Macros of SPF records (RFC 7208 7): what may be written, and what it becomes for one client.
//
// Input from anybody. Plain values, pure functions; any thread. Bounded: an expansion for a question has at
// most 253 octets, one for people at most kMaxSpfExplanation; neither holds much more on its way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/ip_address.h"

namespace mailstead {

// Octets. An explanation goes into a reply; a longer one is as good as none.
inline constexpr std::size_t kMaxSpfExplanation = 1000;

// Octets of a macro-string before its macros are expanded. Each of its macros costs as much work as its value
// is long, also where nothing of that is left; a longer one is an error in a record, and no explanation.
inline constexpr std::size_t kMaxSpfMacroString = 2048;

// RFC 7208 7.2. Names without a dot at the end.
struct SpfMacroValues {
  std::string local_part;     // l, and s with sender_domain
  std::string sender_domain;  // o
  std::string domain;         // d: whose record it is, which changes with "include" and "redirect"
  IpAddress ip;               // i, c, v
  std::string reverse_name;   // p
  std::string helo;           // h
  std::string host;           // r: who checks
  std::int64_t now = 0;       // t: Unix seconds
};

enum class SpfMacroUse {
  kTerm,         // in a record: no blank, and neither c, r nor t
  kModifier,     // the value of a modifier that nobody knows: no blank
  kExplanation,  // the text that "exp" leads to
};

bool is_spf_macro_string(std::string_view text, SpfMacroUse use);

// RFC 7208 7.1: a macro-string that ends in ".toplabel" or in a macro.
bool is_spf_domain_spec(std::string_view text);

// Does a valid macro-string use this macro? `letter`: small.
bool uses_spf_macro(std::string_view text, char letter);

// A valid domain-spec as a name to ask about: in lower case, without labels at its left that would make it
// too long, without a dot at the end. nullopt: no name that DNS could have.
std::optional<std::string> expand_spf_domain(std::string_view text, const SpfMacroValues& values);

// A valid explanation in printable ASCII. nullopt: it would have other characters in it, or be too long.
std::optional<std::string> expand_spf_explanation(std::string_view text, const SpfMacroValues& values);

}  // namespace mailstead
