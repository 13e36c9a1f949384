// Where mail for a domain goes that does not go where its MX records or the smarthost would have it: one line
// of the configuration, "example.net mx.example.net:2525 starttls". Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/result.h"

namespace mailstead {

enum class SmarthostTls {
  kStartTls,       // with a certificate for its name
  kImplicit,       // the same, from the start
  kOpportunistic,  // if it is offered, by whoever answers
};

struct MailRoute {
  std::string domain;  // of A-labels; ".example.net" is what is below example.net
  std::string host;    // a name or an address literal; empty: the hosts that its own MX records name
  std::uint16_t port = 25;
  SmarthostTls tls = SmarthostTls::kOpportunistic;

  bool operator==(const MailRoute&) const = default;
  bool is_for(std::string_view mail_domain) const;
  // Its host with port and TLS: what two routes have in common that lead to the same place.
  std::string place() const;
};

// "DOMAIN HOST[:PORT] [starttls|tls|opportunistic]"; HOST "mx": the domain's own. kInvalid, with what is
// wrong.
Result<MailRoute> parse_mail_route(std::string_view text);
std::string print_mail_route(const MailRoute& route);

}  // namespace mailstead
