// Where the configuration sends mail past the DNS: a smarthost for all of it, a fixed host for a domain.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace mailstead {

enum class RouteTls {
  kOpportunistic,  // STARTTLS where it is offered, whatever the certificate
  kStarttls,       // STARTTLS or nothing, and the certificate has to be the host's
  kImplicit,       // TLS from the start (RFC 8314 3.3), the certificate as above
  kNever
};

struct FixedRoute {
  std::string host;  // a domain in lower case, or an address without brackets, as IpAddress::text() has it
  std::uint16_t port = 25;
  std::string user, password_file;  // both empty: no login
  RouteTls tls = RouteTls::kOpportunistic;
  bool operator==(const FixedRoute&) const = default;
};

struct DomainRoute {
  std::string domain;  // in lower case; "*.example.org" is what is below example.org, not itself
  FixedRoute to;
  bool operator==(const DomainRoute&) const = default;
};

}  // namespace mailstead
