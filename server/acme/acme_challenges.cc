#include "server/acme/acme_challenges.h"

#include <utility>

namespace mailstead {

Result<void> AcmeChallenges::publish(const AcmePublication& publication) {
  if (publication.method == AcmeMethod::kHttp01) {
    pages_.insert_or_assign(publication.token, publication.key_authorization);
    return {};
  }
  auto proof = make_acme_proof(publication.name, publication.key_authorization);
  if (!proof) return proof.error();
  proofs_.insert_or_assign(publication.name, *std::move(proof));
  return {};
}

void AcmeChallenges::withdraw_all() {
  pages_.clear();
  proofs_.clear();
}

const std::string* AcmeChallenges::page(const std::string& token) const {
  const auto found = pages_.find(token);
  return found == pages_.end() ? nullptr : &found->second;
}

const AcmeProof* AcmeChallenges::proof(const std::string& name) const {
  const auto found = proofs_.find(name);
  return found == proofs_.end() ? nullptr : &found->second;
}

}  // namespace mailstead
