// Seals a message that is passed on: an ARC set, RFC 8617. It tells the next host what ours found when it
// checked the message, before what we do to it broke the signatures.
//
// The message goes by in pieces of any size, in the form in which it is passed on, with the sets of earlier
// hosts in its header. Memory and threads: as DkimSigner.
#pragma once

#include <string>
#include <string_view>

#include "protocols/origin/arc_sets.h"
#include "protocols/origin/dkim_signature.h"
#include "protocols/result.h"

namespace mailstead {

class ArcSealer {
 public:
  void read(std::string_view content) { message_.read(content); }

  // That was all of it; call it once. The three fields of the set, folded, with CRLF, for the top of the
  // message. `results`: as Authentication-Results would have it (RFC 8601 2.2), with the host's name in front
  // and without line ends. `chain`: what a verifier found; kNone is for a message without sets.
  // kInvalid: the sets that are there do not fit `chain`; a chain that failed before is not sealed again
  // (RFC 8617 5.1). kTooLarge: there are kMaxArcSets, or as DkimSigner::finish(), like kUnavailable.
  Result<std::string> finish(const DkimIdentity& identity, std::string_view results, ChainValidation chain,
                             const DkimTerms& terms);

 private:
  DkimMessage message_;
};

}  // namespace mailstead
