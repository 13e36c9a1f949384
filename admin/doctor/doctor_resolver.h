// doctor: whether DNS servers answer, and honestly; whether they are of use for DNS lists (RFC 5782); whether
// the server's own addresses stand on one. ResolverLook asks; judge_… are pure functions. Threads: one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/config/config.h"
#include "admin/doctor/doctor_finding.h"
#include "admin/outside.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {

struct DnsListFacts {
  std::string_view zone;
  dns::Answer listed;    // of 127.0.0.2, which every list has
  dns::Answer unlisted;  // of 127.0.0.1, which none has
  struct Own {
    IpAddress address;
    dns::Answer answer;
  };
  std::vector<Own> own = {};
};

struct ResolverFacts {
  std::vector<std::string> servers;  // as they are asked
  DnssecTrust trust = DnssecTrust::kLoopback;
  dns::Answer known;   // a name that is there, and signed
  dns::Answer absent;  // a name that nobody has
  std::vector<DnsListFacts> lists;
  bool is_asked = false;
};

class ResolverLook {
 public:
  enum class Lists { kLeftOut, kAsked };

  // `facts` outlives the looks.
  explicit ResolverLook(ResolverFacts& facts) : facts_(facts) {}
  void begin(Outside& outside, Lists lists);
  // Is this address of the server's on a list? Only after begin() with kAsked; what is asked twice is known.
  void ask_of(Outside& outside, const IpAddress& address);

 private:
  ResolverFacts& facts_;
};

// Those of the configuration, else of /etc/resolv.conf.
std::vector<std::string> dns_servers(const Config::Resolver& settings);

// None of its questions was answered.
bool is_silent(const ResolverFacts& facts);
// Why nothing that rests on what these servers say can be judged; empty: it can, or nobody was asked.
std::string why_unfit(const ResolverFacts& facts);
void judge_resolver(const ResolverFacts& facts, DoctorFindings& into);
void judge_lists(const ResolverFacts& facts, DoctorFindings& into);

}  // namespace mailstead::admin
