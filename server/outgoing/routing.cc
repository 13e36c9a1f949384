#include "server/outgoing/routing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostRouteHosts = 10;  // RFC 5321 5.1 wants two at least; a domain may name any number
constexpr std::size_t kMostTargets = 20;     // addresses that are tried

std::mt19937& random_source() {
  thread_local std::mt19937 source{std::random_device{}()};
  return source;
}

// "[192.0.2.1]", "[IPv6:2001:db8::1]"
std::optional<IpAddress> literal(std::string_view domain) {
  if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
  domain = domain.substr(1, domain.size() - 2);
  if (ascii::starts_with(domain, "IPv6:")) return parse_ipv6(domain.substr(5));
  return parse_ip(domain);
}

}  // namespace

std::string RouteTarget::words() const {
  const std::string text = address.text();
  return host == text ? fmt::format("[{}]", text) : fmt::format("{} [{}]", host, text);
}

bool is_nowhere(const IpAddress& address) {
  const auto& o = address.octets;
  if (address.is_ipv4()) return o[12] == 0 || o[12] == 127 || o[12] >= 224;
  const bool low = std::all_of(o.begin(), o.begin() + 15, [](std::uint8_t octet) { return octet == 0; });
  return (low && o[15] <= 1) || o[0] == 0xFF;
}

std::vector<dns::Record> order_of(std::vector<dns::Record> mx, const std::string& hostname,
                                  std::mt19937& random, bool& leads_to_us) {
  std::ranges::shuffle(mx, random);
  std::ranges::stable_sort(mx, {}, &dns::Record::preference);
  const auto we =
      std::ranges::find_if(mx, [&](const dns::Record& each) { return ascii::same(each.text, hostname); });
  leads_to_us = we != mx.end();
  if (!leads_to_us) return mx;
  const std::uint16_t ours = we->preference;
  std::erase_if(mx, [ours](const dns::Record& each) { return each.preference >= ours; });
  return mx;
}

Routing::Routing(Resolver& resolver, RoutingTerms terms, std::string domain, By by, Done done)
    : resolver_(resolver),
      terms_(std::move(terms)),
      domain_(std::move(domain)),
      by_(by),
      done_(std::move(done)) {
  if (by_ == By::kMx && !literal(domain_)) {
    questions_.push_back(
        resolver_.ask(domain_, dns::Type::kMx, [this](const dns::Answer& answer) { on_mx(answer); }));
  } else {
    ask_addresses({{domain_, 0, {}, {}, false}});
  }
}

void Routing::on_mx(const dns::Answer& answer) {
  mx_is_authenticated_ = answer.authenticated;
  switch (answer.verdict) {
    case dns::Verdict::kFailed:
      return fail(false, "4.4.3", fmt::format("the name servers of {} do not answer", domain_));
    case dns::Verdict::kNoName:
      return fail(true, "5.1.2", fmt::format("there is no domain {}", domain_));
    case dns::Verdict::kNoRecords:
      return ask_addresses({{domain_, 0, {}, {}, false}});  // RFC 5321 5.1: the implicit MX
    case dns::Verdict::kFound:
      break;
  }
  has_mx_ = true;
  // RFC 7505 3
  if (std::ranges::all_of(answer.records, [](const dns::Record& each) { return each.text.empty(); })) {
    return fail(true, "5.1.10", fmt::format("{} takes no mail at all, as its null MX record says", domain_));
  }
  auto records = order_of(answer.records, terms_.hostname, random_source(), leads_to_us_);
  std::erase_if(records, [](const dns::Record& each) { return each.text.empty(); });
  std::vector<Host> hosts;
  for (const dns::Record& each : records) {
    if (hosts.size() < kMostRouteHosts) hosts.push_back({each.text, each.preference, {}, {}, false});
  }
  if (hosts.empty()) {
    return fail(true, "5.4.6",
                fmt::format("the MX records of {} lead to this server, which does not know it", domain_));
  }
  ask_addresses(std::move(hosts));
}

void Routing::ask_addresses(std::vector<Host> hosts) {
  hosts_ = std::move(hosts);
  questions_.clear();
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    for (const dns::Type type : {dns::Type::kAaaa, dns::Type::kA}) {
      ++open_;
      const auto known = literal(hosts_[i].name);
      // A question about nothing keeps what is known already for a later turn of the loop.
      const std::string name = known ? std::string() : hosts_[i].name;
      questions_.push_back(resolver_.ask(name, type, [this, i, type, known](const dns::Answer& answer) {
        if (!known) return on_addresses(i, type, answer);
        dns::Answer of_literal;
        if (known->is_ipv4() == (type == dns::Type::kA)) {
          of_literal.verdict = dns::Verdict::kFound;
          of_literal.records.resize(1);
          of_literal.records[0].address = *known;
        } else {
          of_literal.verdict = dns::Verdict::kNoRecords;
        }
        on_addresses(i, type, of_literal);
      }));
    }
  }
}

void Routing::on_addresses(std::size_t place, dns::Type type, const dns::Answer& answer) {
  Host& host = hosts_[place];
  auto& into = type == dns::Type::kA ? host.v4 : host.v6;
  for (const dns::Record& each : answer.records)
    into.push_back({host.name, each.address, mx_is_authenticated_ && answer.authenticated, answer.name});
  if (answer.verdict == dns::Verdict::kFailed) host.unsure = true;
  if (--open_ == 0) assemble();
}

void Routing::assemble() {
  Route route;
  bool unsure = false;
  std::optional<std::uint16_t> preference;
  std::size_t nearer = 0;  // addresses of hosts whose preference is better than that
  bool reaches_us = false;
  for (Host& host : hosts_) {
    if (reaches_us) break;
    if (preference != host.preference) nearer = route.size();
    preference = host.preference;
    unsure = unsure || host.unsure;
    std::vector<RouteTarget> addresses;
    // The two kinds take turns, so that one of them that leads nowhere costs little (RFC 8305 4).
    for (std::size_t i = 0; i < std::max(host.v6.size(), host.v4.size()); ++i) {
      if (i < host.v6.size()) addresses.push_back(host.v6[i]);
      if (i < host.v4.size()) addresses.push_back(host.v4[i]);
    }
    const std::string name = literal(host.name) ? literal(host.name)->text() : host.name;
    for (RouteTarget& target : addresses) {
      target.host = name;
      if (by_ == By::kMx && is_nowhere(target.address)) {
        leads_to_us_ = true;
        continue;
      }
      if (by_ == By::kMx && terms_.is_ours && terms_.is_ours(target.address)) {
        // RFC 5321 5.1: nor are those tried that are as far away as we are.
        leads_to_us_ = reaches_us = true;
        route.erase(route.begin() + static_cast<std::ptrdiff_t>(nearer), route.end());
        break;
      }
      if (route.size() < kMostTargets) route.push_back(target);
    }
  }
  if (!route.empty()) return finish(std::move(route));
  if (unsure)
    return fail(false, "4.4.3", fmt::format("the name servers for the hosts of {} do not answer", domain_));
  if (leads_to_us_) {
    return fail(true, "5.4.6",
                fmt::format("mail for {} would come back to this server, which does not know it", domain_));
  }
  if (by_ == By::kHost) return fail(false, "4.4.4", fmt::format("there is no address of {}", domain_));
  if (has_mx_) return fail(false, "4.4.4", fmt::format("no mail server of {} has an address", domain_));
  fail(true, "5.1.2", fmt::format("{} has no mail server", domain_));
}

void Routing::fail(bool permanent, std::string status, std::string text) {
  finish(RouteFailure{permanent, std::move(status), std::move(text)});
}

void Routing::finish(RouteResult result) {
  const auto done = std::move(done_);
  done(std::move(result));
}

}  // namespace mailstead
