// What an attempt to get a certificate begins with: keys, whom to trust, a customer's secret. Reads and
// writes files; blocking, any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "admin/config/config.h"
#include "protocols/acme/acme_session.h"
#include "server/acme/acme_files.h"
#include "server/net/tls_client.h"

namespace mailstead {

struct AcmeTools {
  std::optional<AcmeStanding> standing;
  std::unique_ptr<TlsClientContext> tls;
  std::string binding_secret;          // octets; empty: there is none
  std::string complaint;               // about a file that was set aside; may be empty
  std::optional<AcmeFailure> failure;  // then nothing else is of use
};

// Writes down `state` first, in which the attempt is counted. The account's key is made when there is none,
// and written before any authority hears of it; the certificate's is that of the order under way, or a new
// one.
AcmeTools make_acme_tools(const Config::Acme& config, const AcmeFiles& files, const AcmeState& state);

}  // namespace mailstead
