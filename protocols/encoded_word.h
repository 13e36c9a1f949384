// Header fields in ASCII: encoded-words (RFC 2047), extended parameter values (RFC 2231), folding (RFC 5322
// 2.2.3).
//
// Text that is not UTF-8 is of a charset that nobody knows: it is marked so ("unknown-8bit", RFC 1428) and
// keeps its octets. Threads: one at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mailstead {

// "UTF-8''%C3%A9.txt"
std::string extended_value(std::string_view text);
// The same without charset and language: what follows in another part of the value, or is extended already.
std::string percent_encoded(std::string_view text);

// "=?…?=": to be let alone, for it is what it is.
bool looks_encoded(std::string_view word);

// A field that is being written, in lines of at most 78 octets where its words allow that.
class FoldedField {
 public:
  explicit FoldedField(std::string_view name);  // without the colon

  // A word behind this white space, which may be none. Where the line gets too long it is broken before the
  // white space.
  void put(std::string_view blank, std::string_view word);
  // Words with the white space between them.
  void put_verbatim(std::string_view blank, std::string_view words);
  // Any text, as encoded-words; `before` and `after` are glued to the first and the last.
  void put_encoded(std::string_view blank, std::string_view text, std::string_view before = {},
                   std::string_view after = {});

  // The field with its final CRLF.
  std::string text() const { return text_ + "\r\n"; }

 private:
  std::string text_;
  std::size_t column_;
};

}  // namespace mailstead
