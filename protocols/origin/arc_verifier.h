// Validates the ARC chain of a message that came in: RFC 8617 5.2.
//
// It knows no DNS and no clock: it names the keys to ask for, and is given the answers and the time. Memory:
// bounded. Threads: any, once it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "protocols/dns_message.h"
#include "protocols/origin/arc_sets.h"
#include "protocols/origin/signed_message.h"

namespace mailstead {

struct ArcVerdict {
  ChainValidation chain = ChainValidation::kNone;
  std::string reason;  // in words, ASCII, one line; of kFail only
  // The oldest set behind which nobody changed the message; 0: nobody did since the first (RFC 8617 5.2). Of
  // kPass only.
  std::size_t oldest_pass = 0;
  // Whose seals they are, d=, from instance 1 on; empty names where a seal cannot be read. A chain that
  // passes is worth what these are.
  std::vector<std::string> sealers;
  // It failed because a key could not be asked for: final by RFC 8617 5.2.1, unless the message is deferred.
  bool is_temporary = false;
  // Of the body behind what l= of the newest message signature covers: anybody may have put them there (RFC
  // 6376 8.2). A chain that passes with some is not worth what it is without.
  std::uint64_t unsigned_octets = 0;
};

class ArcVerifier {
 public:
  // What DNS has said, by name.
  using Keys = std::map<std::string, dns::Answer, std::less<>>;

  // `message` has finished; it is not needed afterwards.
  explicit ArcVerifier(const SignedMessage& message);

  // The names whose TXT records hold the keys, each once, at most 2 * kMaxArcSets; none where the verdict
  // needs none.
  std::vector<std::string> key_names() const;
  // A name that is missing among `keys` counts as one that could not be asked for. `now` in Unix seconds.
  // Takes some 100 microseconds for each set.
  ArcVerdict verify(const Keys& keys, std::int64_t now) const;

 private:
  std::string structure_problem() const;

  ArcChain chain_;
  std::string problem_;
};

}  // namespace mailstead
