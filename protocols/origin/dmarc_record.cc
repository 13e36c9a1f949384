#include "protocols/origin/dmarc_record.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "protocols/address.h"
#include "protocols/ascii.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostReceivers = 20;  // of a kind of reports: ours

// RFC 7489 6.3.
constexpr std::array<std::string_view, 11> kDmarcTags = {"v",   "p",   "sp", "adkim", "aspf", "pct",
                                                         "rua", "ruf", "fo", "rf",    "ri"};

struct DmarcTag {
  std::string_view name;
  std::string_view value;
};

// RFC 7489 6.4: blanks may stand around each part.
std::optional<DmarcTag> read_tag(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  return DmarcTag{ascii::trim(text.substr(0, equals)), ascii::trim(text.substr(equals + 1))};
}

// RFC 7489 6.3: first, and the value exactly so. 6.4 writes the names of tags as strings, in which letter
// case makes no difference (RFC 5234 2.3), and this value as numbers.
bool takes_version(std::string_view& text) {
  const auto tag = read_tag(ascii::take_until(text, ';'));
  return tag && ascii::same(tag->name, "v") && tag->value == "DMARC1";
}

std::optional<DmarcRecord::Policy> read_policy(std::string_view value) {
  for (const auto policy :
       {DmarcRecord::Policy::kNone, DmarcRecord::Policy::kQuarantine, DmarcRecord::Policy::kReject}) {
    if (ascii::same(value, name_of(policy))) return policy;
  }
  return std::nullopt;
}

void read_alignment(std::string_view value, DmarcRecord::Alignment& alignment) {
  if (ascii::same(value, "s")) alignment = DmarcRecord::Alignment::kStrict;
  if (ascii::same(value, "r")) alignment = DmarcRecord::Alignment::kRelaxed;
}

// nullopt: "%" without two digits behind it.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? ascii::hex_value(text[i + 1]) : std::nullopt;
    const auto low = high ? ascii::hex_value(text[i + 2]) : std::nullopt;
    if (!low) return std::nullopt;
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

// RFC 3986 3; of "mailto" (RFC 6068) the one address that a report can go to.
bool is_uri(std::string_view text) {
  const auto is_part = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) ||
           std::string_view("-._~:/?#[]@!$&'()*+,;=%").find(c) != std::string_view::npos;
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !std::ranges::all_of(text, is_part)) return false;
  const std::string_view scheme = text.substr(0, colon);
  const auto is_scheme_part = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '+' || c == '-' || c == '.';
  };
  if (scheme.empty() || !ascii::is_letter(scheme.front()) || !std::ranges::all_of(scheme, is_scheme_part))
    return false;
  std::string_view rest = text.substr(colon + 1);
  if (!ascii::same(scheme, "mailto")) return !rest.empty();
  const auto address = percent_decoded(ascii::take_until(rest, '?'));
  return address && parse_address(*address).has_value();
}

// RFC 7489 6.4: "!" and a number of octets, or of kilobytes and so on (2 to the 10th each).
bool take_size(std::string_view& uri, std::optional<std::uint64_t>& most) {
  const std::size_t mark = uri.rfind('!');
  if (mark == std::string_view::npos) return true;
  std::string_view size = uri.substr(mark + 1);
  constexpr std::string_view kUnits = "kmgt";
  unsigned shift = 0;
  if (!size.empty() && kUnits.find(ascii::lower(size.back())) != std::string_view::npos) {
    shift = 10 * static_cast<unsigned>(kUnits.find(ascii::lower(size.back())) + 1);
    size.remove_suffix(1);
  }
  const auto number = ascii::number(size);
  if (!number) return false;
  constexpr std::uint64_t kMaxSize = std::numeric_limits<std::uint64_t>::max();
  most = *number > (kMaxSize >> shift) ? kMaxSize : *number << shift;
  uri = uri.substr(0, mark);
  return true;
}

// Those that are valid; the others cost nobody his reports.
std::vector<DmarcReceiver> read_receivers(std::string_view value) {
  std::vector<DmarcReceiver> receivers;
  while (!value.empty() && receivers.size() < kMostReceivers) {
    std::string_view uri = ascii::trim(ascii::take_until(value, ','));
    DmarcReceiver receiver;
    if (!take_size(uri, receiver.most) || !is_uri(uri)) continue;
    receiver.uri = uri;
    receivers.push_back(std::move(receiver));
  }
  return receivers;
}

void read_failure_options(std::string_view value, DmarcRecord::FailureOptions& options) {
  DmarcRecord::FailureOptions read{false, false, false, false};
  while (!value.empty()) {
    const std::string_view option = ascii::trim(ascii::take_until(value, ':'));
    if (option == "0") read.all = true;
    if (option == "1") read.any = true;
    if (ascii::same(option, "d")) read.dkim = true;
    if (ascii::same(option, "s")) read.spf = true;
  }
  if (read != DmarcRecord::FailureOptions{false, false, false, false}) options = read;
}

// All but the policies.
void read_value(const DmarcTag& tag, DmarcRecord& record) {
  const auto is = [&](std::string_view name) { return ascii::same(tag.name, name); };
  if (is("adkim")) read_alignment(tag.value, record.dkim);
  if (is("aspf")) read_alignment(tag.value, record.spf);
  if (is("rua")) record.aggregate = read_receivers(tag.value);
  if (is("ruf")) record.failures = read_receivers(tag.value);
  if (is("fo")) read_failure_options(tag.value, record.failure_options);
  if (is("rf")) {
    std::string_view formats = tag.value;
    const std::string_view first = ascii::trim(ascii::take_until(formats, ':'));
    if (!first.empty() && std::ranges::all_of(first, ascii::is_printable)) record.failure_format = first;
  }
  const auto number = ascii::number(tag.value);
  if (is("pct") && number && *number <= 100) record.percent = static_cast<unsigned>(*number);
  if (is("ri") && number && *number <= std::numeric_limits<std::uint32_t>::max())
    record.interval = static_cast<std::uint32_t>(*number);
}

Error bad_record(std::string why) {
  return {ErrorKind::kInvalid, std::move(why)};
}

}  // namespace

std::vector<std::string_view> dmarc_records(std::span<const dns::Record> records) {
  std::vector<std::string_view> found;
  for (const dns::Record& record : records) {
    std::string_view text = record.text;
    if (record.type == dns::Type::kTxt && takes_version(text)) found.emplace_back(record.text);
  }
  return found;
}

Result<DmarcRecord> parse_dmarc_record(std::string_view text) {
  if (!takes_version(text)) return bad_record("its DMARC record does not begin with v=DMARC1");
  DmarcRecord record;
  std::array<bool, kDmarcTags.size()> seen = {true};  // "v"
  std::optional<std::string_view> policy;
  std::optional<std::string_view> subdomain_policy;
  while (!text.empty()) {
    const std::string_view field = ascii::take_until(text, ';');
    const auto tag = read_tag(field);
    if (!tag) continue;
    const auto* const known =
        std::ranges::find_if(kDmarcTags, [&](std::string_view each) { return ascii::same(each, tag->name); });
    // RFC 7489 6.3: unknown ones are ignored, so however often they are there.
    if (known == kDmarcTags.end()) continue;
    // RFC 6376 3.2, whose tag lists these are: all of it is invalid then.
    if (std::exchange(seen[static_cast<std::size_t>(known - kDmarcTags.begin())], true))
      return bad_record("its DMARC record has a tag twice");
    if (*known == "p") policy = tag->value;
    if (*known == "sp") subdomain_policy = tag->value;
    read_value(*tag, record);
  }
  const auto wanted = policy ? read_policy(*policy) : std::nullopt;
  const auto of_subdomains = subdomain_policy ? read_policy(*subdomain_policy) : wanted;
  if (wanted && of_subdomains) {
    record.policy = *wanted;
    record.subdomain_policy = *of_subdomains;
  } else if (record.aggregate.empty()) {
    // RFC 7489 6.6.3: who asks for reports gets these at least, as if it said "none".
    return bad_record("its DMARC record has no policy that there is");
  }
  return record;
}

std::string_view name_of(DmarcRecord::Policy policy) {
  switch (policy) {
    case DmarcRecord::Policy::kNone:
      return "none";
    case DmarcRecord::Policy::kQuarantine:
      return "quarantine";
    case DmarcRecord::Policy::kReject:
      return "reject";
  }
  return "";
}

}  // namespace mailstead
