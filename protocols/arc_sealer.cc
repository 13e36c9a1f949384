#include "protocols/arc_sealer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

// In the order in which a seal covers a set's fields: RFC 8617 5.1.1.
constexpr std::array<std::string_view, 3> kNames = {"ARC-Authentication-Results", "ARC-Message-Signature",
                                                    "ARC-Seal"};
using ArcSet = std::array<std::string_view, kNames.size()>;  // raw fields; empty: it is missing

std::string_view value_of(std::string_view raw) {
  return raw.substr(std::min(raw.find(':') + 1, raw.size()));
}

// Without white space anywhere: for tags whose values are words.
std::string squeezed(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (!ascii::is_blank(c) && c != '\r' && c != '\n') result += c;
  }
  return result;
}

// "" where the tag is missing.
std::string tag_of(std::string_view raw, std::string_view name) {
  std::string_view rest = value_of(raw);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string tag = squeezed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (tag.size() > name.size() && tag[name.size()] == '=' && tag.starts_with(name)) {
      return tag.substr(name.size() + 1);
    }
  }
  return {};
}

// The sets by their instances, each whole and there once. nullopt: they are no chain.
std::optional<std::vector<ArcSet>> find_sets(const std::vector<DkimField>& fields) {
  std::array<ArcSet, kMaxArcSets> found{};
  std::size_t highest = 0;
  for (const DkimField& field : fields) {
    for (std::size_t kind = 0; kind < kNames.size(); ++kind) {
      if (!ascii::same(field.name, kNames[kind])) continue;
      const auto instance = ascii::number(tag_of(field.raw, "i"));
      if (!instance || *instance == 0 || *instance > kMaxArcSets) return std::nullopt;
      std::string_view& place = found[*instance - 1][kind];
      if (!place.empty()) return std::nullopt;
      place = field.raw;
      highest = std::max<std::size_t>(highest, *instance);
    }
  }
  std::vector<ArcSet> sets(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(highest));
  for (const ArcSet& set : sets) {
    for (const std::string_view field : set) {
      if (field.empty()) return std::nullopt;
    }
  }
  return sets;
}

std::size_t highest_instance(const std::vector<DkimField>& fields) {
  std::size_t highest = 0;
  for (const DkimField& field : fields) {
    for (const std::string_view name : kNames) {
      if (!ascii::same(field.name, name)) continue;
      const auto instance = ascii::number(tag_of(field.raw, "i"));
      if (instance && *instance <= kMaxArcSets) highest = std::max<std::size_t>(highest, *instance);
    }
  }
  return highest;
}

bool failed_before(const std::vector<DkimField>& fields) {
  for (const DkimField& field : fields) {
    if (ascii::same(field.name, kNames.back()) && ascii::same(tag_of(field.raw, "cv"), "fail")) return true;
  }
  return false;
}

std::string_view chain_word(ChainValidation chain) {
  if (chain == ChainValidation::kNone) return "none";
  return chain == ChainValidation::kPass ? "pass" : "fail";
}

std::string authentication_results(std::size_t instance, std::string_view results) {
  SignatureField field(kNames[0]);
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
  SignatureField field(kNames[2]);
  field.add_word(fmt::format("i={};", instance));
  field.add_word(fmt::format("a={};", identity.key.algorithm_name()));
  field.add_word(fmt::format("t={};", terms.signed_at));
  field.add_word(fmt::format("cv={};", chain_word(chain)));
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
  const auto sets = find_sets(*fields);
  const std::size_t instance = highest_instance(*fields) + 1;
  if (failed_before(*fields)) return Error{ErrorKind::kInvalid, "its ARC chain has failed before"};
  if (chain != ChainValidation::kFail && (!sets || sets->empty() != (chain == ChainValidation::kNone))) {
    return Error{ErrorKind::kInvalid, "its ARC sets are not what their validation says"};
  }
  if (instance > kMaxArcSets) {
    return Error{ErrorKind::kTooLarge, fmt::format("there are {} ARC sets already", kMaxArcSets)};
  }
  const auto chosen = choose_fields(*fields, SignedBy::kArc);
  if (!chosen) return chosen.error();

  const std::string first = authentication_results(instance, results);

  SignatureField signature(kNames[1]);
  signature.add_word(fmt::format("i={};", instance));
  add_tags({identity.domain, &identity, terms, &*chosen, body}, signature);
  const auto second = sign_field(std::move(signature), chosen->text, identity.key);
  if (!second) return second.error();

  std::string covered;
  // RFC 8617 5.1.2: of a chain that failed only the set that says so is sealed.
  if (chain == ChainValidation::kPass) {
    for (const ArcSet& set : *sets) {
      for (const std::string_view field : set) covered += relaxed_field(field);
    }
  }
  covered += relaxed_field(first) + relaxed_field(*second);
  const auto third = seal(instance, covered, chain, identity, terms);
  if (!third) return third.error();
  return *third + *second + first;
}

}  // namespace mailstead
