// Verifies the DKIM signatures of a message that came in: RFC 6376 6 with RFC 8301 (no rsa-sha1, no RSA keys
// under 1024 bits) and RFC 8463 (ed25519-sha256).
//
// It knows no DNS and no clock: it names the keys to ask for, and is given the answers and the time. Memory:
// bounded. Threads: any, once it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/origin/dkim_result.h"
#include "protocols/origin/signed_message.h"

namespace mailstead {

// Texts are those of the signature, empty where it could not be read; any of them may come from an enemy.
struct DkimVerdict {
  DkimResult result = DkimResult::kNeutral;
  std::string reason;           // in words, ASCII, one line; empty of a pass
  std::string domain;           // d=: lower case, A-labels
  std::string identity;         // i=: "a@mail.example.org", "@example.org"; its local part may be UTF-8
  std::string selector;         // s=: lower case, A-labels
  std::string algorithm;        // a=
  std::string signature_start;  // of b=: enough to tell it from the others, RFC 6008
  bool is_testing = false;      // t=y of the key, RFC 6376 3.6.1
  // Of the body behind what l= covers: anybody may have put them there (RFC 6376 8.2).
  std::uint64_t unsigned_octets = 0;
  std::size_t from_fields = 1;  // of the message: SignedMessage::from_fields()
};

// May what this one says count as the domain's word for the message, as DMARC wants it (RFC 7489 3.1.1)? Of
// a pass only, and of none
// - with a key for tests: its message is to be treated as an unsigned one (RFC 6376 3.6.1),
// - that leaves the end of the body to anybody (8.2),
// - of a message with several From fields: readers show one, and it need not be the one that was signed, nor
//   the one that we compare (5.4.2, 8.15). Some signer has covered all of them? No honest message has two.
bool counts_for_alignment(const DkimVerdict& verdict);

class DkimVerifier {
 public:
  // `message` has finished; it is not needed afterwards.
  explicit DkimVerifier(const SignedMessage& message);

  // Signatures, from the top down; those beyond kMaxSignatures are passed over.
  std::size_t size() const { return signatures_.size(); }
  // The name whose TXT records hold the key of one, "selector._domainkey.example.org"; empty: the verdict
  // needs none.
  std::string key_name(std::size_t i) const;
  // `keys`: what DNS said to that name; of no account where there is none. `now` in Unix seconds. Takes some
  // 50 microseconds.
  DkimVerdict verify(std::size_t i, const dns::Answer& keys, std::int64_t now) const;

 private:
  std::string signature_start(std::size_t i) const;

  std::vector<MessageSignature> signatures_;
  std::size_t from_fields_;
};

}  // namespace mailstead
