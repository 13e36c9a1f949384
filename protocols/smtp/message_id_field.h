// The Message-ID field of a header (RFC 5322 3.6.4), found while the header's lines go by.
//
// Memory: kMaxMessageId octets. Threads: one at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mailstead {

inline constexpr std::size_t kMaxMessageId = 300;  // octets kept

// "<a@b>" and " a@b " as they are looked up: "a@b".
std::string bare_message_id(std::string_view text);

class MessageIdField {
 public:
  // The header's next line, without its end; the line that ends the header is none.
  void read(std::string_view line);
  // Of the first such field, without its angle brackets, cut when it is very long; empty: there was none.
  const std::string& value() const { return value_; }

 private:
  std::string value_;
  bool goes_on_ = false;  // the last line was its name: the value may be folded
};

}  // namespace mailstead
