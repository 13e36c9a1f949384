#include "server/net/gateways.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

namespace mailstead {

// Name, destination, gateway, …, in hexadecimal as the machine has it in memory.
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

// Destination, its length, source, its length, gateway, …
std::string gateway_of_route6(const std::string& line) {
  std::istringstream fields(line);
  std::string destination, length, source, source_length, gateway;
  fields >> destination >> length >> source >> source_length >> gateway;
  if (length != "00" || gateway.size() != 32 || gateway == std::string(32, '0') ||
      gateway.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
    return {};
  in6_addr address{};
  for (std::size_t i = 0; i < 16; ++i)
    address.s6_addr[i] = static_cast<std::uint8_t>(std::stoul(gateway.substr(2 * i, 2), nullptr, 16));
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET6, &address, text.data(), text.size()) == nullptr ? "" : text.data();
}

Gateways::Gateways(Place place, std::function<Addresses()> read, Clock clock)
    : place_(place),
      read_(std::move(read)),
      clock_(std::move(clock)),
      addresses_(read_()),
      read_at_(clock_()) {}

void Gateways::read_again() {
  const auto now = clock_();
  if (now - read_at_ < kReadAgain) return;
  addresses_ = read_();
  read_at_ = now;
}

bool Gateways::hides(const std::string& address) {
  read_again();
  return addresses_.gateways.contains(address) ||
         (place_ == Place::kContainer && addresses_.own.contains(address));
}

bool Gateways::is_own(const std::string& address) {
  read_again();
  return addresses_.own.contains(address);
}

Gateways::Addresses Gateways::read_addresses() {
  Addresses addresses;
  const auto read = [&](const char* path, std::string (*gateway)(const std::string&)) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (std::string found = gateway(line); !found.empty()) addresses.gateways.insert(std::move(found));
    }
  };
  read("/proc/self/net/route", gateway_of_route);
  read("/proc/self/net/ipv6_route", gateway_of_route6);
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> own(first, &::freeifaddrs);
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_LOOPBACK) != 0) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const char* done = nullptr;
    if (each->ifa_addr->sa_family == AF_INET) {
      done = inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text.data(),
                       text.size());
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      done = inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr,
                       text.data(), text.size());
    }
    if (done != nullptr) addresses.own.insert(done);
  }
  return addresses;
}

}  // namespace mailstead
