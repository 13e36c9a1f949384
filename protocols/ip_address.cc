#include "protocols/ip_address.h"

// Of the system's only two functions that know no socket: everybody who prints an address here prints it as
// they do, and two texts are compared as texts.
#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

// False also for a text with a NUL, at which inet_pton would stop.
bool read_as(int family, std::string_view text, void* binary) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return false;
  std::copy(text.begin(), text.end(), terminated.begin());
  return inet_pton(family, terminated.data(), binary) == 1;
}

bool covers(const IpNetwork& network, const IpAddress& address) {
  const std::size_t whole = network.bits / 8;
  if (std::memcmp(network.address.octets.data(), address.octets.data(), whole) != 0) return false;
  const unsigned rest = network.bits % 8;
  return rest == 0 || ((network.address.octets[whole] ^ address.octets[whole]) >> (8 - rest)) == 0;
}

}  // namespace

bool IpAddress::is_ipv4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets.begin());
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_ipv4()) {
    inet_ntop(AF_INET, octets.data() + kMappedPrefix.size(), text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, octets.data(), text.data(), text.size());
  }
  return text.data();
}

IpAddress ipv4_address(std::string_view octets) {
  IpAddress address;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.octets.begin());
  std::memcpy(address.octets.data() + kMappedPrefix.size(), octets.data(), 4);
  return address;
}

IpAddress ipv6_address(std::string_view octets) {
  IpAddress address;
  std::memcpy(address.octets.data(), octets.data(), address.octets.size());
  return address;
}

std::optional<IpAddress> parse_ipv4(std::string_view text) {
  std::array<char, 4> binary{};
  if (!read_as(AF_INET, text, binary.data())) return std::nullopt;
  return ipv4_address({binary.data(), binary.size()});
}

std::optional<IpAddress> parse_ipv6(std::string_view text) {
  IpAddress address;
  if (!read_as(AF_INET6, text, address.octets.data())) return std::nullopt;
  return address;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  return text.find(':') == std::string_view::npos ? parse_ipv4(text) : parse_ipv6(text);
}

bool IpNetwork::contains(const IpAddress& other) const {
  if (other.is_ipv4() != (address.is_ipv4() && bits >= kMappedBits)) return false;
  return covers(*this, other);
}

IpNetwork IpNetwork::masked() const {
  IpNetwork network = *this;
  for (unsigned bit = bits; bit < 128; ++bit) {
    std::uint8_t& octet = network.address.octets[bit / 8];
    octet = static_cast<std::uint8_t>(octet & ~(0x80u >> (bit % 8)));
  }
  return network;
}

std::string IpNetwork::text() const {
  if (bits == 128) return address.text();
  const bool ipv4 = address.is_ipv4() && bits >= kMappedBits;
  return address.text() + "/" + std::to_string(ipv4 ? bits - kMappedBits : bits);
}

std::optional<IpNetwork> parse_ip_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpNetwork{*address, 128};
  const std::string_view digits = text.substr(slash + 1);
  const auto length = ascii::number(digits);
  // As it is written: 8 is right behind 10.0.0.0, and 104 behind ::ffff:10.0.0.0.
  const bool ipv4 = text.substr(0, slash).find(':') == std::string_view::npos;
  if (!length || *length > (ipv4 ? 32 : 128) || (digits.size() > 1 && digits.front() == '0'))
    return std::nullopt;
  return IpNetwork{*address, static_cast<unsigned>(*length) + (ipv4 ? kMappedBits : 0)};
}

bool is_public(const IpAddress& address) {
  // And what is no single host.
  static constexpr std::string_view kOthers[] = {
      "0.0.0.0/8",     "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",   "169.254.0.0/16",
      "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
      "::/8",          "64:ff9b::/96", "fc00::/7",       "fe80::/10",     "ff00::/8"};
  return std::ranges::none_of(kOthers, [&](std::string_view text) {
    const auto network = parse_ip_network(text);
    return network && network->contains(address);
  });
}

}  // namespace mailstead
