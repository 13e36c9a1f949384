#include "admin/doctor/doctor_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr std::uint16_t kSmtpPort = 25;

constexpr const char* kBlocked =
    "Most providers of homes, and some of servers, block port 25 against spam. Ask yours to open it. Where "
    "he "
    "does not, send by his mail server or another one: in mailstead.toml [queue] smarthost = { host = "
    "\"smtp.isp.example\", user = \"me\", password_file = \"/etc/mailstead-smarthost\" }. Receiving mail is "
    "not "
    "touched by this.";

struct Target {
  std::string host;
  std::uint16_t port = 0;  // 0: a domain
};

Target target_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const bool is_bare_ipv6 = parse_ipv6(text).has_value();
  if (colon == std::string::npos || is_bare_ipv6) return {text, 0};
  Target target{text.substr(0, colon), 0};
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), target.port);
  if (target.host.starts_with('[') && target.host.ends_with(']'))
    target.host = target.host.substr(1, target.host.size() - 2);
  return target;
}

bool has_greeted(const Heard& heard) {
  return !heard.replies.empty() && heard.replies.front().starts_with("220");
}

std::string place_of(const ProbeFacts& probe, const ProbeFacts::Try& each) {
  const std::string host = probe.host.empty() || probe.host == each.address.text()
                               ? each.address.text()
                               : fmt::format("{} [{}]", probe.host, each.address.text());
  return each.port == kSmtpPort ? host : fmt::format("{} port {}", host, each.port);
}

}  // namespace

void OutLook::begin(Outside& outside, const std::vector<std::string>& targets) {
  for (const std::string& text : targets) {
    ProbeFacts& probe = facts_.probes.emplace_back();
    probe.target = text;
    const Target target = target_of(text);
    if (const auto address = parse_ip(target.host)) {
      probe.host = target.host;
      try_at(outside, probe, *address, target.port == 0 ? kSmtpPort : target.port);
    } else if (target.port != 0) {
      ask_host(outside, probe, target.host, target.port);
    } else {
      outside.ask({target.host, dns::Type::kMx}, [this, &outside, &probe](const dns::Answer& answer) {
        const auto best = std::ranges::min_element(answer.records, {}, &dns::Record::preference);
        if (best != answer.records.end()) ask_host(outside, probe, best->text, kSmtpPort);
      });
    }
  }
}

void OutLook::ask_host(Outside& outside, ProbeFacts& probe, const std::string& host, std::uint16_t port) {
  probe.host = host;
  for (const dns::Type type : {dns::Type::kA, dns::Type::kAaaa}) {
    if (type == dns::Type::kAaaa && !facts_.has_ipv6) continue;
    outside.ask({host, type}, [this, &outside, &probe, port](const dns::Answer& answer) {
      // One address of each kind: nobody is bothered more than is needed.
      if (!answer.records.empty()) try_at(outside, probe, answer.records.front().address, port);
    });
  }
}

void OutLook::try_at(Outside& outside, ProbeFacts& probe, const IpAddress& address, std::uint16_t port) {
  probe.is_resolved = true;
  ProbeFacts::Try& each = probe.tries.emplace_back();
  each.address = address;
  each.port = port;
  each.heard.failure = "no answer";
  const auto kind = facts_.is_tls_at_once ? Dialogue::Kind::kConnect : Dialogue::Kind::kSmtp;
  outside.talk({address, port, kind}, [&each](const Heard& heard) { each.heard = heard; });
}

void judge_port_25_out(const OutFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"port-25-out", health, std::move(found), std::move(advice)});
  };
  std::vector<std::string> reached, refused, silent, silent6;
  bool is_resolved = false, has_reached6 = false;
  for (const ProbeFacts& probe : facts.probes) {
    is_resolved = is_resolved || probe.is_resolved;
    for (const ProbeFacts::Try& each : probe.tries) {
      const std::string place = place_of(probe, each);
      if (has_greeted(each.heard) || (facts.is_tls_at_once && each.heard.is_connected)) {
        reached.push_back(place);
        has_reached6 = has_reached6 || !each.address.is_ipv4();
      } else if (!each.heard.replies.empty()) {
        refused.push_back(fmt::format("{}: {}", place, each.heard.replies.front()));
      } else {
        (each.address.is_ipv4() ? silent : silent6)
            .push_back(fmt::format("{}: {}", place, each.heard.failure));
      }
    }
  }
  if (!is_resolved) {
    std::vector<std::string> names;
    for (const ProbeFacts& probe : facts.probes) names.push_back(probe.target);
    return add(
        facts.is_smarthost ? Health::kProblem : Health::kSkipped,
        fmt::format("the DNS has no address for {}", fmt::join(names, ", ")),
        facts.is_smarthost ? "Correct the host of [queue] smarthost, or see resolver." : "See resolver.");
  }
  if (!refused.empty()) {
    add(Health::kWarning, fmt::format("{} does not let this server in", fmt::join(refused, "; ")),
        "Its words say why. Often it is the address: see dns-reverse and dns-lists.");
  }
  if (reached.empty() && refused.empty()) {
    silent.insert(silent.end(), silent6.begin(), silent6.end());
    if (facts.is_smarthost) {
      return add(
          Health::kProblem, fmt::format("the smarthost does not answer: {}", fmt::join(silent, "; ")),
          "All mail to others waits for it. See whether host and port of [queue] smarthost are what its "
          "provider says, and whether a firewall is between.");
    }
    return add(Health::kProblem,
               fmt::format("no mail server of others can be reached on port 25: {}", fmt::join(silent, "; ")),
               kBlocked);
  }
  if (!silent6.empty() && !has_reached6) {
    add(Health::kWarning, fmt::format("by IPv6 nobody can be reached: {}", fmt::join(silent6, "; ")),
        "Mail goes by IPv4 after a while. Have your provider open port 25 for IPv6 too, or switch IPv6 off "
        "for "
        "this machine.");
  }
  if (!silent.empty() && !reached.empty()) {
    add(Health::kNote, fmt::format("did not answer: {}", fmt::join(silent, "; ")),
        "Others did; look again later.");
  }
  if (!reached.empty()) add(Health::kOk, fmt::format("reached {}", fmt::join(reached, ", ")), "");
}

void dial_in(Outside& outside, const IpAddress& address, InFacts& facts) {
  InFacts::Try& each = facts.tries.emplace_back();
  each.address = address;
  each.heard.failure = "no answer";
  outside.talk({address, kSmtpPort}, [&each](const Heard& heard) { each.heard = heard; });
}

void judge_port_25_in(const InFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"port-25-in", health, std::move(found), std::move(advice)});
  };
  if (!facts.is_running) return add(Health::kSkipped, "no server runs yet: run this again when it does", "");
  if (!facts.listens_on_25) {
    add(Health::kWarning, "the server does not listen on port 25, to which others bring mail",
        "This is right only where somebody passes port 25 on to it (a container's -p 25:2525, a proxy, "
        "LMTP). "
        "Else: [listen] smtp = [\"[::]:25\"].");
  }
  if (facts.tries.empty()) {
    return add(Health::kSkipped, fmt::format("the DNS has no public address for {}", facts.hostname),
               "See dns-forward.");
  }
  for (const InFacts::Try& each : facts.tries) {
    const std::string place = fmt::format("{} port 25", each.address.text());
    if (each.heard.replies.empty()) {
      add(Health::kWarning, fmt::format("{} cannot be reached from here: {}", place, each.heard.failure),
          "From inside this need not mean much: many routers do not lead a connection to their own outside "
          "back "
          "in, so others may reach it. Try from another network: 'nc -v' or 'telnet' with this address and "
          "port, "
          "or send yourself mail from another provider. If that fails too: forward port 25 in the router, "
          "open it "
          "in the firewall (also that of your provider's web console).");
    } else if (const std::string& greeting = each.heard.replies.front();
               greeting.starts_with(fmt::format("220 {} ", facts.hostname)) &&
               greeting.find("Mailstead") != std::string::npos) {
      add(Health::kOk, fmt::format("{} leads to this server", place), "");
    } else {
      add(Health::kProblem, fmt::format("at {} somebody else answers: {}", place, greeting),
          fmt::format(
              "Mail for your domains goes there. See that the A and AAAA records of {}, and the port that "
              "a router forwards, lead to this machine.",
              facts.hostname));
    }
  }
}

void judge_ports(const std::vector<PortFacts>& ports, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"ports", health, std::move(found), std::move(advice)});
  };
  std::vector<std::string> listening, free, unknown;
  bool takes_mail = false;
  for (const PortFacts& port : ports) {
    const std::string place = fmt::format("{} ({})", port.address, port.service);
    takes_mail = takes_mail || port.service == "smtp" || port.service == "lmtp";
    switch (port.state) {
      case PortFacts::State::kListening:
        listening.push_back(place);
        break;
      case PortFacts::State::kFree:
        free.push_back(place);
        break;
      case PortFacts::State::kUnknown:
        unknown.push_back(place);
        break;
      case PortFacts::State::kSilent:
        add(Health::kProblem, fmt::format("{} does not answer: {}", place, port.words),
            "The server says that it listens there. See its log, and whether a firewall keeps this machine "
            "from "
            "itself.");
        break;
      case PortFacts::State::kMissing:
        add(Health::kProblem, fmt::format("the server does not listen on {}", place),
            "It runs with other settings than the configuration has now, or could not have the port: its log "
            "says "
            "so. Restart it, or have it read the configuration again (SIGHUP).");
        break;
      case PortFacts::State::kTaken:
        add(Health::kProblem, fmt::format("{} is taken by another program", place),
            port.service == "http" || port.service == "web" || port.service == "webs" ||
                    port.service == "acme"
                ? "'ss -ltnp' as root shows which one. Often it is a web server (nginx, Apache, Caddy): have "
                  "it "
                  "pass on to this server what is meant for it, or choose another address in [listen]."
                : "'ss -ltnp' as root shows which one. On Debian it is often Exim or Postfix: 'systemctl "
                  "disable --now exim4' (or postfix), or choose another address in [listen].");
        break;
      case PortFacts::State::kForbidden:
        add(Health::kProblem, fmt::format("this user may not listen on {}", place),
            "Ports below 1024 want a right: start the server as root (it gives that up), by its systemd "
            "unit, or "
            "in a container with --cap-add NET_BIND_SERVICE.");
        break;
      case PortFacts::State::kAbsent:
        add(Health::kProblem, fmt::format("this machine does not have the address of {}", place),
            "Correct [listen] in mailstead.toml; \"[::]\" stands for all addresses of the machine.");
        break;
    }
  }
  if (!takes_mail) {
    add(Health::kNote, "no mail is taken from other servers: [listen] smtp is empty",
        "Mail for your domains does not come in.");
  }
  if (!listening.empty()) add(Health::kOk, fmt::format("answers on {}", fmt::join(listening, ", ")), "");
  if (!free.empty()) add(Health::kOk, fmt::format("{}: free for the server", fmt::join(free, ", ")), "");
  if (!unknown.empty()) add(Health::kSkipped, fmt::format("{}: not tried", fmt::join(unknown, ", ")), "");
}

}  // namespace mailstead::admin
