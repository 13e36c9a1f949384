// The age of deleted mail, by a clock of the store's own.
//
// It is the wall clock's time as far as that can be believed: between two looks it advances by what the wall
// clock did, but by a day at most and never backwards. A wall clock that jumps ten years ahead makes deleted
// mail one day older, not free to go; time in which no server ran counts as one day at most, too. Deleted
// mail is then kept longer than was promised, never shorter.
//
// Every function runs in the caller's transaction, or by itself when there is none.
// Threads: one at a time.
#pragma once

#include <cstdint>

#include "protocols/result.h"
#include "storage/database/database.h"

namespace mailstead {

struct Age {
  std::int64_t now = 0;   // seconds since some day; grows
  std::int64_t jump = 0;  // seconds by which the wall clock went further than was counted; below 0: back
  bool stale = false;     // worth writing down
};

// At this wall-clock time, Unix seconds.
Result<Age> read_age(Database& database, std::int64_t wall);
// The same, written down.
Result<Age> advance_age(Database& database, std::int64_t wall);

}  // namespace mailstead
