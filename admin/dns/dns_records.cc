#include "admin/dns/dns_records.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "admin/text.h"
#include "protocols/sha256.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMaxString = 255;  // octets, RFC 1035 3.3
constexpr unsigned kTtl = 3600;          // seconds
constexpr unsigned kPolicyAge = 604800;  // seconds; a week, as long as it is only tested

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

// Where programs look for their settings: Thunderbird by a name, Outlook by a record.
void add_settings_site(const std::string& domain, const Config& config, std::vector<DnsRecord>& records) {
  const auto& listen = config.listen;
  if (!serves(listen.web) && !serves(listen.webs)) return;
  records.push_back({"autoconfig." + domain, "CNAME", config.hostname,
                     "Thunderbird and others find their settings by themselves.", false});
  add_service("autodiscover", domain, listen.webs, config,
              "Outlook finds its settings, where the certificate is one that others trust.", records);
}

// RFC 8461 3.2. Tested, it stops nobody's mail, whatever is wrong with it.
std::string sts_policy(const Config& config) {
  return fmt::format("version: STSv1\nmode: testing\nmx: {}\nmax_age: {}\n", config.hostname, kPolicyAge);
}

// RFC 8461 3.1: another id for another policy.
DnsRecord sts_record(const std::string& domain, const Config& config) {
  DnsRecord record{"_mta-sts." + domain, "TXT", "", "", false};
  record.policy_url = fmt::format("https://mta-sts.{}/.well-known/mta-sts.txt", domain);
  record.policy = sts_policy(config);
  std::string id;
  for (const std::uint8_t octet : sha256(record.policy)) id += fmt::format("{:02x}", octet);
  record.value = fmt::format("v=STSv1; id={}", id.substr(0, 16));
  record.purpose = fmt::format(
      "Others send mail for the domain only with encryption, and only to this server (MTA-STS). This helps "
      "only "
      "when a web server of yours serves the policy below, and {} has a certificate that others trust. When "
      "no "
      "reports of trouble have come for some weeks, write 'mode: enforce' into the policy and another id "
      "here.",
      config.hostname);
  return record;
}

std::string purpose_of(const DkimKeyEntry& key) {
  switch (key.state) {
    case DkimKeyState::kNext:
      return fmt::format("The next key; it signs after 'mailstead dkim rotate {} --activate'.",
                         key.identity.domain);
    case DkimKeyState::kActive:
      return "With it others verify that mail comes from the domain.";
    case DkimKeyState::kRetired:
      break;
  }
  return fmt::format("The key before: mail that it signed is still on its way. Leave it there until {}.",
                     time_text(key.since + kDkimRetirement));
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
                                      const std::vector<DkimKeyEntry>& keys, std::int64_t now) {
  std::vector<DnsRecord> records;
  records.push_back({domain, "MX", "10 " + config.hostname, "Mail for the domain comes to this server."});
  const bool has_smarthost = !config.queue.smarthost.host.empty();
  records.push_back({domain, "TXT", has_smarthost ? "v=spf1 mx ~all" : "v=spf1 mx -all",
                     has_smarthost ? "Whose servers send mail of the domain. Your smarthost does: add its "
                                     "\"include:\" before \"~all\" (ask its provider)."
                                   : "Whose servers send mail of the domain: nobody's but this one."});
  for (const DkimKeyEntry& key : keys) {
    // A zone that is made of these lines still has to verify what is on its way.
    if (key.state == DkimKeyState::kRetired && key.since + kDkimRetirement < now) continue;
    records.push_back({fmt::format("{}._domainkey.{}", key.identity.selector, domain), "TXT",
                       key.identity.key.record(), purpose_of(key)});
  }
  records.push_back({"_dmarc." + domain, "TXT", "v=DMARC1; p=none",
                     "What others do with mail that only says it comes from the domain. When all is well for "
                     "some weeks, let it "
                     "say p=quarantine."});
  records.push_back(sts_record(domain, config));
  records.push_back({"_smtp._tls." + domain, "TXT", "v=TLSRPTv1; rua=mailto:postmaster@" + domain,
                     "Other hosts tell postmaster of trouble with encryption.", false});
  const auto& listen = config.listen;
  add_service("submissions", domain, listen.submissions, config, "Mail programs find where to send (TLS).",
              records);
  add_service("submission", domain, listen.submission, config, "Mail programs find where to send (STARTTLS).",
              records);
  add_service("pop3s", domain, listen.pop3s, config, "Mail programs find where to fetch (TLS).", records);
  add_service("pop3", domain, listen.pop3, config, "Mail programs find where to fetch (STLS).", records);
  add_settings_site(domain, config, records);
  return records;
}

bool can_be_found(const std::string& host) {
  // Of machines in a house, RFC 6761, 6762, 8375 and what routers make up.
  static constexpr std::string_view kOfHouses[] = {".localhost", ".localdomain", ".local",
                                                   ".lan",       ".internal",    ".home.arpa"};
  return host.find('.') != std::string::npos && !host.starts_with('[') &&
         std::ranges::none_of(kOfHouses, [&](std::string_view end) { return host.ends_with(end); });
}

std::string words_for_lost_host(const std::string& host) {
  return fmt::format(
      "This server calls itself {}, and others can find no host of that name. Set 'hostname' in "
      "mailstead.toml (for a container: its -h, or MAILSTEAD_HOSTNAME) to a name in your domain, such as "
      "mail.example.org, and ask again.",
      host);
}

std::string zone_line(const DnsRecord& record) {
  std::string data = record.value;
  if (record.type == "TXT") data = zone_strings(record.value);
  static constexpr std::string_view kEndInNames[] = {"MX", "SRV", "PTR", "CNAME"};
  if (std::ranges::find(kEndInNames, record.type) != std::end(kEndInNames)) data += '.';
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
    if (is_public(address) && std::ranges::find(addresses, address) == addresses.end())
      addresses.push_back(address);
  }
  ::freeifaddrs(interfaces);
  return addresses;
}

}  // namespace mailstead::admin
