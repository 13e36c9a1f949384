#include "protocols/origin/dkim_verifier.h"

#include <algorithm>

#include "protocols/origin/key_check.h"

namespace mailstead {
namespace {

constexpr std::size_t kStart = 8;  // characters of b=, RFC 6008
constexpr std::size_t kMaxStart = 64;

}  // namespace

bool counts_for_alignment(const DkimVerdict& verdict) {
  return verdict.result == DkimResult::kPass && !verdict.is_testing && verdict.unsigned_octets == 0 &&
         verdict.from_fields == 1;
}

DkimVerifier::DkimVerifier(const SignedMessage& message)
    : signatures_(message.signatures()), from_fields_(message.from_fields()) {}

std::string DkimVerifier::key_name(std::size_t i) const {
  const ClaimedSignature& claim = signatures_[i].claim;
  return claim.fault ? std::string() : claim.key_name();
}

DkimVerdict DkimVerifier::verify(std::size_t i, const dns::Answer& keys, std::int64_t now) const {
  const MessageSignature& signature = signatures_[i];
  const ClaimedSignature& claim = signature.claim;
  const KeyCheck check = check_with_key(claim, signature.digest, keys, now);
  DkimVerdict verdict;
  verdict.result = check.finding.result;
  verdict.reason = check.finding.reason;
  verdict.domain = claim.domain;
  verdict.identity = claim.identity;
  verdict.selector = claim.selector;
  verdict.algorithm = claim.algorithm_text;
  verdict.signature_start = signature_start(i);
  verdict.is_testing = check.is_testing;
  verdict.unsigned_octets = signature.unsigned_octets;
  verdict.from_fields = from_fields_;
  return verdict;
}

// RFC 6008: eight characters, or more where another signature begins with the same.
std::string DkimVerifier::signature_start(std::size_t i) const {
  const std::string text = signatures_[i].claim.signature_text.substr(0, kMaxStart);
  std::size_t length = kStart;
  for (const MessageSignature& other : signatures_) {
    const std::string its = other.claim.signature_text.substr(0, kMaxStart);
    const auto [here, there] = std::ranges::mismatch(text, its);
    if (here == text.end() && there == its.end()) continue;  // itself, or no help
    length = std::max(length, static_cast<std::size_t>(here - text.begin()) + 1);
  }
  return text.substr(0, length);
}

}  // namespace mailstead
