#include "protocols/origin/spf_record.h"

#include <algorithm>
#include <array>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

constexpr std::string_view kSpfVersion = "v=spf1";
constexpr unsigned kIp4Bits = 32;
constexpr unsigned kIp6Bits = 128;

enum class DomainSpec { kNever, kMayBe, kMustBe };
enum class CidrLength { kNever, kDual };

struct MechanismSyntax {
  std::string_view name;
  SpfMechanism::Kind kind;
  DomainSpec domain;
  CidrLength length;
};

// RFC 7208 5 and 12. What "ip4" and "ip6" take is no domain.
constexpr std::array<MechanismSyntax, 8> kSpfMechanisms = {{
    {"all", SpfMechanism::Kind::kAll, DomainSpec::kNever, CidrLength::kNever},
    {"include", SpfMechanism::Kind::kInclude, DomainSpec::kMustBe, CidrLength::kNever},
    {"a", SpfMechanism::Kind::kA, DomainSpec::kMayBe, CidrLength::kDual},
    {"mx", SpfMechanism::Kind::kMx, DomainSpec::kMayBe, CidrLength::kDual},
    {"ptr", SpfMechanism::Kind::kPtr, DomainSpec::kMayBe, CidrLength::kNever},
    {"ip4", SpfMechanism::Kind::kIp4, DomainSpec::kNever, CidrLength::kNever},
    {"ip6", SpfMechanism::Kind::kIp6, DomainSpec::kNever, CidrLength::kNever},
    {"exists", SpfMechanism::Kind::kExists, DomainSpec::kMustBe, CidrLength::kNever},
}};

bool is_version(std::string_view text) {
  // RFC 7208 4.5: a space or the end has to follow, so "v=spf10" is none.
  return ascii::same(text.substr(0, kSpfVersion.size()), kSpfVersion) &&
         (text.size() == kSpfVersion.size() || text[kSpfVersion.size()] == ' ');
}

// The name of a modifier (RFC 7208 12): what stands before the "=" of the term. Empty: it is no modifier.
std::string_view modifier_name(std::string_view term) {
  const auto is_part = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  const auto end = std::ranges::find_if_not(term, is_part);
  if (end == term.end() || *end != '=' || !ascii::is_letter(term.front())) return {};
  return term.substr(0, static_cast<std::size_t>(end - term.begin()));
}

SpfMechanism::Qualifier take_qualifier(std::string_view& term) {
  constexpr std::string_view kQualifiers = "+-~?";
  const std::size_t at = term.empty() ? std::string_view::npos : kQualifiers.find(term.front());
  if (at == std::string_view::npos) return SpfMechanism::Qualifier::kPass;
  term.remove_prefix(1);
  return static_cast<SpfMechanism::Qualifier>(at);
}

// Takes `slashes` and the number behind them off the end of `text`. False: the number is none that may be.
bool take_cidr_length(std::string_view& text, std::string_view slashes, unsigned most, unsigned& length) {
  std::size_t digits = text.size();
  while (digits > 0 && ascii::is_digit(text[digits - 1])) --digits;
  if (digits == text.size() || !text.substr(0, digits).ends_with(slashes)) return true;
  const std::string_view number = text.substr(digits);
  const auto value = ascii::number(number);
  // RFC 7208 12: no zeros before it.
  if (!value || *value > most || (number.size() > 1 && number.front() == '0')) return false;
  length = static_cast<unsigned>(*value);
  text.remove_suffix(text.size() - digits + slashes.size());
  return true;
}

// `network`: behind "ip4:" or "ip6:".
bool read_network(std::string_view network, SpfMechanism& mechanism) {
  const bool is_ip6 = network.find(':') != std::string_view::npos;
  if (is_ip6 != (mechanism.kind == SpfMechanism::Kind::kIp6)) return false;
  const auto read = parse_ip_network(network);
  if (read) mechanism.network = *read;
  return read.has_value();
}

// nullopt: it is no mechanism (RFC 7208 12).
std::optional<SpfMechanism> read_mechanism(std::string_view term) {
  SpfMechanism mechanism;
  mechanism.text = term;
  mechanism.qualifier = take_qualifier(term);
  const std::size_t name = std::min(term.find_first_of(":/"), term.size());
  const auto* const syntax = std::ranges::find_if(kSpfMechanisms, [&](const MechanismSyntax& each) {
    return ascii::same(each.name, term.substr(0, name));
  });
  if (syntax == kSpfMechanisms.end()) return std::nullopt;
  mechanism.kind = syntax->kind;
  std::string_view rest = term.substr(name);
  if (syntax->kind == SpfMechanism::Kind::kIp4 || syntax->kind == SpfMechanism::Kind::kIp6) {
    if (!rest.starts_with(':') || !read_network(rest.substr(1), mechanism)) return std::nullopt;
    return mechanism;
  }
  if (syntax->length == CidrLength::kDual) {
    if (!take_cidr_length(rest, "//", kIp6Bits, mechanism.ip6_length)) return std::nullopt;
    if (!take_cidr_length(rest, "/", kIp4Bits, mechanism.ip4_length)) return std::nullopt;
  }
  if (rest.empty()) {
    if (syntax->domain == DomainSpec::kMustBe) return std::nullopt;
    return mechanism;
  }
  if (syntax->domain == DomainSpec::kNever || !rest.starts_with(':')) return std::nullopt;
  if (!is_spf_domain_spec(rest.substr(1))) return std::nullopt;
  mechanism.domain_spec = rest.substr(1);
  return mechanism;
}

bool read_modifier(std::string_view name, std::string_view value, SpfRecord& record) {
  const bool is_redirect = ascii::same(name, "redirect");
  if (!is_redirect && !ascii::same(name, "exp")) return is_spf_macro_string(value, SpfMacroUse::kModifier);
  std::optional<std::string>& place = is_redirect ? record.redirect : record.explanation;
  // RFC 7208 6: each once. 6.2 speaks of an empty "exp", which the grammar has not got.
  if (place || !is_spf_domain_spec(value)) return false;
  place = value;
  return true;
}

Error bad_term(std::string_view term, std::string_view why = "is no mechanism or modifier") {
  constexpr std::size_t kShown = 80;
  std::string shown(term.substr(0, kShown));
  std::ranges::replace_if(
      shown, [](char c) { return !ascii::is_printable(c); }, '?');
  return {ErrorKind::kInvalid, "its record has a term that " + std::string(why) + ": " + shown};
}

}  // namespace

std::vector<std::string_view> spf_records(std::span<const dns::Record> records) {
  std::vector<std::string_view> found;
  for (const dns::Record& record : records) {
    if (record.type == dns::Type::kTxt && is_version(record.text)) found.emplace_back(record.text);
  }
  return found;
}

Result<SpfRecord> parse_spf_record(std::string_view text) {
  if (text.size() > kMaxSpfRecord) return Error{ErrorKind::kInvalid, "its record is too long"};
  if (!is_version(text)) return bad_term(text);
  text.remove_prefix(kSpfVersion.size());
  SpfRecord record;
  bool ended = false;
  // RFC 7208 4.6: a mistake anywhere counts, also where nobody would have come to it.
  while (!text.empty()) {
    const std::string_view term = ascii::take_until(text, ' ');
    if (term.empty()) continue;
    if (term.size() > kMaxSpfTerm) return bad_term(term, "is too long");
    if (const std::string_view name = modifier_name(term); !name.empty()) {
      if (!read_modifier(name, term.substr(name.size() + 1), record)) return bad_term(term);
      continue;
    }
    const auto mechanism = read_mechanism(term);
    if (!mechanism) return bad_term(term);
    if (!ended) record.mechanisms.append(term).append(" ");
    ended = ended || mechanism->kind == SpfMechanism::Kind::kAll;
  }
  record.mechanisms.shrink_to_fit();
  // RFC 7208 5.1: with "all", "redirect" is ignored.
  if (ended) record.redirect.reset();
  return record;
}

std::optional<SpfMechanism> take_spf_mechanism(std::string_view& mechanisms) {
  return read_mechanism(ascii::take_until(mechanisms, ' '));
}

}  // namespace mailstead
