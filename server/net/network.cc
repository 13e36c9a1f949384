#include "server/net/network.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace mailstead {
std::string network_of(const std::string& address) {
  in6_addr parsed{};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  std::memset(parsed.s6_addr + 8, 0, 8);
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, &parsed, text.data(), text.size());
  return std::string(text.data()) + "/64";
}

}  // namespace mailstead
