// Lists of tags, "v=1; a=rsa-sha256; …": RFC 6376 3.2. Signatures and the records of keys are made of them.
// Input from anybody. Private to protocols/. Pure functions and plain values; any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

// More are in nobody's signature.
inline constexpr std::size_t kMaxTags = 100;

struct Tag {
  std::string_view name;   // letter case counts
  std::string_view value;  // without white space around it; may be folded inside
  std::string_view space;  // the value with the white space around it: all from "=" to ";"
};

// Views into the text that was parsed.
class TagList {
 public:
  // `text`: without a CRLF at its end. nullopt: it is no list of tags, or one of them is there twice, which
  // makes all of it invalid.
  static std::optional<TagList> parse(std::string_view text);

  const std::vector<Tag>& tags() const { return tags_; }
  const Tag* find(std::string_view name) const;
  // nullopt: it is not there.
  std::optional<std::string_view> value(std::string_view name) const;

 private:
  std::vector<Tag> tags_;
};

// White space that may be folded, RFC 6376 2.8: taken away from both ends, and from everywhere.
std::string_view without_space_around(std::string_view text);
std::string without_space(std::string_view text);

// Calls `each` with the parts between the colons, without white space around them, until it returns false.
void for_each_part(std::string_view text, const std::function<bool(std::string_view)>& each);
bool has_part(std::string_view text, std::string_view wanted);

// Octets in base64 that may be folded anywhere, with their padding or without: RFC 6376 2.10. nullopt: it is
// something else.
std::optional<std::string> folded_base64(std::string_view text);

}  // namespace mailstead
