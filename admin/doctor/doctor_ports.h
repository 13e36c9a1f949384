// doctor: what of the configuration's listeners can be looked at. Blocking only for a moment. Threads: one.
#pragma once

#include <string>
#include <vector>

#include "admin/config/config.h"
#include "admin/doctor/doctor_network.h"
#include "admin/outside.h"

namespace mailstead::admin {

struct ServerListener {
  std::string service;
  std::string address;  // as bound, "127.0.0.1:2525"
};

// Each listener of the configuration.
struct WantedListener {
  std::string service;
  ListenAddress address;
};
std::vector<WantedListener> listeners_of(const Config& config);

// Where no server runs: whether each port could be had, by binding it for a moment, with the rights that the
// caller came with. Nobody can connect meanwhile.
std::vector<PortFacts> try_to_bind(const Config& config);

// Where one runs: whether it listens, and answers from here. `into` outlives the looks.
void dial_ports(Outside& outside, const Config& config, const std::vector<ServerListener>& listeners,
                std::vector<PortFacts>& into);

// An address of this machine at which the listener is reached: itself, or loopback for "[::]".
IpAddress reachable(const std::string& host);
// "[::]:25": host and port.
ListenAddress parse_bound(const std::string& text);

}  // namespace mailstead::admin
