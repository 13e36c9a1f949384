// The "relaxed" canonicalisation of DKIM, for header fields and bodies: RFC 6376 3.4.2, 3.4.4. ARC uses it
// too (RFC 8617 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/sha256.h"

namespace mailstead {

// A field as it came: "Subject: x\r\n y\r\n", with the CRLF at its end where it had one.
struct DkimField {
  std::string_view name;  // without blanks around it
  std::string_view raw;
};

// "subject:x y\r\n". `raw` is one field; what is no line end of a folded field, as a bare CR, is text. Pure;
// any thread.
std::string relaxed_field(std::string_view raw);

// Collects a message's header and tells where the body begins. Memory: at most kMaxDkimHeader octets.
// Threads: one at a time.
inline constexpr std::size_t kMaxDkimHeader = 1024 * 1024;
class DkimHeader {
 public:
  // Message content with CRLF line ends, in order, in pieces of any size. Returns the part of it that is
  // body.
  std::string_view read(std::string_view content);

  bool too_long() const { return too_long_; }
  const std::string& text() const { return text_; }
  // From the top down, as long as this object lives and reads no more. nullopt: a line is no field and
  // continues none, so that verifiers do not agree on where the header ends.
  std::optional<std::vector<DkimField>> fields() const;

 private:
  std::string text_;  // up to the empty line, and without it
  bool in_header_ = true;
  bool too_long_ = false;
};

// SHA-256 of a body in the relaxed form. Memory: bounded. Threads: one at a time.
class RelaxedBodyHash {
 public:
  void read(std::string_view content);
  Sha256 finish();

 private:
  void put(std::string_view text);
  void put_held();

  Sha256Stream hash_;
  bool blank_ = false;            // blanks that are one space, or nothing at a line's end
  bool carriage_return_ = false;  // that may be the beginning of a CRLF
  bool any_ = false;              // some text has been hashed
  std::uint64_t line_ends_ = 0;   // that count only when something follows
};

}  // namespace mailstead
