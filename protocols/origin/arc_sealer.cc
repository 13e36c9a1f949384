#include "protocols/origin/arc_sealer.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

std::string authentication_results(std::size_t instance, std::string_view results) {
  SignatureField field(kArcNames[0]);
  field.add_word(fmt::format("i={};", instance));
  for (std::string_view rest = ascii::trim(results); !rest.empty(); rest = ascii::trim(rest)) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    field.add_word(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return field.text() + "\r\n";
}

Result<std::string> seal(std::size_t instance, const std::string& covered, ChainValidation chain,
                         const DkimIdentity& identity, const DkimTerms& terms) {
  SignatureField field(kArcNames[2]);
  field.add_word(fmt::format("i={};", instance));
  field.add_word(fmt::format("a={};", identity.key.algorithm_name()));
  field.add_word(fmt::format("t={};", terms.signed_at));
  field.add_word(fmt::format("cv={};", name_of(chain)));
  field.add_word(fmt::format("d={};", identity.domain));
  field.add_word(fmt::format("s={};", identity.selector));
  return sign_field(std::move(field), covered, identity.key);
}

}  // namespace

Result<std::string> ArcSealer::finish(const DkimIdentity& identity, std::string_view results,
                                      ChainValidation chain, const DkimTerms& terms) {
  const Sha256 body = message_.finish_body();
  const auto fields = message_.fields();
  if (!fields) return fields.error();
  const ArcSets found = find_arc_sets(*fields);
  const std::size_t instance = found.highest + 1;
  if (found.has_failed) return Error{ErrorKind::kInvalid, "its ARC chain has failed before"};
  if (chain != ChainValidation::kFail &&
      (!found.problem.empty() || found.sets.empty() != (chain == ChainValidation::kNone))) {
    return Error{ErrorKind::kInvalid, "its ARC sets are not what their validation says"};
  }
  if (instance > kMaxArcSets) {
    return Error{ErrorKind::kTooLarge, fmt::format("there are {} ARC sets already", kMaxArcSets)};
  }
  const auto chosen = choose_fields(*fields, SignedBy::kArc);
  if (!chosen) return chosen.error();

  const std::string first = authentication_results(instance, results);

  SignatureField signature(kArcNames[1]);
  signature.add_word(fmt::format("i={};", instance));
  add_tags({identity.domain, &identity, terms, &*chosen, body}, signature);
  const auto second = sign_field(std::move(signature), chosen->text, identity.key);
  if (!second) return second.error();

  std::string covered;
  // RFC 8617 5.1.2: of a chain that failed only the set that says so is sealed.
  if (chain == ChainValidation::kPass) {
    for (const ArcSet& set : found.sets) {
      for (const std::string_view field : set.fields) covered += relaxed_field(field);
    }
  }
  covered += relaxed_field(first) + relaxed_field(*second);
  const auto third = seal(instance, covered, chain, identity, terms);
  if (!third) return third.error();
  return *third + *second + first;
}

}  // namespace mailstead
