// Signs a message for its author's domain: DKIM, RFC 6376 (rsa-sha256) and RFC 8463 (ed25519-sha256),
// relaxed/relaxed.
//
// The message goes by in pieces of any size, in the form in which it is sent on and with CRLF line ends;
// whose signatures it gets need not be known before its end. The fields that readers see are signed, and so
// is that there are no more of them; never l= (RFC 6376 8.2).
// Memory: the header, at most kMaxDkimHeader octets. Threads: one at a time. finish() takes about a
// millisecond for each RSA key.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "protocols/origin/dkim_signature.h"
#include "protocols/result.h"

namespace mailstead {

class DkimSigner {
 public:
  void read(std::string_view content) { message_.read(content); }

  // That was all of it; call it once. A DKIM-Signature field for each identity, folded, with CRLF, for the
  // top of the message; "" for none. kTooLarge, kInvalid: the header cannot be signed in a way that verifiers
  // would read as we do; the message is none the worse. kUnavailable: a key failed.
  Result<std::string> finish(std::span<const DkimIdentity> identities, const DkimTerms& terms);

 private:
  DkimMessage message_;
};

}  // namespace mailstead
