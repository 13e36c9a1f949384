// A DNS server that says what a test wants it to, in a thread of its own: also lies, and nothing at all.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace mailstead::testing {

enum class DnsTransport { kUdp, kTcp };

struct DnsAsked {
  std::string id;    // two octets
  std::string name;  // as it was asked
  std::uint16_t type = 0;
  std::string question;  // as it stands in the query
  DnsTransport transport = DnsTransport::kUdp;
  bool edns = false;
};

std::string dns_name(std::string_view name);  // as octets
// A record of an answer.
std::string dns_record(std::string_view owner, std::uint16_t type, std::string_view data, unsigned ttl = 60);
std::string dns_mx(std::string_view owner, unsigned preference, std::string_view exchange, unsigned ttl = 60);
std::string dns_a(std::string_view owner, std::string_view address, unsigned ttl = 60);  // or AAAA
std::string dns_cname(std::string_view owner, std::string_view target, unsigned ttl = 60);
std::string dns_soa(std::string_view owner, unsigned ttl, unsigned minimum);

inline constexpr unsigned kDnsAuthentic = 0x0020, kDnsTruncated = 0x0200;
// The whole message. `flags` are the answer code (3: no such name) and the bits above.
std::string dns_message(const DnsAsked& asked, unsigned flags, const std::vector<std::string>& answers,
                        const std::vector<std::string>& authorities = {});

class DnsScript {
 public:
  // What is sent back, one after the other; runs in the server's thread.
  using Say = std::function<std::vector<std::string>(const DnsAsked&)>;

  explicit DnsScript(Say say);
  ~DnsScript();
  std::uint16_t port() const { return port_; }
  int asked() const { return asked_; }

 private:
  void serve();
  void serve_tcp();
  std::vector<std::string> answers(std::string_view query, DnsTransport transport);

  Say say_;
  int udp_ = -1, tcp_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> asked_ = 0;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace mailstead::testing
