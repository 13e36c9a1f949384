#include "protocols/origin/signed_header.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "protocols/ascii.h"
#include "protocols/origin/tag_list.h"

namespace mailstead {
namespace {

constexpr std::string_view kFieldEnd = "\r\n";

bool sorts_before(std::string_view a, std::string_view b) {
  return std::ranges::lexicographical_compare(
      a, b, {}, [](char c) { return ascii::lower(c); }, [](char c) { return ascii::lower(c); });
}

}  // namespace

void SignedHeader::sort_by_name() {
  if (by_name_.size() == fields_.size()) return;
  by_name_.resize(fields_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  std::ranges::stable_sort(by_name_, sorts_before,
                           [this](std::uint32_t field) { return fields_[field].name; });
}

void SignedHeader::relax() {
  if (ends_.size() == fields_.size()) return;
  for (const DkimField& field : fields_) {
    relaxed_ += relaxed_field(field.raw);
    ends_.push_back(relaxed_.size());
  }
}

std::string_view SignedHeader::text_of(std::size_t field, DkimForm form) const {
  if (form == DkimForm::kSimple) return fields_[field].raw;  // RFC 6376 3.4.1
  const std::size_t begin = field == 0 ? 0 : ends_[field - 1];
  return std::string_view(relaxed_).substr(begin, ends_[field] - begin);
}

Sha256 SignedHeader::digest(const ClaimedSignature& signature) {
  sort_by_name();
  if (signature.header == DkimForm::kRelaxed) relax();
  struct Left {
    std::vector<std::uint32_t>::const_iterator first;
    std::vector<std::uint32_t>::const_iterator last;
  };
  std::map<std::string_view, Left> left;
  Sha256Stream hash;
  for_each_part(signature.names, [&](std::string_view name) {
    auto place = left.find(name);
    if (place == left.end()) {
      const auto same = std::ranges::equal_range(by_name_, name, sorts_before,
                                                 [this](std::uint32_t field) { return fields_[field].name; });
      place = left.emplace(name, Left{same.begin(), same.end()}).first;
    }
    Left& these = place->second;
    // RFC 6376 5.4.2: from the bottom up; what is named more often than it is there is nothing. The signature
    // itself was not there yet when these were chosen.
    if (these.first != these.last && fields_[*(these.last - 1)].raw.data() == signature.raw.data()) {
      --these.last;
    }
    if (these.first == these.last) return true;
    const std::string_view text = text_of(*--these.last, signature.header);
    hash.add(text);
    // A header that breaks off in a field.
    if (!text.ends_with(kFieldEnd)) hash.add(kFieldEnd);
    return true;
  });
  hash.add(own_text(signature));
  return hash.finish();
}

std::string own_text(const ClaimedSignature& signature) {
  if (signature.header == DkimForm::kSimple) return signature.unsigned_field;
  std::string text = relaxed_field(signature.unsigned_field);
  text.resize(text.size() - kFieldEnd.size());
  return text;
}

}  // namespace mailstead
