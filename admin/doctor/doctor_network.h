// doctor: port 25 out and in, the server's own ports, and whether it passes on strangers' mail.
// …Look asks; judge_… are pure functions. Threads: one.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/doctor/doctor_finding.h"
#include "admin/outside.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {

// ---- port 25 out

struct ProbeFacts {
  std::string target;  // "gmail.com", "mx.example.net:25"
  std::string host;    // of a domain the first of its mail servers
  bool is_resolved = false;
  struct Try {
    IpAddress address;
    std::uint16_t port = 25;
    Heard heard;
  };
  std::list<Try> tries = {};
};

struct OutFacts {
  bool is_smarthost = false;    // the only target is the one that all mail goes by
  bool has_ipv6 = false;        // a route to the Internet
  bool is_tls_at_once = false;  // of the smarthost: it is only connected to
  std::list<ProbeFacts> probes;
};

class OutLook {
 public:
  explicit OutLook(OutFacts& facts) : facts_(facts) {}
  // A domain, whose mail servers are asked for, or HOST:PORT.
  void begin(Outside& outside, const std::vector<std::string>& targets);

 private:
  void ask_host(Outside& outside, ProbeFacts& probe, const std::string& host, std::uint16_t port);
  void try_at(Outside& outside, ProbeFacts& probe, const IpAddress& address, std::uint16_t port);

  OutFacts& facts_;
};

void judge_port_25_out(const OutFacts& facts, DoctorFindings& into);

// ---- port 25 in

struct InFacts {
  std::string hostname;
  bool is_running = false;
  bool listens_on_25 = false;
  struct Try {
    IpAddress address;
    Heard heard;
  };
  std::list<Try> tries;  // at what the DNS says of our name
};

void dial_in(Outside& outside, const IpAddress& address, InFacts& facts);
void judge_port_25_in(const InFacts& facts, DoctorFindings& into);

// ---- the server's own ports

struct PortFacts {
  std::string service;  // "smtp"
  std::string address;  // "[::]:25"
  enum class State {
    kListening,  // and answered from here
    kSilent,     // it listens, they say, and did not answer
    kMissing,    // the running server does not listen there
    kFree,       // no server runs, and nobody else has it
    kTaken,      // somebody else has it
    kForbidden,  // ports below 1024 want a right that this user does not have
    kAbsent,     // this machine does not have the address
    kUnknown,
  } state = State::kUnknown;
  std::string words = {};  // why
};

void judge_ports(const std::vector<PortFacts>& ports, DoctorFindings& into);

// ---- open relay

struct RelayFacts {
  bool is_running = false;
  std::optional<IpAddress> from;  // what we came from; nullopt: there was no listener to go to
  Heard heard;
};

// What is said in that order: one session, without DATA. `domain`: one of ours, or the host's name.
// `address`: the server's, for a literal.
std::vector<std::string> relay_commands(const std::string& hostname, const std::string& domain,
                                        const IpAddress& address);
// `commands`: as they were said.
void judge_relay(const RelayFacts& facts, const std::vector<std::string>& commands, DoctorFindings& into);

}  // namespace mailstead::admin
