#include "admin/doctor/doctor_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>
#include <string_view>

#include "admin/descriptor.h"
#include "admin/dns/dns_records.h"
#include "protocols/address.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr const char* kHowToName =
    "Set 'hostname' in mailstead.toml (for a container: its -h, or MAILSTEAD_HOSTNAME) to a name in your "
    "domain, such as mail.example.org, and restart the server.";
constexpr const char* kNoAnswer = "not known: no DNS server answered (see resolver)";

// What Docker and Podman call a container that nobody named.
bool is_container_id(std::string_view name) {
  return (name.size() == 12 || name.size() == 64) &&
         std::ranges::all_of(name, [](char c) { return ascii::is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::any_of(names, [&](const std::string& each) { return ascii::same(each, name); });
}

const char* record_for(const IpAddress& address) {
  return address.is_ipv4() ? "A" : "AAAA";
}

}  // namespace

void HostLook::begin(Outside& outside, std::function<void(const IpAddress&)> published) {
  published_ = std::move(published);
  for (HostAddress& each : facts_.addresses) ask_names(outside, each);
  if (!can_be_found(facts_.hostname) || !dns::is_name(facts_.hostname)) return;
  for (const dns::Type type : {dns::Type::kA, dns::Type::kAaaa}) {
    outside.ask({facts_.hostname, type},
                [this, type, &outside](const dns::Answer& answer) { on_addresses(outside, type, answer); });
  }
}

void HostLook::on_addresses(Outside& outside, dns::Type type, const dns::Answer& answer) {
  (type == dns::Type::kA ? facts_.a : facts_.aaaa) = answer.verdict;
  if (!answer.name.empty()) facts_.canonical = answer.name;
  constexpr std::size_t kMostAddresses = 16;  // each is asked about, and dialled
  for (const dns::Record& record : answer.records) {
    if (facts_.addresses.size() >= kMostAddresses) break;
    const auto known = std::ranges::find(facts_.addresses, record.address, &HostAddress::address);
    if (known != facts_.addresses.end()) {
      known->is_published = true;
    } else {
      const bool is_here = std::ranges::find(facts_.own, record.address) != facts_.own.end();
      facts_.addresses.push_back({record.address, is_here, true});
      if (is_public(record.address)) ask_names(outside, facts_.addresses.back());
    }
    if (published_ && is_public(record.address)) published_(record.address);
  }
}

// RFC 8601 3 calls it iprev: the address's names, and whether these lead back to it.
void HostLook::ask_names(Outside& outside, HostAddress& address) {
  constexpr std::size_t kMostNames = 5;  // a crowd of them proves nothing
  outside.ask(
      {reverse_name(address.address), dns::Type::kPtr}, [&outside, &address](const dns::Answer& answer) {
        address.verdict = answer.verdict;
        for (const dns::Record& record : answer.records) {
          if (address.names.size() == kMostNames || !dns::is_name(record.text)) continue;
          address.names.push_back(record.text);
          const dns::Type type = address.address.is_ipv4() ? dns::Type::kA : dns::Type::kAaaa;
          outside.ask({record.text, type}, [&address, name = record.text](const dns::Answer& back) {
            if (back.verdict == dns::Verdict::kFailed) address.is_unsure = true;
            const auto leads_back = [&](const dns::Record& each) { return each.address == address.address; };
            if (std::ranges::any_of(back.records, leads_back)) address.confirmed.push_back(name);
          });
        }
      });
}

bool looks_generic(const std::string& name, const IpAddress& address) {
  // Numbers and words in it, by what is neither.
  std::vector<std::string> words(1);
  const std::string text = ascii::lower(name);
  for (const char c : text) {
    const bool is_new = !words.back().empty() && ascii::is_digit(words.back().back()) != ascii::is_digit(c);
    if (!std::isalnum(static_cast<unsigned char>(c)) || is_new) words.emplace_back();
    if (std::isalnum(static_cast<unsigned char>(c))) words.back() += c;
  }
  static constexpr std::string_view kOfProviders[] = {"dyn",   "dynamic", "dhcp",     "pool",   "ppp",
                                                      "pppoe", "dialup",  "dsl",      "adsl",   "vdsl",
                                                      "cable", "cust",    "customer", "client", "broadband"};
  const bool has_word = std::ranges::any_of(words, [](const std::string& word) {
    return std::ranges::find(kOfProviders, word) != std::end(kOfProviders);
  });
  if (has_word || !address.is_ipv4()) return has_word;
  // Three of the four numbers, in whatever order, or all in hexadecimal digits.
  const auto* octets = address.octets.data() + 12;
  std::size_t found = 0;
  for (int i = 0; i < 4; ++i) {
    const std::string number = fmt::format("{}", octets[i]);
    const auto at = std::ranges::find_if(words, [&](const std::string& word) {
      return word == number || (word.size() == 3 && word == fmt::format("{:03}", octets[i]));
    });
    if (at == words.end()) continue;
    words.erase(at);
    ++found;
  }
  const std::string hexadecimal =
      fmt::format("{:02x}{:02x}{:02x}{:02x}", octets[0], octets[1], octets[2], octets[3]);
  return found >= 3 || text.find(hexadecimal) != std::string::npos;
}

void judge_hostname(const HostFacts& facts, DoctorFindings& into) {
  const std::string& name = facts.hostname;
  const auto add = [&](Health health, std::string found) {
    into.push_back({"hostname", health, std::move(found), health == Health::kOk ? "" : kHowToName});
  };
  if (name.starts_with('[') || parse_ip(name)) {
    return add(Health::kProblem,
               fmt::format("the server calls itself {}, which is an address, no name", name));
  }
  if (is_container_id(name)) {
    return add(
        Health::kProblem,
        fmt::format("the server calls itself {}: a name that the container got by chance, and loses with "
                    "its next start",
                    name));
  }
  if (name == "localhost" || name.starts_with("localhost.")) {
    return add(Health::kProblem, fmt::format("the server calls itself {}, as every machine does", name));
  }
  if (name.find('.') == std::string::npos) {
    return add(Health::kProblem,
               fmt::format("the server calls itself {}, which is no full name: its domain is missing", name));
  }
  if (!can_be_found(name)) {
    return add(Health::kProblem,
               fmt::format("the server calls itself {}, a name that only this house or network knows", name));
  }
  if (!parse_mail_domain(name))
    return add(Health::kProblem, fmt::format("'{}' is not the name of a host", name));
  add(Health::kOk, name);
}

void judge_forward(const HostFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"dns-forward", health, std::move(found), std::move(advice)});
  };
  const std::string& host = facts.hostname;
  if (!can_be_found(host)) return add(Health::kSkipped, "the server has no name yet (see hostname)", "");
  std::vector<std::string> published, here;
  std::size_t inner = 0, elsewhere = 0;
  for (const HostAddress& each : facts.addresses) {
    if (each.is_here && is_public(each.address)) here.push_back(each.address.text());
    if (!each.is_published) continue;
    published.push_back(each.address.text());
    if (!is_public(each.address)) {
      ++inner;
      add(Health::kProblem,
          fmt::format("{} leads to {}, which nobody elsewhere can reach", host, each.address.text()),
          fmt::format("Put the address that your provider gave you into the {} record.",
                      record_for(each.address)));
    } else if (!each.is_here) {
      ++elsewhere;
    }
  }
  if (published.empty()) {
    if (facts.a == dns::Verdict::kFailed || facts.aaaa == dns::Verdict::kFailed)
      return add(Health::kSkipped, kNoAnswer, "");
    return add(Health::kProblem, fmt::format("the DNS has no address for {}", host),
               "Where your domain's DNS is kept, add an A record (IPv4) or an AAAA record (IPv6) with this "
               "server's public address; 'mailstead dns records' shows it.");
  }
  if (!facts.canonical.empty() && !ascii::same(facts.canonical, host)) {
    // RFC 2181 10.3, RFC 5321 5.1
    add(Health::kWarning, fmt::format("{} is only another name (CNAME) of {}", host, facts.canonical),
        "An MX record may not lead to such a name, and some hosts refuse mail then. Replace the CNAME record "
        "by an A or AAAA record with the address.");
  }
  if (elsewhere > 0 && elsewhere + inner == published.size() && !here.empty()) {
    return add(Health::kWarning,
               fmt::format("{} leads to {}, and this machine has {}", host, fmt::join(published, ", "),
                           fmt::join(here, ", ")),
               "If that is not a router or proxy of yours that passes mail on to this machine, correct the "
               "A and AAAA records.");
  }
  if (inner > 0) return;
  if (elsewhere > 0 && here.empty()) {
    return add(Health::kOk,
               fmt::format("{} leads to {}; this machine is behind it, in a container or behind a router",
                           host, fmt::join(published, ", ")),
               "");
  }
  add(Health::kOk, fmt::format("{} leads to {}", host, fmt::join(published, ", ")), "");
}

namespace {

void judge_names_of(const HostAddress& each, const HostFacts& facts, DoctorFindings& into) {
  const std::string address = each.address.text();
  // Whose mail goes out by somebody else's server is not judged by his own address.
  const Health bad = facts.has_smarthost ? Health::kNote : Health::kProblem;
  const Health poor = facts.has_smarthost ? Health::kNote : Health::kWarning;
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"dns-reverse", health, std::move(found), std::move(advice)});
  };
  const std::string how = fmt::format(
      "Ask whoever gave you the address (your provider; often there is a form for it, 'reverse DNS' or "
      "'PTR') "
      "to call it {}.",
      facts.hostname);
  if (each.verdict == dns::Verdict::kFailed && each.names.empty())
    return add(Health::kSkipped, fmt::format("{}: {}", address, kNoAnswer), "");
  if (each.names.empty()) {
    return add(bad, fmt::format("{} has no name in the DNS: many hosts refuse mail from it", address), how);
  }
  const std::string names = fmt::format("{}", fmt::join(each.names, ", "));
  if (each.confirmed.empty()) {
    if (each.is_unsure)
      return add(Health::kSkipped, fmt::format("{} ({}): {}", address, names, kNoAnswer), "");
    return add(
        bad,
        fmt::format("{} is called {}, and that name does not lead back to it: many hosts refuse mail then",
                    address, names),
        how + " The name needs an A or AAAA record with this address.");
  }
  if (!contains(each.confirmed, facts.hostname)) {
    return add(poor,
               fmt::format("{} is called {}, and the server greets as {}", address, names, facts.hostname),
               how + " Or let 'hostname' in mailstead.toml be the name that the address has.");
  }
  if (looks_generic(facts.hostname, each.address)) {
    return add(
        poor,
        fmt::format("{} is called {}, which looks like the name of any customer of a provider", address,
                    facts.hostname),
        "Filters take mail from such names for that of infected PCs. Give the server a name in your own "
        "domain ('hostname' in mailstead.toml), and have the address called so.");
  }
  add(Health::kOk, fmt::format("{} is called {}", address, facts.hostname), "");
}

}  // namespace

void judge_reverse(const HostFacts& facts, DoctorFindings& into) {
  if (!can_be_found(facts.hostname)) {
    into.push_back({"dns-reverse", Health::kSkipped, "the server has no name yet (see hostname)"});
    return;
  }
  bool has_any = false;
  for (const HostAddress& each : facts.addresses) {
    if (!is_public(each.address)) continue;
    has_any = true;
    judge_names_of(each, facts, into);
  }
  if (!has_any) {
    into.push_back({"dns-reverse", Health::kSkipped,
                    "no public address of this server is known: neither this machine nor the DNS has one"});
  }
}

void judge_ipv6(const HostFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"ipv6", health, std::move(found), std::move(advice)});
  };
  std::vector<std::string> here, unnamed, unpublished, published;
  bool has_ipv4 = false;
  for (const HostAddress& each : facts.addresses) {
    if (!is_public(each.address)) continue;
    if (each.address.is_ipv4()) {
      has_ipv4 = has_ipv4 || each.is_here;
      continue;
    }
    const std::string text = each.address.text();
    if (each.is_published) published.push_back(text);
    if (!each.is_here) continue;
    here.push_back(text);
    if (!each.is_published) unpublished.push_back(text);
    if (each.confirmed.empty() && !each.is_unsure && each.verdict != dns::Verdict::kFailed)
      unnamed.push_back(text);
  }
  const bool works = facts.has_ipv6_route && !here.empty();
  if (!works && !published.empty()) {
    // In a container or behind a router another machine may have the address.
    const bool is_behind = here.empty() && !has_ipv4;
    return add(is_behind ? Health::kWarning : Health::kProblem,
               fmt::format("the DNS has an IPv6 address for {} ({}), and IPv6 does not work on this machine",
                           facts.hostname, fmt::join(published, ", ")),
               is_behind
                   ? "If your router or container host does not pass that address on to this server, take "
                     "the AAAA record out of the DNS: others try it first."
                   : "Others try it first, and their mail comes late or not at all. Have IPv6 work here, "
                     "or take the AAAA record out of the DNS.");
  }
  if (!works) return add(Health::kOk, "this machine has no IPv6, and says so: mail goes by IPv4", "");
  if (!unnamed.empty() && !facts.has_smarthost) {
    add(Health::kProblem,
        fmt::format(
            "mail leaves by IPv6 from {}, which has no name in the DNS that leads back to it: Google and "
            "others refuse such mail",
            fmt::join(unnamed, ", ")),
        fmt::format(
            "Have your provider call it {} ('reverse DNS', PTR). Where he does not: switch IPv6 off for "
            "this machine (net.ipv6.conf.all.disable_ipv6=1 in /etc/sysctl.d) and take the AAAA record "
            "out of the DNS.",
            facts.hostname));
  }
  if (!unpublished.empty() && facts.aaaa != dns::Verdict::kFailed && can_be_found(facts.hostname)) {
    add(Health::kWarning,
        fmt::format("mail may leave by IPv6 from {}, and the DNS does not say that this is {}",
                    fmt::join(unpublished, ", "), facts.hostname),
        "SPF records that 'mailstead dns records' shows do not allow that address then. Add an AAAA record "
        "with "
        "the address that your mail comes from.");
  }
  if (unnamed.empty() && unpublished.empty())
    add(Health::kOk, fmt::format("works, as {}", fmt::join(here, ", ")), "");
}

std::optional<IpAddress> outgoing_address(IpFamily family) {
  const bool is_ipv4 = family == IpFamily::kIpv4;
  // One of the root servers of the DNS: a route to it is one to the Internet.
  const IpAddress there = parse_ip(is_ipv4 ? "198.41.0.4" : "2001:503:ba3e::2:30").value();
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(53);
  std::memcpy(&v4.sin_addr, there.octets.data() + 12, 4);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(53);
  std::memcpy(&v6.sin6_addr, there.octets.data(), 16);
  auto* const address = is_ipv4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  socklen_t length = is_ipv4 ? sizeof v4 : sizeof v6;
  // A UDP socket that is connected has its address, and has sent nothing.
  const Descriptor probe(::socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe || ::connect(probe.get(), address, length) != 0) return std::nullopt;
  if (::getsockname(probe.get(), address, &length) != 0) return std::nullopt;
  return is_ipv4 ? ipv4_address({reinterpret_cast<const char*>(&v4.sin_addr), 4})
                 : ipv6_address({reinterpret_cast<const char*>(&v6.sin6_addr), 16});
}

}  // namespace mailstead::admin
