// What a connection to one host of a route has to show of TLS, and why.
//
// A host with authenticated TLSA records is known by them (DANE, RFC 7672), and its domain's MTA-STS policy
// (RFC 8461) does not come into it; else that decides; else TLS is taken where it is offered. Plain values,
// pure functions; any thread.
#pragma once

#include <optional>
#include <string>

#include "protocols/dns_message.h"
#include "protocols/smtp/smtp_client_session.h"
#include "protocols/tls/tls_report.h"
#include "server/outgoing/routing.h"
#include "server/outgoing/sts_policies.h"
#include "server/outgoing/tls_identity.h"

namespace mailstead {

struct TlsPlan {
  SmtpClientOptions::TlsUse use = SmtpClientOptions::TlsUse::kIfOffered;
  TlsExpectation expectation;
  TlsPolicyFacts policy;
  // It is known that the domain's mail is for a host of this name: by DNSSEC, by the domain's policy, or
  // since nobody but us named it. RFC 8689 4.2.1 wants that.
  bool name_is_sure = false;
  bool is_demanded = false;    // by the policy; else nothing of it stops mail
  bool waives_policy = false;  // a message's sender did not want it (RFC 8689 5)
  // The host may have no mail at all: why.
  std::optional<std::string> obstacle;
  TlsVerdict verdict = TlsVerdict::kSuccess;  // with an obstacle, or of a policy that is only tested
};

// The host is the route's, mail is for `domain`.
TlsPlan plan_by_sts(const StsVerdict& sts, const RouteTarget& target, const std::string& domain);
// nullopt: DNS knows no TLSA records of it, or does not vouch for them. `name`: that was asked for.
std::optional<TlsPlan> plan_by_dane(const dns::Answer& tlsa, const RouteTarget& target,
                                    const std::string& name, const std::string& domain);
// TLS where it is offered, by whoever answers.
TlsPlan without_policy(TlsPlan plan);

// " (far.example demands it by MTA-STS)"; empty where nothing is demanded.
std::string demand_words(const TlsPlan& plan);

}  // namespace mailstead
