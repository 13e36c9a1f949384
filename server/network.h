// Whose connection is it, for limits and delays: whoever holds one address of an IPv6 /64 holds them all.
// Pure; any thread.
#pragma once

#include <arpa/inet.h>

#include <string>

namespace mailstead {

// The address itself for IPv4; the first 64 bits, as 8 octets, for IPv6.
inline std::string network_of(const std::string& address) {
  in6_addr parsed{};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  return std::string(reinterpret_cast<const char*>(parsed.s6_addr), 8);
}

}  // namespace mailstead
