// The canonicalisations of DKIM, for header fields and bodies: RFC 6376 3.4. ARC uses them too (RFC 8617 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "protocols/sha256.h"

namespace mailstead {

enum class DkimForm { kSimple, kRelaxed };

// A field as it came: "Subject: x\r\n y\r\n", with the CRLF at its end where it had one.
struct DkimField {
  std::string_view name;  // without blanks around it
  std::string_view raw;
};

// "subject:x y\r\n". `raw` is one field; what is no line end of a folded field, as a bare CR, is text. Pure;
// any thread.
std::string relaxed_field(std::string_view raw);

// The field that begins `text`, with the CRLF at its end: RFC 5322 2.2.3. Pure; any thread.
std::string_view first_field(std::string_view text);

inline constexpr std::size_t kMaxDkimHeader = 1024 * 1024;
inline constexpr std::size_t kMaxDkimFields = 10'000;

// Collects a message's header and tells where the body begins. Memory: at most some kMaxDkimHeader octets
// (while a text grows, standard libraries hold up to three times as much). Threads: one at a time.
class DkimHeader {
 public:
  // Message content with CRLF line ends, in order, in pieces of any size. Returns the part of it that is
  // body.
  std::string_view read(std::string_view content);

  // The body has begun.
  bool has_ended() const { return !in_header_; }
  bool too_long() const { return too_long_; }
  const std::string& text() const { return text_; }
  // From the top down, as long as this object lives and reads no more. kInvalid: a line is no field and
  // continues none, so that verifiers do not agree on where the header ends. kTooLarge: it is longer than
  // kMaxDkimHeader, or has more than kMaxDkimFields.
  Result<std::vector<DkimField>> fields() const;

 private:
  std::string_view read_piece(std::string_view content);

  std::string text_;  // up to the empty line, and without it
  bool in_header_ = true;
  bool too_long_ = false;
};

// SHA-256 of a body in one form, and of beginnings of it: what l= says is counted in octets of that form
// (RFC 6376 3.5). The body is hashed once, however many beginnings are wanted. Memory: bounded. Threads: one
// at a time.
class BodyHash {
 public:
  explicit BodyHash(DkimForm form, std::vector<std::uint64_t> beginnings = {});
  void read(std::string_view content);
  // Once, at the end.
  Sha256 finish();

  // After finish(): octets of the whole, and the hash of its first `octets`, which are among those asked for.
  // nullopt: the body is shorter.
  std::uint64_t octets() const { return octets_; }
  std::optional<Sha256> beginning(std::uint64_t octets) const;

 private:
  bool is_held(char c) const;
  void put(std::string_view text);
  void put_held();
  void add(std::string_view text);

  DkimForm form_;
  Sha256Stream hash_;
  std::uint64_t octets_ = 0;               // that have been hashed
  std::vector<std::uint64_t> beginnings_;  // in rising order, each once
  std::vector<Sha256> reached_;            // the hashes of the first of them
  bool blank_ = false;                     // blanks that are one space, or nothing at a line's end
  bool carriage_return_ = false;           // that may be the beginning of a CRLF
  bool any_ = false;                       // some text has been hashed
  std::uint64_t line_ends_ = 0;            // that count only when something follows
};

}  // namespace mailstead
