// What a server gives up before it talks to anybody.
#pragma once

#include <cstdint>

namespace mailstead {

// No program that this process starts can gain rights, set-user-id or not.
void forbid_new_privileges();

// As many open files as the machine lets this process have; returns how many that is.
std::uint32_t raise_file_limit();

}  // namespace mailstead
