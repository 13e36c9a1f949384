// Mail addresses: RFC 5321 4.1.2 (Mailbox, Reverse-path, Forward-path) and 4.5.3.1 (sizes), RFC 6531 3.3
// (letters beyond ASCII).
//
// An Address is what a Mailbox means, not how it was written: the local part without quotes and quoted
// pairs, the domain in lower case without a trailing dot, its labels as A-labels. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/result.h"

namespace mailstead {

inline constexpr std::size_t kMaxLocalPart = 64;  // octets, RFC 5321 4.5.3.1.1
inline constexpr std::size_t kMaxDomain = 255;    // octets, RFC 5321 4.5.3.1.2
inline constexpr std::size_t kMaxPath = 256;      // octets with the angle brackets, RFC 5321 4.5.3.1.3

struct Address {
  std::string local_part;  // unquoted UTF-8, its letters as they came; never a control character
  std::string domain;      // lower case; an address literal keeps its brackets: "[192.0.2.1]"

  // As it stands in a header or a command: "a b"@example.org with quotes where the grammar wants them.
  std::string text() const;
  // What two spellings of one mailbox have in common: small letters, composed (letters.h). The key of every
  // look-up. A local part is compared without regard to case: RFC 5321 2.4 leaves that to the host.
  std::string key() const;

  // It needs SMTPUTF8. Domains never do.
  bool is_beyond_ascii() const;

  bool operator==(const Address&) const = default;
};

// What may stand in a path: RFC 5321's letters, or RFC 6531's too.
enum class Letters { kAscii, kUtf8 };

// "local@domain" with no brackets, in UTF-8. kInvalid with a message fit for an administrator.
Result<Address> parse_address(std::string_view text);

// A domain name (RFC 1035 lengths, letters, digits, hyphens and, for what exists in the wild, underscores) or
// an address literal. Returned in lower case without a trailing dot.
std::optional<std::string> parse_domain(std::string_view text);

// The same for what may stand behind the "@" of an address: labels beyond ASCII become A-labels (RFC 5890).
std::optional<std::string> parse_mail_domain(std::string_view text);

// A path as MAIL and RCPT carry it. `address` is empty for the null reverse-path "<>".
// `<Postmaster>` without a domain (RFC 5321 4.1.1.3) gives an Address with an empty domain.
struct Path {
  std::optional<Address> address;
};

// Parses a path at the start of `text` ("<...>", a source route is checked and ignored) and sets `rest` to
// what follows the closing bracket. nullopt: not a path.
std::optional<Path> parse_path(std::string_view text, std::string_view& rest,
                               Letters letters = Letters::kAscii);

}  // namespace mailstead
