// The end of a load program that cannot go on.
#pragma once

#include <string>

namespace mailstead::bench {

// Says why on stderr, behind the program's name, and exits with 1.
[[noreturn]] void give_up(const std::string& why);

}  // namespace mailstead::bench
