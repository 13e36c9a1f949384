#include "protocols/origin/key_check.h"

#include <optional>
#include <string>

#include "protocols/origin/dkim_record.h"

namespace mailstead {
namespace {

constexpr int kMaxKeys = 8;

std::optional<DkimFinding> time_fault(const ClaimedSignature& signature, std::int64_t now) {
  // RFC 6376 3.5
  if (signature.expires_at && *signature.expires_at + kClockAllowance < now) {
    return DkimFinding{DkimResult::kFail, "signature expired"};
  }
  if (signature.signed_at && *signature.signed_at > now + kClockAllowance) {
    return DkimFinding{DkimResult::kFail, "signature is from the future"};
  }
  return std::nullopt;
}

DkimFinding no_use(std::string why) {
  return {DkimResult::kPermanentError, std::move(why)};
}

// RFC 6376 6.1.2, in its order.
DkimFinding check_with(const DkimRecord& key, const ClaimedSignature& signature, const Sha256& digest) {
  if (!key.is_for_mail()) return no_use("key is not for mail");
  if (!key.takes_sha256()) return no_use("key is not for sha256");
  if (key.algorithm() != signature.algorithm) return no_use("key is not for this algorithm");
  // RFC 6376 3.6.1, t=s
  if (key.wants_exact_domain() && signature.identity_domain != signature.domain) {
    return no_use("i= is not of the domain of d=");
  }
  if (!key.verifies(digest, signature.signature)) return {DkimResult::kFail, "signature did not verify"};
  return {DkimResult::kPass, {}};
}

}  // namespace

KeyCheck check_with_key(const ClaimedSignature& signature, const Sha256& digest, const dns::Answer& keys,
                        std::int64_t now) {
  if (signature.fault) return {*signature.fault};
  if (auto fault = time_fault(signature, now)) return {*fault};
  if (keys.verdict == dns::Verdict::kFailed) {
    return {{DkimResult::kTemporaryError, "key could not be asked for"}};
  }
  std::optional<KeyCheck> worst;
  int looked_at = 0;
  // RFC 6376 6.1.2: of several keys each may be the one. A signature that does not hold says more than a key
  // that cannot be used.
  for (const dns::Record& record : keys.records) {
    if (record.type != dns::Type::kTxt) continue;
    const auto key = DkimRecord::parse(record.text);
    if (!key && key.error().kind == ErrorKind::kNotFound) continue;
    if (++looked_at > kMaxKeys) break;
    const KeyCheck check = key ? KeyCheck{check_with(*key, signature, digest), key->is_testing()}
                               : KeyCheck{no_use(key.error().message)};
    if (check.finding.result == DkimResult::kPass) return check;
    if (!worst || (check.finding.result == DkimResult::kFail && worst->finding.result != DkimResult::kFail)) {
      worst = check;
    }
  }
  return worst.value_or(KeyCheck{no_use("no key")});
}

}  // namespace mailstead
