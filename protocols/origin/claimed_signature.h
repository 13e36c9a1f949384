// What a signature in a message says of itself, before anybody has verified it: DKIM-Signature (RFC
// 6376 3.5), ARC-Message-Signature and ARC-Seal (RFC 8617 4.1). Input from anybody. Private to protocols/.
// Pure functions and plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/origin/dkim_canonical.h"
#include "protocols/origin/dkim_key.h"
#include "protocols/origin/dkim_result.h"

namespace mailstead {

enum class SignatureKind { kDkim, kArcMessage, kArcSeal };

// Fields that one signature may list.
inline constexpr std::size_t kMaxSignedNames = 1000;

struct ClaimedSignature {
  // Why it need not be verified any more. The texts for a report below are there all the same where they
  // could be read; nothing else counts.
  std::optional<DkimFinding> fault;

  std::string domain;          // d=: lower case, A-labels
  std::string selector;        // s=: the same
  std::string identity;        // i=: "a@mail.example.org", "@example.org"; empty of ARC
  std::string algorithm_text;  // a= as it stands
  std::string signature_text;  // b= in base64, its beginning

  DkimAlgorithm algorithm = DkimAlgorithm::kRsaSha256;
  DkimForm header = DkimForm::kSimple;
  DkimForm body = DkimForm::kSimple;
  std::string identity_domain;             // lower case, A-labels
  std::string names;                       // h=: lower case, "from:to:from"
  std::string body_hash;                   // octets
  std::string signature;                   // octets
  std::optional<std::uint64_t> length;     // l=: octets of the body that are signed
  std::optional<std::int64_t> signed_at;   // Unix seconds
  std::optional<std::int64_t> expires_at;  // Unix seconds
  std::string chain;                       // cv= of a seal

  std::string_view raw;        // the field, into the header it came from
  std::string unsigned_field;  // as it was signed: with an empty b=, and without the CRLF at its end

  // The name whose TXT records hold the key.
  std::string key_name() const { return selector + "._domainkey." + domain; }
};

ClaimedSignature read_signature(std::string_view raw, SignatureKind kind);

}  // namespace mailstead
