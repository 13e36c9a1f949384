// IP addresses and networks as values: what a text says, whether an address is in a network.
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

struct IpAddress {
  // In network order. An IPv4 address stands in its mapped form, ::ffff:192.0.2.1 (RFC 4291 2.5.5.2), so the
  // two ways to write it are one address.
  std::array<std::uint8_t, 16> octets{};

  bool is_ipv4() const;
  std::string text() const;  // "192.0.2.1", "2001:db8::1": the same for the same address
  bool operator==(const IpAddress&) const = default;
};

// `octets` are 4 or 16, in network order.
IpAddress ipv4_address(std::string_view octets);
IpAddress ipv6_address(std::string_view octets);

// Four numbers without leading zeros; eight groups of hexadecimal digits, or fewer with one "::" (RFC 4291
// 2.2). No zone, no brackets, no spaces.
std::optional<IpAddress> parse_ipv4(std::string_view text);
std::optional<IpAddress> parse_ipv6(std::string_view text);
// Either.
std::optional<IpAddress> parse_ip(std::string_view text);

struct IpNetwork {
  IpAddress address;
  unsigned bits = 128;  // of the 128 of `address`: 96 more than one writes for IPv4

  // An IPv4 address is in no IPv6 network, not even in ::/0.
  bool contains(const IpAddress& other) const;
  // Without the bits that do not belong to the network.
  IpNetwork masked() const;
  std::string text() const;  // "10.0.0.0/8"; a single address without its length
  bool operator==(const IpNetwork&) const = default;
};

// "10.0.0.0/8", "2001:db8::/32", or a single address.
std::optional<IpNetwork> parse_ip_network(std::string_view text);

// Can it be a host that the whole Internet reaches, by its kind (RFC 6890)? What is for documentation counts
// as public.
bool is_public(const IpAddress& address);

}  // namespace mailstead
