#include "protocols/origin/arc_verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/origin/key_check.h"

namespace mailstead {
namespace {

DkimFinding check_one(const MessageSignature& signature, const ArcVerifier::Keys& keys, std::int64_t now) {
  static const dns::Answer unasked;
  const auto answer = keys.find(signature.claim.key_name());
  return check_with_key(signature.claim, signature.digest, answer == keys.end() ? unasked : answer->second,
                        now)
      .finding;
}

}  // namespace

ArcVerifier::ArcVerifier(const SignedMessage& message)
    : chain_(message.arc_chain()), problem_(structure_problem()) {}

// RFC 8617 5.2, steps 1 to 3: what needs no key.
std::string ArcVerifier::structure_problem() const {
  if (!chain_.problem.empty() || chain_.seals.empty()) return chain_.problem;
  if (chain_.seals.back().claim.chain == name_of(ChainValidation::kFail)) return "it failed before";
  for (std::size_t i = 0; i < chain_.seals.size(); ++i) {
    const ClaimedSignature& seal = chain_.seals[i].claim;
    if (seal.fault) return fmt::format("seal {}: {}", i + 1, seal.fault->reason);
    const ChainValidation wanted = i == 0 ? ChainValidation::kNone : ChainValidation::kPass;
    if (seal.chain != name_of(wanted))
      return fmt::format("seal {} does not say cv={}", i + 1, name_of(wanted));
  }
  const ClaimedSignature& newest = chain_.messages.back().claim;
  if (newest.fault)
    return fmt::format("message signature {}: {}", chain_.messages.size(), newest.fault->reason);
  return {};
}

std::vector<std::string> ArcVerifier::key_names() const {
  std::vector<std::string> names;
  if (!problem_.empty()) return names;
  for (const auto* const signatures : {&chain_.messages, &chain_.seals}) {
    for (const MessageSignature& signature : *signatures) {
      if (!signature.claim.fault) names.push_back(signature.claim.key_name());
    }
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

ArcVerdict ArcVerifier::verify(const Keys& keys, std::int64_t now) const {
  ArcVerdict verdict;
  for (const MessageSignature& seal : chain_.seals) verdict.sealers.push_back(seal.claim.domain);
  const auto failed = [&verdict](std::string reason) {
    verdict.chain = ChainValidation::kFail;
    verdict.oldest_pass = 0;
    verdict.reason = std::move(reason);
    return verdict;
  };
  if (!problem_.empty()) return failed(problem_);
  if (chain_.seals.empty()) return verdict;

  const std::size_t count = chain_.seals.size();
  const auto failed_by = [&](const char* what, std::size_t instance, const DkimFinding& finding) {
    verdict.is_temporary = finding.result == DkimResult::kTemporaryError;
    return failed(fmt::format("{} {}: {}", what, instance, finding.reason));
  };
  // RFC 8617 5.2, step 4
  const DkimFinding newest = check_one(chain_.messages.back(), keys, now);
  if (newest.result != DkimResult::kPass) return failed_by("message signature", count, newest);
  // Step 5: an older one that does not hold is no failure of the chain.
  for (std::size_t i = count - 1; i > 0 && verdict.oldest_pass == 0; --i) {
    if (check_one(chain_.messages[i - 1], keys, now).result != DkimResult::kPass) verdict.oldest_pass = i + 1;
  }
  // Step 6
  for (std::size_t i = count; i > 0; --i) {
    const DkimFinding seal = check_one(chain_.seals[i - 1], keys, now);
    if (seal.result != DkimResult::kPass) return failed_by("seal", i, seal);
  }
  verdict.chain = ChainValidation::kPass;
  verdict.unsigned_octets = chain_.messages.back().unsigned_octets;
  return verdict;
}

}  // namespace mailstead
