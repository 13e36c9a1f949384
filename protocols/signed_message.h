// A message with signatures as it comes in, read once for all that is to be verified of it: its DKIM
// signatures (RFC 6376) and its ARC sets (RFC 8617).
//
// The message goes by in pieces of any size, as it was received and with CRLF line ends. When its header ends
// it is known which hashes of the body are wanted; the body goes once through each canonicalisation at most,
// whatever the signatures say. Then DkimVerifier and ArcVerifier tell which keys to ask for.
// Input from anybody: time is linear in the message, but for at most kMaxSignatures + 2 * kMaxArcSets hashes
// of header fields. Memory: some three times the header, which is at most kMaxDkimHeader; after finish() the
// signatures only. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/arc_sets.h"
#include "protocols/claimed_signature.h"
#include "protocols/dkim_canonical.h"
#include "protocols/hmac.h"
#include "protocols/signed_header.h"

namespace mailstead {

// DKIM-Signature fields that are looked at: those at the top, the newest. RFC 6376 6.1 leaves it to
// verifiers.
inline constexpr std::size_t kMaxSignatures = 10;

// What the two verifiers go on from.
struct MessageSignature {
  ClaimedSignature claim;             // its fault tells, too, where the body is not what was signed
  Sha256 digest{};                    // of what was signed
  std::uint64_t unsigned_octets = 0;  // of the body, in its canonical form, behind what l= covers
};

struct ArcChain {
  std::string problem;  // in words; empty: its sets are a chain, or there are none
  // By instance, from 1.
  std::vector<MessageSignature> messages;
  std::vector<MessageSignature> seals;
};

class SignedMessage {
 public:
  SignedMessage() = default;
  SignedMessage(const SignedMessage&) = delete;
  SignedMessage& operator=(const SignedMessage&) = delete;

  void read(std::string_view content);
  // That was all of it; call it once.
  void finish();

  // After finish(). Where the header is longer than kMaxDkimHeader or a line of it is no field, a fault
  // stands in the place of all signatures: verifiers would not agree on where it ends.
  const std::vector<MessageSignature>& signatures() const { return signatures_; }  // from the top down
  std::size_t ignored_signatures() const { return ignored_; }                      // beyond kMaxSignatures
  const ArcChain& arc_chain() const { return arc_chain_; }

 private:
  struct Body {
    std::vector<std::uint64_t> beginnings;
    bool is_wanted = false;
    std::optional<BodyHash> hash;
    Sha256 whole{};
  };

  void end_header();
  void read_arc_sets();
  void want_body(const ClaimedSignature& claim);
  Body& body_of(const ClaimedSignature& claim) { return bodies_[static_cast<std::size_t>(claim.body)]; }
  void settle(MessageSignature& signature);
  void settle_seals();

  DkimHeader header_;
  std::optional<SignedHeader> fields_;
  std::array<Body, 2> bodies_;  // by DkimForm
  std::vector<MessageSignature> signatures_;
  std::size_t ignored_ = 0;
  std::vector<ArcSet> arc_sets_;
  ArcChain arc_chain_;
};

}  // namespace mailstead
