// A message with signatures as it comes in, read once for all that is to be verified of it: its DKIM
// signatures (RFC 6376) and its ARC sets (RFC 8617).
//
// The message goes by in pieces of any size, as it was received and with CRLF line ends. When its header ends
// it is known which hashes of the body are wanted; the body goes once through each canonicalisation at most,
// whatever the signatures say. Then DkimVerifier and ArcVerifier tell which keys to ask for.
// Input from anybody: time is linear in the message, but for at most kMaxSignatures + 2 * kMaxArcSets hashes
// of header fields. Memory: at most some six times the header (three in one that is no attack), which is at
// most kMaxDkimHeader and kMaxDkimFields; after finish() the authors, and a kilobyte or two for each
// signature. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/address.h"
#include "protocols/auth/hmac.h"
#include "protocols/origin/arc_sets.h"
#include "protocols/origin/claimed_signature.h"
#include "protocols/origin/dkim_canonical.h"
#include "protocols/origin/signed_header.h"

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

  // After finish(). Where the header is longer than kMaxDkimHeader, has more than kMaxDkimFields or a line of
  // it is no field, a fault stands in the place of all signatures, if it has any, and so of a chain:
  // verifiers would not agree on where it ends.
  const std::vector<MessageSignature>& signatures() const { return signatures_; }  // from the top down
  std::size_t ignored_signatures() const { return ignored_; }                      // beyond kMaxSignatures
  const ArcChain& arc_chain() const { return arc_chain_; }

  // From fields in the header, with what some reader may take for one; also where the header cannot be read
  // for signatures. 0 where it is longer than kMaxDkimHeader.
  std::size_t from_fields() const { return from_fields_; }
  // Whose message it says it is: the addresses of all those fields. nullopt: there are none, or they cannot
  // be read; they may be kMaxAuthors octets long together.
  const std::optional<std::vector<Address>>& authors() const { return authors_; }

 private:
  struct Body {
    std::vector<std::uint64_t> beginnings;
    bool is_wanted = false;
    std::optional<BodyHash> hash;
    Sha256 whole{};
  };

  void look_for_signatures(std::string_view header);
  void end_header();
  void fail(const std::string& why);
  void read_authors();
  void read_arc_sets();
  void want_body(const ClaimedSignature& claim);
  Body& body_of(const ClaimedSignature& claim) { return bodies_[static_cast<std::size_t>(claim.body)]; }
  void settle(MessageSignature& signature);
  void settle_seals();

  std::optional<DkimHeader> header_{std::in_place};
  std::string line_;  // of the header, its beginning
  bool has_signature_ = false;
  bool has_set_ = false;
  std::optional<SignedHeader> fields_;
  std::array<Body, 2> bodies_;  // by DkimForm
  std::vector<MessageSignature> signatures_;
  std::size_t ignored_ = 0;
  std::vector<ArcSet> arc_sets_;
  ArcChain arc_chain_;
  std::size_t from_fields_ = 0;
  std::optional<std::vector<Address>> authors_;
};

}  // namespace mailstead
