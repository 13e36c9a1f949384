// Whose connection is it, for limits, delays and bans: whoever holds one address of an IPv6 /64 holds them
// all. Any thread.
#pragma once

#include <string>

namespace mailstead {

// The address itself for IPv4; its first 64 bits for IPv6, "2001:db8:1:2::/64". What is no address stays as
// it is.
std::string network_of(const std::string& address);

}  // namespace mailstead
