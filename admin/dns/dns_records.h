// What the owner of a domain publishes in the DNS, so that mail finds this server, and other servers take its
// mail.
//
// Pure functions but for public_addresses(), which asks the machine. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/config/config.h"
#include "protocols/ip_address.h"
#include "storage/accounts/dkim_keys.h"

namespace mailstead::admin {

struct DnsRecord {
  std::string name;     // of A-labels, without a dot at its end
  std::string type;     // "MX", "TXT", …
  std::string value;    // as web forms take it: a TXT is one text without quotes
  std::string purpose;  // a sentence for people
  bool required = true;
  // Not in the domain's zone: whoever gave out the address sets it.
  bool is_reverse = false;
  // Of MTA-STS: the policy that the record announces, which a web server of the owner's serves at the URL
  // (RFC 8461 3.3). Without it the record is of no use.
  std::string policy_url = {};
  std::string policy = {};
};

// Of the server's host itself, once for all domains. `addresses` may be empty: then nobody knows them here.
std::vector<DnsRecord> host_records(const Config& config, const std::vector<IpAddress>& addresses);
// `now`: Unix seconds.
std::vector<DnsRecord> domain_records(const std::string& domain, const Config& config,
                                      const std::vector<DkimKeyEntry>& keys, std::int64_t now);

// Is it a name by which others can find a host? Not "localhost", "3f2a9c1b", "box.local" or an address.
bool can_be_found(const std::string& host);
// What to do when it is none: running text.
std::string words_for_lost_host(const std::string& host);

// "name. 3600 IN TYPE data": a line of a zone file, RFC 1035 5.1. A long TXT is several strings of at most
// 255 octets.
std::string zone_line(const DnsRecord& record);

// The name under which the DNS has what an address is called: RFC 1035 3.5, RFC 3596 2.5.
std::string reverse_name(const IpAddress& address);

// Those of the machine's interfaces that the Internet can reach by their kind; behind a router or in a
// container there may be none.
std::vector<IpAddress> public_addresses();

}  // namespace mailstead::admin
