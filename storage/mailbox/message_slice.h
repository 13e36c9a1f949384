// A part of a list of messages: from one of its ends, or on from where the part before ended. A plain value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailstead {

struct MessageSlice {
  enum class From { kOldest, kNewest };
  From from = From::kOldest;  // the messages come in this order
  std::int64_t beyond = 0;    // KnownMessage::key of the last one of the part before; 0: there was none
  std::size_t at_most = SIZE_MAX;
};

}  // namespace mailstead
