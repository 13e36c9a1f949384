// doctor: the open relay test.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "admin/doctor/doctor_network.h"
#include "admin/refusal_list.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

// RFC 2606: nobody's, so no mail could reach anybody were it taken.
constexpr const char* kStranger = "relay-test@example.com";
constexpr const char* kVictim = "someone@example.net";

struct Trick {
  std::string_view name;
  std::string from;
  std::string to;
};

// RFC 5321 4.1.2: an IPv6 address in a literal has its kind before it.
std::string literal_of(const IpAddress& address) {
  return address.is_ipv4() ? fmt::format("[{}]", address.text()) : fmt::format("[IPv6:{}]", address.text());
}

std::vector<Trick> tricks(const std::string& hostname, const std::string& domain, const IpAddress& address) {
  const std::string literal = literal_of(address);
  return {
      // Whether the domain has a catch-all: then what looks like a trick is a mailbox's name.
      {"catch-all", kStranger, fmt::format("mailstead-doctor-relay-test@{}", domain)},
      {"plain", kStranger, kVictim},
      {"empty sender", "", kVictim},
      {"sender of ours", fmt::format("postmaster@{}", domain), kVictim},
      {"sender of this host", fmt::format("root@{}", hostname), kVictim},
      {"sender with our address", fmt::format("root@{}", literal), kVictim},
      {"percent sign", kStranger, fmt::format("someone%example.net@{}", domain)},
      {"percent sign, host", kStranger, fmt::format("someone%example.net@{}", hostname)},
      {"percent sign, address", kStranger, fmt::format("someone%example.net@{}", literal)},
      {"bang path", kStranger, fmt::format("example.net!someone@{}", domain)},
      {"quoted address", kStranger, fmt::format("\"someone@example.net\"@{}", domain)},
      {"source route", kStranger, fmt::format("@{}:someone@example.net", domain)},
      {"two domains", kStranger, fmt::format("someone@example.net@{}", domain)},
      {"quoted, without a domain", kStranger, "\"someone@example.net\""},
      {"address of somebody else", kStranger, "someone@[192.0.2.1]"},
  };
}

bool is_taken(const Heard& heard, std::size_t reply) {
  return reply < heard.replies.size() && heard.replies[reply].starts_with('2');
}

}  // namespace

std::vector<std::string> relay_commands(const std::string& hostname, const std::string& domain,
                                        const IpAddress& address) {
  std::vector<std::string> commands = {fmt::format("EHLO {}", kRelayTestHelo)};
  for (const Trick& trick : tricks(hostname, domain, address)) {
    commands.push_back(fmt::format("MAIL FROM:<{}>", trick.from));
    commands.push_back(fmt::format("RCPT TO:<{}>", trick.to));
    commands.emplace_back("RSET");
  }
  return commands;
}

void judge_relay(const RelayFacts& facts, const std::vector<std::string>& commands, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"open-relay", health, std::move(found), std::move(advice)});
  };
  if (!facts.is_running) return add(Health::kSkipped, "no server runs yet: run this again when it does", "");
  if (!facts.from)
    return add(Health::kSkipped, "the server takes no mail from other hosts ([listen] smtp)", "");
  const Heard& heard = facts.heard;
  std::size_t tried = 0;
  std::vector<std::string> taken;
  bool takes_all = false;
  // Behind the greeting a command's reply has the command's place, plus one.
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (!commands[i].starts_with("RCPT ") || i + 1 >= heard.replies.size()) continue;
    const bool is_first = tried++ == 0;
    if (!is_taken(heard, i + 1)) continue;
    if (is_first) {
      takes_all = true;
    } else if (!takes_all || commands[i].find("example.net>") != std::string::npos) {
      taken.push_back(fmt::format("{} {}", commands[i - 1], commands[i]));
    }
  }
  if (!taken.empty()) {
    return add(Health::kProblem,
               fmt::format("the server on port 25 takes mail from strangers for strangers: {}",
                           fmt::join(taken, "; ")),
               "Stop it now: spammers find such servers within hours, and your address comes onto all lists. "
               "Mailstead itself has no setting for that: see whether another mail server has the port, or a "
               "filter or proxy in front of it.");
  }
  const std::size_t all = (commands.size() - 1) / 3;
  if (tried < all) {
    return add(
        Health::kWarning,
        fmt::format("only {} of {} ways to send strangers' mail through the server could be tried: {}", tried,
                    all, heard.failure.empty() ? "it hung up" : heard.failure),
        "Run this again in a few minutes. Where 'listen.proxy_protocol_from' names this machine, it cannot "
        "be tried from here.");
  }
  add(Health::kOk,
      fmt::format(
          "{} ways to send strangers' mail through the server were refused, from {}; nobody is exempt",
          all - 1, facts.from->text()),
      "");
}

}  // namespace mailstead::admin
