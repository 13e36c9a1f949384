// Makes a self-signed certificate and its key, as PEM texts. No I/O; any thread.
#pragma once

#include <string>

#include "protocols/result.h"

namespace mailstead::admin {

struct PemPair {
  std::string certificate, key;
};

// ECDSA P-256, 10 years, for the host name (or address literal) and localhost; a server certificate and no
// authority.
Result<PemPair> make_self_signed(const std::string& hostname);

}  // namespace mailstead::admin
