// A message on its way through the command line: in memory while it is small, else in a file without a name.
//
// Threads: one. Errors: kIo, kNoSpace of the temporary folder (TMPDIR).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "admin/descriptor.h"
#include "protocols/result.h"

namespace mailstead::admin {

class MessageText {
 public:
  Result<void> append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  // Appends up to `length` octets from `offset`.
  Result<void> read(std::uint64_t offset, std::size_t length, std::string& into) const;
  // Of a message that is small, all of it.
  const std::string& small() const { return memory_; }

 private:
  Result<void> spill();

  std::string memory_;  // empty once there is a file
  Descriptor file_;
  std::uint64_t size_ = 0;
};

}  // namespace mailstead::admin
