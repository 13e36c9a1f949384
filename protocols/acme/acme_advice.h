// What an ACME server's refusal means, for somebody who does not know ACME, and what to do. Pure functions;
// any thread.
#pragma once

#include <string>
#include <string_view>

#include "protocols/acme/acme_messages.h"

namespace mailstead {

// By which a CA convinces itself that a name is ours.
enum class AcmeMethod {
  kHttp01,     // RFC 8555 8.3: a page on port 80
  kTlsAlpn01,  // RFC 8737: a certificate on port 443
};
std::string_view name_of(AcmeMethod method);  // "http-01"

// One sentence without a full stop. `name` is what the refusal is about; empty: nothing in particular.
std::string acme_advice(const AcmeProblem& problem, AcmeMethod method, std::string_view name);

}  // namespace mailstead
