// SMTP connections that say EHLO and then nothing.
#pragma once

#include <netinet/in.h>

#include <cstddef>

namespace mailstead::bench {

// Opens them, in turn from 127.0.1.1 to 127.0.1.40; says how many they are when all have been answered, and
// waits for a line of its input. Each has to answer NOOP then: none was dropped meanwhile.
void hold_idle(const sockaddr_in& server, std::size_t count);

}  // namespace mailstead::bench
