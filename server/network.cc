#include "server/network.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>

namespace mailstead {
namespace {

// A line of /proc/net/route: name, destination, gateway, …, in hexadecimal as the machine has it in memory.
std::string gateway_of_route(const std::string& line) {
  std::istringstream fields(line);
  std::string name, destination, gateway;
  fields >> name >> destination >> gateway;
  if (destination != "00000000" || gateway.size() != 8 || gateway == "00000000") return {};
  in_addr address{};
  address.s_addr = static_cast<in_addr_t>(std::strtoul(gateway.c_str(), nullptr, 16));
  std::array<char, INET_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET, &address, text.data(), text.size()) == nullptr ? "" : text.data();
}

// A line of /proc/net/ipv6_route: destination, its length, source, its length, gateway, …
std::string gateway_of_route6(const std::string& line) {
  std::istringstream fields(line);
  std::string destination, length, source, source_length, gateway;
  fields >> destination >> length >> source >> source_length >> gateway;
  if (length != "00" || gateway.size() != 32 || gateway == std::string(32, '0')) return {};
  in6_addr address{};
  for (std::size_t i = 0; i < 16; ++i)
    address.s6_addr[i] = static_cast<std::uint8_t>(std::stoul(gateway.substr(2 * i, 2), nullptr, 16));
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET6, &address, text.data(), text.size()) == nullptr ? "" : text.data();
}

}  // namespace

std::string network_of(const std::string& address) {
  in6_addr parsed{};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  std::memset(parsed.s6_addr + 8, 0, 8);
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, &parsed, text.data(), text.size());
  return std::string(text.data()) + "/64";
}

std::vector<std::string> gateway_networks() {
  std::vector<std::string> networks;
  const auto read = [&](const char* path, std::string (*gateway)(const std::string&)) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const std::string found = gateway(line);
      if (!found.empty()) networks.push_back(network_of(found));
    }
  };
  read("/proc/self/net/route", gateway_of_route);
  read("/proc/self/net/ipv6_route", gateway_of_route6);
  return networks;
}

}  // namespace mailstead
