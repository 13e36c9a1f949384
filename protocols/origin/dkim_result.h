// How the verification of a signature came out, in RFC 8601's words.
#pragma once

#include <string>
#include <string_view>

namespace mailstead {

// RFC 8601 2.7.1
enum class DkimResult {
  kPass,
  kFail,            // the message is not the one that was signed, or not signed with this key, or too late
  kPolicy,          // it holds, and is not acceptable here; callers say so, no verifier of ours does
  kNeutral,         // the signature is malformed, or made in a way that is not known
  kTemporaryError,  // the key could not be asked for
  kPermanentError,  // there is no key that can verify it, or it lacks what each signature has to have
};
// "pass", "temperror"
std::string_view name_of(DkimResult result);

struct DkimFinding {
  DkimResult result = DkimResult::kNeutral;
  std::string reason;  // in words, ASCII, one line; empty of a pass
};

}  // namespace mailstead
