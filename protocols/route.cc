#include "protocols/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "protocols/address.h"
#include "protocols/ascii.h"

namespace mailstead {
namespace {

using Lasts = RouteFailure::Lasts;

RouteFailure no_answer(const std::string& name) {
  return {Lasts::kForNow, "4.4.3", fmt::format("The DNS gives no answer about {}", name)};
}

RouteFailure loops_back(const std::string& domain) {
  return {Lasts::kForGood, "5.4.6",
          fmt::format("The DNS names this server as the one for {}, which is not a domain of ours", domain)};
}

RouteFailure no_host(const std::string& domain) {
  return {Lasts::kForGood, "5.4.4",
          fmt::format("No server for {} has an address to be contacted at", domain)};
}

bool is_any_of(const IpAddress& address, std::initializer_list<std::string_view> networks) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](std::string_view text) { return parse_ip_network(text)->contains(address); });
}

enum class Contact { kYes, kNo, kOurselves };

Contact contact(const IpAddress& address, const RoutePolicy& policy) {
  const AddressKind kind = address_kind(address);
  if (kind == AddressKind::kNever) return Contact::kNo;
  if (policy.port == RoutePolicy::Port::kOurs &&
      (kind == AddressKind::kLoopback ||
       std::find(policy.addresses.begin(), policy.addresses.end(), address) != policy.addresses.end())) {
    return Contact::kOurselves;
  }
  if (kind == AddressKind::kPrivate && policy.private_addresses == RoutePolicy::Private::kRefused) {
    return Contact::kNo;
  }
  return Contact::kYes;
}

// IPv6 and IPv4 by turns, each in the order it was given: RFC 8305 4, RFC 5321 5.1.
std::vector<IpAddress> by_turns(const std::vector<IpAddress>& ipv6, const std::vector<IpAddress>& ipv4) {
  std::vector<IpAddress> all;
  for (std::size_t i = 0; i < std::max(ipv6.size(), ipv4.size()); ++i) {
    if (i < ipv6.size()) all.push_back(ipv6[i]);
    if (i < ipv4.size()) all.push_back(ipv4[i]);
  }
  return all;
}

RouteHost host_of(const HostAnswers& answers) {
  RouteHost host{answers.host.name, answers.host.name, {}, answers.host.preference, false};
  const DnsAnswer& found = answers.ipv6.status == DnsStatus::kFound ? answers.ipv6 : answers.ipv4;
  if (found.status == DnsStatus::kFound) host.canonical = found.name;
  // RFC 7672 2.2.2: both families' answers, or who forges one chooses where the mail goes.
  host.authenticated = answers.host.authenticated && answers.ipv4.authenticated && answers.ipv6.authenticated;
  return host;
}

bool in_doubt(const HostAnswers& answers) {
  return answers.ipv4.status == DnsStatus::kTemporary || answers.ipv6.status == DnsStatus::kTemporary;
}

// From the first one of ours on nobody is better than we are: RFC 5321 5.1.
template <typename Host>
void drop_from(std::vector<Host>& hosts, unsigned preference) {
  std::erase_if(hosts, [preference](const Host& host) { return host.preference >= preference; });
}

}  // namespace

AddressKind address_kind(const IpAddress& address) {
  if (is_any_of(address, {"127.0.0.0/8", "0.0.0.0/8", "::1", "::"})) return AddressKind::kLoopback;
  if (is_any_of(address, {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"})) {
    return AddressKind::kPrivate;
  }
  // 64:ff9b::/96 stays: RFC 6052's is how a network without IPv4 reaches it.
  if (is_any_of(address, {"224.0.0.0/4", "240.0.0.0/4", "169.254.0.0/16", "ff00::/8", "fe80::/10",
                          "fec0::/10", "::/96"})) {
    return AddressKind::kNever;
  }
  return AddressKind::kPublic;
}

Candidates candidates(const std::string& domain, const DnsAnswer& mx, const RoutePolicy& policy,
                      std::minstd_rand& random) {
  switch (mx.status) {
    case DnsStatus::kTemporary:
      return no_answer(domain);
    case DnsStatus::kNoDomain:
      return RouteFailure{Lasts::kForGood, "5.1.2", fmt::format("There is no domain {}", domain)};
    case DnsStatus::kNoRecords:
      // RFC 5321 5.1: the domain is its own host, of preference 0.
      if (ascii::same(domain, policy.hostname)) return loops_back(domain);
      return std::vector<MailHost>{{domain, 0, mx.authenticated}};
    case DnsStatus::kFound:
      break;
  }
  // RFC 7505 3: nothing but the root says that no mail is taken.
  if (mx.exchanges.size() == 1 && mx.exchanges[0].exchange == ".") {
    return RouteFailure{Lasts::kForGood, "5.1.10", fmt::format("{} takes no mail (null MX)", domain)};
  }
  std::vector<MailHost> hosts;
  for (const MxRecord& record : mx.exchanges) {
    // An address in the place of a name is against RFC 1035 3.3.9, and nobody's name in the DNS.
    const auto name = parse_domain(record.exchange);
    if (!name || parse_ip(record.exchange)) continue;
    hosts.push_back({*name, record.preference, mx.authenticated});
  }
  if (hosts.empty()) return no_host(domain);
  std::shuffle(hosts.begin(), hosts.end(), random);
  std::stable_sort(hosts.begin(), hosts.end(),
                   [](const MailHost& a, const MailHost& b) { return a.preference < b.preference; });
  const auto us = std::find_if(hosts.begin(), hosts.end(),
                               [&](const MailHost& host) { return ascii::same(host.name, policy.hostname); });
  if (us != hosts.end()) drop_from(hosts, us->preference);
  if (hosts.empty()) return loops_back(domain);
  if (hosts.size() > kMostMailHosts) hosts.resize(kMostMailHosts);
  return hosts;
}

std::variant<RouteHost, RouteFailure> route_to_literal(std::string_view literal, const RoutePolicy& policy) {
  // RFC 5321 4.1.3
  std::string_view text = literal;
  if (text.starts_with('[')) text.remove_prefix(1);
  if (text.ends_with(']')) text.remove_suffix(1);
  if (ascii::starts_with(text, "ipv6:")) text.remove_prefix(5);
  const auto address = parse_ip(text);
  const Contact allowed = address ? contact(*address, policy) : Contact::kNo;
  if (allowed == Contact::kOurselves) return loops_back(std::string(literal));
  if (allowed == Contact::kNo) {
    return RouteFailure{Lasts::kForGood, "5.1.2", fmt::format("No mail is sent to {}", literal)};
  }
  return RouteHost{address->text(), address->text(), {*address}, 0, false};
}

std::variant<std::vector<RouteHost>, RouteFailure> route_to(const std::string& domain,
                                                            const std::vector<HostAnswers>& answers,
                                                            const RoutePolicy& policy) {
  std::vector<RouteHost> hosts;
  const std::string* doubtful = nullptr;
  unsigned ours = ~0U;  // the best preference of what is we
  for (const HostAnswers& one : answers) {
    if (one.host.preference >= ours) break;
    RouteHost host = host_of(one);
    for (const IpAddress& address : by_turns(one.ipv6.addresses, one.ipv4.addresses)) {
      const Contact allowed = contact(address, policy);
      if (allowed == Contact::kOurselves) ours = one.host.preference;
      if (allowed == Contact::kYes) host.addresses.push_back(address);
    }
    if (!host.addresses.empty()) {
      hosts.push_back(std::move(host));
    } else if (in_doubt(one)) {
      doubtful = &one.host.name;
    }
  }
  drop_from(hosts, ours);
  std::size_t left = kMostMailAddresses;
  for (RouteHost& host : hosts) {
    host.addresses.resize(std::min(host.addresses.size(), left));
    left -= host.addresses.size();
  }
  std::erase_if(hosts, [](const RouteHost& host) { return host.addresses.empty(); });
  if (!hosts.empty()) return hosts;
  // A better one that cannot be looked up now may come back.
  if (doubtful != nullptr) return no_answer(*doubtful);
  return ours != ~0U ? loops_back(domain) : no_host(domain);
}

std::variant<RouteHost, RouteFailure> route_to_fixed(const HostAnswers& answers) {
  RouteHost host = host_of(answers);
  for (const IpAddress& address : by_turns(answers.ipv6.addresses, answers.ipv4.addresses)) {
    if (address_kind(address) != AddressKind::kNever) host.addresses.push_back(address);
  }
  if (host.addresses.size() > kMostMailAddresses) host.addresses.resize(kMostMailAddresses);
  if (!host.addresses.empty()) return host;
  if (in_doubt(answers)) return no_answer(host.name);
  return RouteFailure{Lasts::kForNow, "4.4.4",
                      fmt::format("The configured host {} has no address in the DNS", host.name)};
}

}  // namespace mailstead
