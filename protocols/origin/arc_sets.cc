#include "protocols/origin/arc_sets.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "protocols/ascii.h"
#include "protocols/header_token.h"
#include "protocols/origin/tag_list.h"

namespace mailstead {
namespace {

constexpr std::size_t kResultsPlace = 0;
constexpr std::size_t kSealPlace = 2;
constexpr std::size_t kMaxInstanceDigits = 2;

std::string_view value_of(std::string_view raw) {
  return without_space_around(raw.substr(std::min(raw.find(':') + 1, raw.size())));
}

// "i=1;", with comments where they may be: RFC 8617 4.1.1, 4.2.1.
std::optional<std::string> instance_of_results(std::string_view value) {
  for (const char sign : {'i', '='}) {
    skip_comments(value);
    if (!value.starts_with(sign)) return std::nullopt;
    value.remove_prefix(1);
  }
  skip_comments(value);
  const auto digits = std::ranges::find_if_not(value, ascii::is_digit);
  std::string instance(value.begin(), digits);
  value.remove_prefix(instance.size());
  skip_comments(value);
  if (!value.starts_with(';')) return std::nullopt;
  return instance;
}

struct Place {
  std::optional<std::size_t> instance;
  bool says_fail = false;
};

Place place_of(std::string_view raw, std::size_t kind) {
  Place place;
  std::optional<std::string> text;
  if (kind == kResultsPlace) {
    text = instance_of_results(value_of(raw));
  } else if (const auto tags = TagList::parse(value_of(raw))) {
    text = tags->value("i");
    place.says_fail = kind == kSealPlace && ascii::same(tags->value("cv").value_or(""), "fail");
  }
  // RFC 8617 4.2.1
  const auto number = text && text->size() <= kMaxInstanceDigits ? ascii::number(*text) : std::nullopt;
  if (number && *number >= 1 && *number <= kMaxArcSets) place.instance = *number;
  return place;
}

}  // namespace

std::string_view name_of(ChainValidation chain) {
  if (chain == ChainValidation::kNone) return "none";
  return chain == ChainValidation::kPass ? "pass" : "fail";
}

ArcSets find_arc_sets(std::span<const DkimField> fields) {
  ArcSets found;
  found.sets.resize(kMaxArcSets);
  for (const DkimField& field : fields) {
    const auto name = std::ranges::find_if(
        kArcNames, [&field](std::string_view arc) { return ascii::same(field.name, arc); });
    if (name == kArcNames.end()) continue;
    const auto kind = static_cast<std::size_t>(name - kArcNames.begin());
    const Place place = place_of(field.raw, kind);
    found.has_failed = found.has_failed || place.says_fail;
    if (!place.instance) {
      found.problem = std::string(*name) + " without an instance";
      continue;
    }
    found.highest = std::max(found.highest, *place.instance);
    // RFC 8617 5.2: each set has exactly one of each.
    std::string_view& there = found.sets[*place.instance - 1].fields[kind];
    if (!there.empty()) found.problem = "two of " + std::string(*name) + " in one set";
    there = field.raw;
  }
  found.sets.resize(found.highest);
  for (const ArcSet& set : found.sets) {
    const bool whole = std::ranges::none_of(set.fields, &std::string_view::empty);
    if (!whole && found.problem.empty()) found.problem = "a set is not whole, or missing";
  }
  if (!found.problem.empty()) found.sets.clear();
  return found;
}

}  // namespace mailstead
