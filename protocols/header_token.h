// Words of a structured header field (RFC 5322 3.2), as writers in the wild make them. Private to protocols/.
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

struct HeaderToken {
  enum class Kind {
    kText,     // anything without white space, such as an atom, "a.b@c" or a domain literal
    kQuoted,   // with its quotes
    kComment,  // with its parentheses
    kSpecial,  // one of the octets that were asked for
  };
  Kind kind;
  std::string_view text;  // into the field
  bool blank_before;

  bool is(char special) const { return kind == Kind::kSpecial && text.front() == special; }
};

// `specials`: octets that are tokens of their own. nullopt: a quote, a comment or a literal has no end.
std::optional<std::vector<HeaderToken>> header_tokens(std::string_view value, std::string_view specials);

// Takes blanks, line ends and comments away that `value` begins with; not a comment without an end.
void skip_comments(std::string_view& value);

// A quoted string or a comment without what is around it and without quoted pairs.
std::string unquoted(std::string_view token);

// The parameters of a MIME field, split at their semicolons, without white space around them; the first is
// the value itself. RFC 2045 5.1.
std::vector<std::string_view> mime_parts(std::string_view value);

// The field's value in one line: RFC 5322 2.2.3. Without its name, and white space around it.
std::string unfolded_value(std::string_view field);
// "Subject"; empty: it is no field.
std::string_view field_name(std::string_view field);

enum class NameMatch {
  kOther,
  kBeginning,  // there is no more of the field than a part of the name
  kUnclear,    // no grammar has it so, but a reader who passes over blanks, control octets and what is not
               // ASCII, or misses no colon, may take it for the name
  kSame,       // RFC 5322 2.2, 4.5
};
// Has this field, as it came, this name?
NameMatch match_name(std::string_view field, std::string_view name);

}  // namespace mailstead
