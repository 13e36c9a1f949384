// Requests of ACME as signed JSON (JWS, RFC 7515, in the flattened form that RFC 8555 6.2 wants). Pure
// functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "protocols/acme/acme_key.h"

namespace mailstead {

struct AcmeEnvelope {
  const AcmeKey& key;        // of the account
  std::string_view account;  // its URL; empty: it is not known yet, and the public key goes along
  std::string_view nonce;    // of the CA, for one request
  std::string_view url;      // that it goes to
};

// `payload` is JSON; empty: POST-as-GET (RFC 8555 6.3).
std::string acme_signed(const AcmeEnvelope& envelope, std::string_view payload);

// External account binding (RFC 8555 7.3.4): whose customer the account's key is. `secret` is what the CA
// gave with `key_id`, in octets; `url` is newAccount's.
std::string acme_binding(const AcmeKey& account, std::string_view key_id, std::string_view secret,
                         std::string_view url);

}  // namespace mailstead
