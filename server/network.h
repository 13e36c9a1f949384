// Whose connection is it, for limits, delays and bans: whoever holds one address of an IPv6 /64 holds them
// all; and which addresses are ours. Any thread.
#pragma once

#include <string>
#include <vector>

#include "protocols/ip_address.h"

namespace mailstead {

// The address itself for IPv4; its first 64 bits for IPv6, "2001:db8:1:2::/64". What is no address stays as
// it is.
std::string network_of(const std::string& address);

// The networks of the machine's default gateways: behind a container's bridge, or a router that maps
// addresses, everybody comes from there. Reads /proc; empty where it cannot be read.
std::vector<std::string> gateway_networks();

// Of this machine's interfaces that are up, loopback's too; empty where they cannot be read.
std::vector<IpAddress> interface_addresses();

}  // namespace mailstead
