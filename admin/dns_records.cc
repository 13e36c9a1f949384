#include "admin/dns_records.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace mailstead::admin {
namespace {

constexpr std::size_t kMaxString = 255;  // octets, RFC 1035 3.3
constexpr unsigned kTtl = 3600;          // seconds

// What the Internet does not route to (RFC 6890), and what is no single host.
constexpr std::string_view kUnreachable[] = {
    "0.0.0.0/8",     "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",   "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
    "::/8",          "64:ff9b::/96", "fc00::/7",       "fe80::/10",     "ff00::/8"};

bool is_reachable(const IpAddress& address) {
  return std::ranges::none_of(kUnreachable, [&](std::string_view text) {
    const auto network = parse_ip_network(text);
    return network && network->contains(address);
  });
}

bool serves(const std::vector<ListenAddress>& listener) {
  return !listener.empty();
}

// RFC 2782 and 6186: which port of which host offers a service.
void add_service(std::string_view service, const std::string& domain,
                 const std::vector<ListenAddress>& listener, const Config& config, std::string_view purpose,
                 std::vector<DnsRecord>& records) {
  if (!serves(listener)) return;
  records.push_back({fmt::format("_{}._tcp.{}", service, domain), "SRV",
                     fmt::format("0 1 {} {}", listener.front().port, config.hostname), std::string(purpose),
                     false});
}

std::string zone_strings(std::string_view text) {
  std::string strings;
  do {
    const std::string_view piece = text.substr(0, kMaxString);
    text.remove_prefix(piece.size());
    strings += strings.empty() ? "\"" : " \"";
    for (const char c : piece) {
      if (c == '"' || c == '\\') strings += '\\';
      strings += c;
    }
    strings += '"';
  } while (!text.empty());
  return strings;
}

}  // namespace

std::vector<DnsRecord> host_records(const Config& config, const std::vector<IpAddress>& addresses) {
  std::vector<DnsRecord> records;
  const std::string& host = config.hostname;
  for (const IpAddress& address : addresses) {
    records.push_back({host, address.is_ipv4() ? "A" : "AAAA", address.text(), "Where this server is."});
  }
  // RFC 7208 2.3: of a report, which has no reverse-path, the host's name is looked at.
  records.push_back({host, "TXT", "v=spf1 a -all", "Reports of this server come from this server."});
  for (const IpAddress& address : addresses) {
    records.push_back(
        {reverse_name(address), "PTR", host,
         "Whom the address belongs to: whoever gave it out sets this. Without it many hosts refuse mail.",
         true, true});
  }
  return records;
}

std::vector<DnsRecord> domain_records(const std::string& domain, const Config& config,
                                      const std::vector<DkimKeyEntry>& keys) {
  std::vector<DnsRecord> records;
  records.push_back({domain, "MX", "10 " + config.hostname, "Mail for the domain comes to this server."});
  const bool has_smarthost = !config.queue.smarthost.host.empty();
  records.push_back({domain, "TXT", has_smarthost ? "v=spf1 mx ~all" : "v=spf1 mx -all",
                     has_smarthost ? "Whose servers send mail of the domain. Your smarthost does: add its "
                                     "\"include:\" before \"~all\" (ask its provider)."
                                   : "Whose servers send mail of the domain: nobody's but this one."});
  for (const DkimKeyEntry& key : keys) {
    if (key.state == DkimKeyState::kRetired) continue;
    records.push_back({fmt::format("{}._domainkey.{}", key.identity.selector, domain), "TXT",
                       key.identity.key.record(),
                       key.state == DkimKeyState::kActive
                           ? "With it others verify that mail comes from the domain."
                           : "The next key; it signs after 'mailstead dkim rotate --activate'."});
  }
  records.push_back({"_dmarc." + domain, "TXT", "v=DMARC1; p=none",
                     "What others do with mail that only says it comes from the domain. When all is well for "
                     "some weeks, let it "
                     "say p=quarantine."});
  records.push_back({"_smtp._tls." + domain, "TXT", "v=TLSRPTv1; rua=mailto:postmaster@" + domain,
                     "Other hosts tell postmaster of trouble with encryption.", false});
  const auto& listen = config.listen;
  add_service("submissions", domain, listen.submissions, config, "Mail programs find where to send (TLS).",
              records);
  add_service("submission", domain, listen.submission, config, "Mail programs find where to send (STARTTLS).",
              records);
  add_service("pop3s", domain, listen.pop3s, config, "Mail programs find where to fetch (TLS).", records);
  add_service("pop3", domain, listen.pop3, config, "Mail programs find where to fetch (STLS).", records);
  return records;
}

std::string zone_line(const DnsRecord& record) {
  std::string data = record.value;
  if (record.type == "TXT") data = zone_strings(record.value);
  if (record.type == "MX" || record.type == "SRV" || record.type == "PTR") data += '.';
  return fmt::format("{}. {} IN {} {}", record.name, kTtl, record.type, data);
}

std::string reverse_name(const IpAddress& address) {
  std::string name;
  if (address.is_ipv4()) {
    for (std::size_t i = 16; i-- > 12;) name += fmt::format("{}.", address.octets[i]);
    return name + "in-addr.arpa";
  }
  for (std::size_t i = 16; i-- > 0;)
    name += fmt::format("{:x}.{:x}.", address.octets[i] & 15, address.octets[i] >> 4);
  return name + "ip6.arpa";
}

std::vector<IpAddress> public_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* interfaces = nullptr;
  if (::getifaddrs(&interfaces) != 0) return addresses;
  for (const ifaddrs* each = interfaces; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    IpAddress address;
    if (each->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
      address = ipv4_address({reinterpret_cast<const char*>(&in->sin_addr), 4});
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
      address = ipv6_address({reinterpret_cast<const char*>(&in->sin6_addr), 16});
    } else {
      continue;
    }
    if (is_reachable(address) && std::ranges::find(addresses, address) == addresses.end())
      addresses.push_back(address);
  }
  ::freeifaddrs(interfaces);
  return addresses;
}

}  // namespace mailstead::admin
