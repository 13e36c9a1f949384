#include "protocols/origin/dkim_signer.h"

#include "protocols/a_label.h"

namespace mailstead {

Result<std::string> DkimSigner::finish(std::span<const DkimIdentity> identities, const DkimTerms& terms) {
  const Sha256 body = message_.finish_body();
  if (identities.empty()) return std::string();
  const auto fields = message_.fields();
  if (!fields) return fields.error();
  const auto chosen = choose_fields(*fields, SignedBy::kDkim);
  if (!chosen) return chosen.error();
  const bool internationalized = message_.is_internationalized();

  std::string signatures;
  for (const DkimIdentity& identity : identities) {
    SignatureField field("DKIM-Signature");
    field.add_word("v=1;");
    // RFC 8616 5: U-labels in a message whose header may hold them, A-labels in any other.
    const std::string domain = internationalized ? unicode_domain(identity.domain) : identity.domain;
    add_tags({domain, &identity, terms, &*chosen, body}, field);
    auto whole = sign_field(std::move(field), chosen->text, identity.key);
    if (!whole) return whole.error();
    signatures += *whole;
  }
  return signatures;
}

}  // namespace mailstead
