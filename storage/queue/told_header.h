// What tells people of a message: of its header the first Received, From and Subject fields, as they stand,
// found while the header's lines go by. It is kept for when the message itself is gone.
//
// Memory: kMaxTold octets for each of them. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace mailstead {

inline constexpr std::size_t kMaxTold = 1000;  // octets of a field; a longer one is cut

class ToldHeader {
 public:
  // The header's next line, without its end; the line that ends the header is none.
  void read(std::string_view line);
  // Fields, each with its CRLF.
  std::string text() const { return fields_[0] + fields_[1] + fields_[2]; }

 private:
  static constexpr std::size_t kFields = 3;

  std::array<std::string, kFields> fields_;
  std::size_t last_ = kFields;  // what a folded line goes on with; kFields: none of them
};

}  // namespace mailstead
