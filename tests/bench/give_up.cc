#include "bench/give_up.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace mailstead::bench {

void give_up(const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  std::exit(1);
}

}  // namespace mailstead::bench
