// What a load program costs itself.
#pragma once

namespace mailstead::bench {

// User and system time of this process, in seconds.
double processor_seconds();

}  // namespace mailstead::bench
