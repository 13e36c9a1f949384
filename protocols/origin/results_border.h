// Keeps results that others have written in our name from passing for ours: RFC 8601 5. Every field
// Authentication-Results that is not plainly somebody else's is found, to be renamed where it stands.
//
// To rename too much costs nothing, to let one pass lets a forger say what our checks have found: so a field
// counts as ours when any reader might see our name in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailstead {

inline constexpr std::string_view kResultsName = "Authentication-Results";
// What takes its place: as long, so that no message changes its size.
inline constexpr std::string_view kUntrustedName = "Untrusted-Auth-Results";
static_assert(kUntrustedName.size() == kResultsName.size());

// A field of that name that is longer counts as ours, whatever it says.
inline constexpr std::size_t kMaxResultsField = 8 * 1024;
// Fields that are told.
inline constexpr std::size_t kMaxResultsClaims = 1000;

// Does this field, whole as it came, say that `host` has written it, or might a reader think so? It does not
// only where it names another domain, as a plain word of ASCII, with nothing but blanks before it and a
// semicolon, the end, or a version (RFC 8601 2.2) behind it; comments may stand behind it. `host`: a domain
// of A- or U-labels. Linear. Any thread.
bool claims_results_of(std::string_view field, std::string_view host);

// The same for a message of any size. Memory: kMaxResultsField and as many offsets as kMaxResultsClaims.
// Time: linear in the header. Threads: one at a time.
class ResultsBorder {
 public:
  explicit ResultsBorder(std::string host) : host_(std::move(host)) {}

  // Message content from its first octet on, with CRLF line ends, in pieces of any size. The header ends at
  // the first empty line; what follows it costs nothing.
  void read(std::string_view content);
  // That was all of it.
  void finish();

  // After finish(), in rising order: where in the message kUntrustedName has to be put over as many octets.
  // That is each field's first octet, or its second where a CRLF would be cut in two. With blanks or control
  // octets in the name some of its letters are left behind the new one, or a fold of it goes: its name is
  // another one all the same, and no other field is touched.
  const std::vector<std::uint64_t>& offsets() const { return offsets_; }
  // There are more than kMaxResultsClaims, and the offsets are of the first of them: no honest message has so
  // many, and this one has to be refused.
  bool too_many() const { return too_many_; }

 private:
  void begin_line(char first);
  void end_field();

  std::string host_;
  std::string field_;           // its beginning: kMaxResultsField octets and one
  std::uint64_t field_at_ = 0;  // in the message
  std::uint64_t at_ = 0;
  char last_ = 0;  // octet that was read
  bool in_header_ = true;
  bool line_begins_ = true;
  bool line_end_is_whole_ = true;  // of the line before: a CRLF, or the message begins
  bool behind_line_end_ = true;    // the field begins behind such a one
  std::vector<std::uint64_t> offsets_;
  bool too_many_ = false;
};

}  // namespace mailstead
