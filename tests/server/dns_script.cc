#include "tests/server/dns_script.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "protocols/ip_address.h"

namespace mailstead::testing {
namespace {

std::string two_octets(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xFF), static_cast<char>(value & 0xFF)};
}

std::string four_octets(unsigned value) {
  return two_octets(value >> 16) + two_octets(value & 0xFFFF);
}

unsigned number_at(std::string_view octets, std::size_t at) {
  return static_cast<unsigned>(static_cast<unsigned char>(octets[at]) << 8 |
                               static_cast<unsigned char>(octets[at + 1]));
}

int bound_socket(int type, std::uint16_t& port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

std::string dns_name(std::string_view name) {
  std::string out;
  while (!name.empty() && name != ".") {
    const std::size_t dot = std::min(name.find('.'), name.size());
    out += static_cast<char>(dot);
    out += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return out + '\0';
}

std::string dns_record(std::string_view owner, std::uint16_t type, std::string_view data, unsigned ttl) {
  return dns_name(owner) + two_octets(type) + two_octets(1) + four_octets(ttl) +
         two_octets(static_cast<unsigned>(data.size())) + std::string(data);
}

std::string dns_mx(std::string_view owner, unsigned preference, std::string_view exchange, unsigned ttl) {
  return dns_record(owner, 15, two_octets(preference) + dns_name(exchange), ttl);
}

std::string dns_a(std::string_view owner, std::string_view address, unsigned ttl) {
  const IpAddress ip = *parse_ip(address);
  const std::string octets(ip.octets.begin(), ip.octets.end());
  return ip.is_ipv4() ? dns_record(owner, 1, octets.substr(12), ttl) : dns_record(owner, 28, octets, ttl);
}

std::string dns_cname(std::string_view owner, std::string_view target, unsigned ttl) {
  return dns_record(owner, 5, dns_name(target), ttl);
}

std::string dns_soa(std::string_view owner, unsigned ttl, unsigned minimum) {
  return dns_record(
      owner, 6,
      dns_name("ns.example") + dns_name("root.example") + std::string(16, '\0') + four_octets(minimum), ttl);
}

std::string dns_message(const DnsAsked& asked, unsigned flags, const std::vector<std::string>& answers,
                        const std::vector<std::string>& authorities) {
  std::string out = asked.id + two_octets(0x8180 | flags) + two_octets(1) +
                    two_octets(static_cast<unsigned>(answers.size())) +
                    two_octets(static_cast<unsigned>(authorities.size())) + two_octets(0) + asked.question;
  for (const std::string& record : answers) out += record;
  for (const std::string& record : authorities) out += record;
  return out;
}

DnsScript::DnsScript(Say say) : say_(std::move(say)) {
  for (int tries = 0; tries < 100 && tcp_ < 0; ++tries) {
    if (udp_ >= 0) ::close(udp_);
    port_ = 0;
    udp_ = bound_socket(SOCK_DGRAM, port_);
    tcp_ = bound_socket(SOCK_STREAM, port_);
  }
  if (tcp_ < 0 || listen(tcp_, 16) != 0) throw std::runtime_error("no port for a DNS server");
  thread_ = std::thread([this] { serve(); });
}

DnsScript::~DnsScript() {
  ending_ = true;
  thread_.join();
  ::close(udp_);
  ::close(tcp_);
}

void DnsScript::serve() {
  while (!ending_) {
    std::array<pollfd, 2> ready = {pollfd{udp_, POLLIN, 0}, pollfd{tcp_, POLLIN, 0}};
    if (poll(ready.data(), ready.size(), 20) <= 0) continue;
    if ((ready[1].revents & POLLIN) != 0) serve_tcp();
    if ((ready[0].revents & POLLIN) == 0) continue;
    std::array<char, 4096> buffer{};
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t got =
        recvfrom(udp_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got <= 0) continue;
    for (const std::string& say :
         answers({buffer.data(), static_cast<std::size_t>(got)}, DnsTransport::kUdp)) {
      sendto(udp_, say.data(), say.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
  }
}

void DnsScript::serve_tcp() {
  const int fd = accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
  std::string query;
  std::array<char, 4096> buffer{};
  while (query.size() < 2 || query.size() < 2 + number_at(query, 0)) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    query.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (query.size() > 2) {
    for (const std::string& say : answers(std::string_view(query).substr(2), DnsTransport::kTcp)) {
      const std::string framed = two_octets(static_cast<unsigned>(say.size())) + say;
      send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }
  ::close(fd);
}

std::vector<std::string> DnsScript::answers(std::string_view query, DnsTransport transport) {
  if (query.size() < 17) return {};
  ++asked_;
  DnsAsked asked;
  asked.id = query.substr(0, 2);
  asked.transport = transport;
  asked.edns = number_at(query, 10) == 1;
  std::size_t at = 12;
  while (query[at] != 0) {
    const auto length = static_cast<std::size_t>(query[at]);
    if (!asked.name.empty()) asked.name += '.';
    asked.name += query.substr(at + 1, length);
    at += length + 1;
  }
  asked.type = static_cast<std::uint16_t>(number_at(query, at + 1));
  asked.question = query.substr(12, at + 5 - 12);
  return say_(asked);
}

}  // namespace mailstead::testing
