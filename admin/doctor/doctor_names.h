// doctor: the server's name, the DNS both ways, IPv6.
// HostLook asks; judge_… are pure functions of what was seen. Threads: one.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <vector>

#include "admin/doctor/doctor_finding.h"
#include "admin/outside.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {

// An address of the server, and what the DNS calls it.
struct HostAddress {
  IpAddress address;
  bool is_here = false;                          // an interface of this machine has it
  bool is_published = false;                     // the host's name leads to it
  dns::Verdict verdict = dns::Verdict::kFailed;  // of the question for its names
  std::vector<std::string> names = {};           // PTR
  std::vector<std::string> confirmed = {};       // those of the names that lead back to the address
  bool is_unsure = false;                        // whether one leads back was not answered
};

struct HostFacts {
  std::string hostname;
  std::string canonical;  // what it is an alias of; the same, or empty, when of none
  dns::Verdict a = dns::Verdict::kFailed;
  dns::Verdict aaaa = dns::Verdict::kFailed;
  std::vector<IpAddress> own;        // public ones, that this machine has
  std::list<HostAddress> addresses;  // those of them that mail leaves by, and those published
  bool has_ipv6_route = false;       // to the Internet
  bool has_smarthost = false;
};

// Asks for the names and addresses of `facts.hostname` and of its addresses that are public; lives as long as
// the looks do.
class HostLook {
 public:
  explicit HostLook(HostFacts& facts) : facts_(facts) {}
  // `published`: told of each public address that the name leads to; may be empty.
  void begin(Outside& outside, std::function<void(const IpAddress&)> published);

 private:
  void on_addresses(Outside& outside, dns::Type type, const dns::Answer& answer);
  void ask_names(Outside& outside, HostAddress& address);

  HostFacts& facts_;
  std::function<void(const IpAddress&)> published_;
};

// Does the name look like one that a provider gave to any of its customers? Others take such hosts for
// infected PCs.
bool looks_generic(const std::string& name, const IpAddress& address);

void judge_hostname(const HostFacts& facts, DoctorFindings& into);
void judge_forward(const HostFacts& facts, DoctorFindings& into);
void judge_reverse(const HostFacts& facts, DoctorFindings& into);
void judge_ipv6(const HostFacts& facts, DoctorFindings& into);

// The address that a connection to the Internet would come from, by the machine's routes; sends nothing.
// nullopt: there is no route.
enum class IpFamily { kIpv4, kIpv6 };
std::optional<IpAddress> outgoing_address(IpFamily family);

}  // namespace mailstead::admin
