#include "protocols/origin/spf.h"

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

using SpfKind = SpfMechanism::Kind;

// RFC 7208 4.6.4.
constexpr std::size_t kMostTerms = 10;
constexpr std::size_t kMostVoids = 2;
constexpr std::size_t kMostExchanges = 10;
constexpr std::size_t kMostOwnNames = 10;
constexpr unsigned kMappedIp4Bits = 96;  // before an IPv4 address in an IpAddress

bool found_nothing(const dns::Answer& answer) {
  return answer.verdict == dns::Verdict::kNoName || answer.verdict == dns::Verdict::kNoRecords;
}

// RFC 7208 4.3: several labels, and no address literal. A client that says its address as its name has none.
bool may_have_record(std::string_view domain) {
  if (!dns::is_name(domain) || domain.starts_with('[')) return false;
  const std::size_t dot = domain.rfind('.');
  return dot != std::string_view::npos && !std::ranges::all_of(domain.substr(dot + 1), ascii::is_digit);
}

SpfVerdict verdict_of(SpfMechanism::Qualifier qualifier) {
  switch (qualifier) {
    case SpfMechanism::Qualifier::kPass:
      return SpfVerdict::kPass;
    case SpfMechanism::Qualifier::kFail:
      return SpfVerdict::kFail;
    case SpfMechanism::Qualifier::kSoftfail:
      return SpfVerdict::kSoftfail;
    case SpfMechanism::Qualifier::kNeutral:
      break;
  }
  return SpfVerdict::kNeutral;
}

std::string unanswered(const std::string& name) {
  return "the DNS does not answer about " + name;
}

}  // namespace

std::string_view name_of(SpfVerdict verdict) {
  switch (verdict) {
    case SpfVerdict::kNone:
      return "none";
    case SpfVerdict::kNeutral:
      return "neutral";
    case SpfVerdict::kPass:
      return "pass";
    case SpfVerdict::kFail:
      return "fail";
    case SpfVerdict::kSoftfail:
      return "softfail";
    case SpfVerdict::kTemperror:
      return "temperror";
    case SpfVerdict::kPermerror:
      return "permerror";
  }
  return "";
}

SpfCheck::SpfCheck(const SpfClient& client) {
  values_.ip = client.ip;
  values_.host = client.host;
  values_.now = client.now;
  values_.helo = client.helo;
  // RFC 8616 4: a name is one of A-labels.
  if (!utf8::is_ascii(client.helo)) values_.helo = parse_mail_domain(client.helo).value_or(client.helo);
  if (values_.helo.ends_with('.')) values_.helo.pop_back();
  if (values_.helo.size() > dns::kMaxText) values_.helo.clear();
  values_.sender_domain = client.reverse_path ? client.reverse_path->domain : values_.helo;
  if (client.reverse_path) values_.local_part = client.reverse_path->local_part;
  if (values_.local_part.empty()) values_.local_part = "postmaster";  // RFC 7208 2.4, 4.3
  if (dns::is_name(values_.sender_domain)) result_.domain = ascii::lower(values_.sender_domain);
  enter(result_.domain);
}

void SpfCheck::run() {
  while (!done_ && !question_) {
    if (explaining_) {
      explain();
    } else {
      evaluate();
    }
  }
  if (done_) frames_ = {};
}

void SpfCheck::answer(const dns::Answer& answer) {
  if (!question_) return;
  const std::string name = std::move(question_->name);
  question_.reset();
  switch (topic_) {
    case Topic::kRecord:
      take_record(name, answer);
      break;
    case Topic::kAddresses:
      take_addresses(name, answer);
      break;
    case Topic::kExchanges:
      take_exchanges(name, answer);
      break;
    case Topic::kExchangeAddresses:
      take_exchange(name, answer);
      break;
    case Topic::kOwnNames:
      take_own_names(answer);
      break;
    case Topic::kOwnAddresses:
      // RFC 7208 5.5: one about which the DNS fails is passed over.
      if (is_of_client(answer, 32, 128)) own_names_.push_back(name);
      ask_own_name();
      break;
    case Topic::kExplanation:
      take_explanation(answer);
      break;
  }
  run();
}

void SpfCheck::ask(const std::string& name, dns::Type type, Topic topic) {
  topic_ = topic;
  question_ = SpfQuestion{ascii::lower(name), type};
}

// nullopt: nothing that could be a name.
void SpfCheck::enter(const std::optional<std::string>& domain) {
  if (!domain || !may_have_record(*domain)) return no_record("a name that it refers to is no domain");
  frames_.push_back({*domain, {}, 0, false});
  ask(*domain, dns::Type::kTxt, Topic::kRecord);
}

void SpfCheck::no_record(std::string problem) {
  // RFC 7208 5.2 and 6.1: of a domain that another one names, it is a mistake of that one.
  const bool is_first = terms_ == 0;
  if (is_first) return finish(SpfVerdict::kNone);
  finish(SpfVerdict::kPermerror, std::move(problem));
}

void SpfCheck::take_record(const std::string& name, const dns::Answer& answer) {
  if (answer.verdict == dns::Verdict::kFailed) return finish(SpfVerdict::kTemperror, unanswered(name));
  const std::vector<std::string_view> records = spf_records(answer.records);
  if (records.empty()) return no_record(name + " has no SPF record");
  // RFC 7208 4.5.
  if (records.size() > 1) return finish(SpfVerdict::kPermerror, name + " has more than one SPF record");
  auto record = parse_spf_record(records.front());
  if (!record) return finish(SpfVerdict::kPermerror, name + ": " + record.error().message);
  frames_.back().record = *std::move(record);
}

void SpfCheck::evaluate() {
  return read_mechanism() ? evaluate(mechanism_) : end_of_record();
}

// False: none of the record is left.
bool SpfCheck::read_mechanism() {
  const Frame& frame = frames_.back();
  std::string_view rest = std::string_view(frame.record.mechanisms).substr(frame.next);
  auto next = take_spf_mechanism(rest);
  if (!next) return false;
  mechanism_ = *std::move(next);
  return true;
}

void SpfCheck::evaluate(const SpfMechanism& mechanism) {
  if (mechanism.kind == SpfKind::kAll) return matched();
  if (mechanism.kind == SpfKind::kIp4 || mechanism.kind == SpfKind::kIp6) {
    // RFC 7208 5: an IPv4 address is one in its mapped form, too, and in no "ip6".
    const bool same_family = (mechanism.kind == SpfKind::kIp4) == values_.ip.is_ipv4();
    return same_family && mechanism.network.contains(values_.ip) ? matched() : not_matched();
  }
  Frame& frame = frames_.back();
  if (!frame.counted && !spend_term()) return;
  frame.counted = true;
  if (cannot_be_asked(mechanism.domain_spec)) return not_matched();
  const bool is_ptr = mechanism.kind == SpfKind::kPtr;
  if (!own_names_known_ && (is_ptr || uses_spf_macro(mechanism.domain_spec, 'p'))) {
    if (is_ptr || spend_term()) ask_own_names();  // RFC 7208 4.6.4: what a macro asks counts, too
    return;
  }
  const auto name = target(mechanism.domain_spec);
  if (mechanism.kind == SpfKind::kInclude) return enter(name);
  // RFC 7208 4.8 leaves open what a name is that the DNS cannot have: it does not exist.
  if (!name) return not_matched();
  switch (mechanism.kind) {
    case SpfKind::kA:
      return ask(*name, address_type(), Topic::kAddresses);
    case SpfKind::kExists:
      return ask(*name, dns::Type::kA, Topic::kAddresses);  // RFC 7208 5.7: never AAAA
    case SpfKind::kMx:
      return ask(*name, dns::Type::kMx, Topic::kExchanges);
    default:
      break;
  }
  const bool is_own =
      std::ranges::any_of(own_names_, [&](const std::string& each) { return dns::is_within(each, *name); });
  return is_own ? matched() : not_matched();
}

void SpfCheck::end_of_record() {
  Frame& frame = frames_.back();
  // RFC 7208 4.7.
  if (!frame.record.redirect) return finish_record(SpfVerdict::kNeutral);
  if (!frame.counted && !spend_term()) return;
  frame.counted = true;
  if (!own_names_known_ && uses_spf_macro(*frame.record.redirect, 'p')) {
    if (spend_term()) ask_own_names();
    return;
  }
  std::optional<std::string> name;
  if (!cannot_be_asked(*frame.record.redirect)) name = target(*frame.record.redirect);
  // RFC 7208 6.1, 6.2: the other record stands in the place of this one, and of its "exp".
  frames_.pop_back();
  enter(name);
}

void SpfCheck::matched() {
  if (frames_.size() == 1) result_.mechanism = mechanism_.text;
  finish_record(verdict_of(mechanism_.qualifier));
}

void SpfCheck::not_matched() {
  Frame& frame = frames_.back();
  frame.next = frame.record.mechanisms.find(' ', frame.next) + 1;
  frame.counted = false;
}

// Calls itself by matched(), once for each "include" around it.
void SpfCheck::finish_record(SpfVerdict verdict) {
  if (frames_.size() > 1) {
    frames_.pop_back();
    // RFC 7208 5.2: only "pass" is a match.
    if (verdict != SpfVerdict::kPass) return not_matched();
    read_mechanism();
    return matched();
  }
  result_.verdict = verdict;
  explaining_ = verdict == SpfVerdict::kFail && frames_.back().record.explanation.has_value();
  done_ = !explaining_;
}

void SpfCheck::finish(SpfVerdict verdict, std::string problem) {
  result_.verdict = verdict;
  result_.problem = std::move(problem);
  done_ = true;
}

bool SpfCheck::spend_term() {
  if (++terms_ <= kMostTerms) return true;
  finish(SpfVerdict::kPermerror, "more than 10 of its terms ask the DNS");
  return false;
}

// RFC 7208 4.6.4 counts terms: of one that asks for several names, only what it asks first. Otherwise a
// client on IPv6 would stumble over three hosts of an "mx" that have IPv4 only.
bool SpfCheck::spend_void(const dns::Answer& answer) {
  if (explaining_ || !found_nothing(answer) || ++voids_ <= kMostVoids) return true;
  finish(SpfVerdict::kPermerror, "more than 2 of its terms name what the DNS has not got");
  return false;
}

void SpfCheck::take_addresses(const std::string& name, const dns::Answer& answer) {
  if (answer.verdict == dns::Verdict::kFailed) return finish(SpfVerdict::kTemperror, unanswered(name));
  if (!spend_void(answer)) return;
  const bool is_match = mechanism_.kind == SpfKind::kExists
                            ? answer.verdict == dns::Verdict::kFound
                            : is_of_client(answer, mechanism_.ip4_length, mechanism_.ip6_length);
  return is_match ? matched() : not_matched();
}

void SpfCheck::take_exchanges(const std::string& name, const dns::Answer& answer) {
  if (answer.verdict == dns::Verdict::kFailed) return finish(SpfVerdict::kTemperror, unanswered(name));
  if (!spend_void(answer)) return;
  // RFC 7208 4.6.4. Of all that there are, so that it does not depend on an order that changes.
  if (answer.records.size() > kMostExchanges)
    return finish(SpfVerdict::kPermerror, name + " has more than 10 MX records");
  std::vector<dns::Record> exchanges = answer.records;
  std::ranges::stable_sort(exchanges, {}, &dns::Record::preference);
  for (dns::Record& each : exchanges) names_.push_back(std::move(each.text));
  ask_exchange();
}

void SpfCheck::ask_exchange() {
  while (!names_.empty()) {
    const std::string name = std::move(names_.front());
    names_.erase(names_.begin());
    // The root is the host of a domain that has no mail (RFC 7505).
    if (dns::is_name(name)) return ask(name, address_type(), Topic::kExchangeAddresses);
  }
  // RFC 7208 5.4: where there is no MX record, the domain is not its own.
  not_matched();
}

void SpfCheck::take_exchange(const std::string& name, const dns::Answer& answer) {
  if (answer.verdict == dns::Verdict::kFailed) return finish(SpfVerdict::kTemperror, unanswered(name));
  if (!is_of_client(answer, mechanism_.ip4_length, mechanism_.ip6_length)) return ask_exchange();
  names_.clear();
  matched();
}

// Once for a check; then the term that wanted them is evaluated again.
void SpfCheck::ask_own_names() {
  ask(expand_spf_domain("%{ir}.%{v}.arpa", values_).value_or(""), dns::Type::kPtr, Topic::kOwnNames);
}

void SpfCheck::take_own_names(const dns::Answer& answer) {
  // RFC 7208 5.5, 7.3: a failure of the DNS is as good as no name.
  if (!spend_void(answer)) return;
  for (const dns::Record& each : answer.records) {
    if (names_.size() == kMostOwnNames) break;  // RFC 7208 4.6.4: the others are ignored
    if (dns::is_name(each.text)) names_.push_back(each.text);
  }
  ask_own_name();
}

void SpfCheck::ask_own_name() {
  own_names_known_ = names_.empty();
  if (own_names_known_) return;
  const std::string name = std::move(names_.front());
  names_.erase(names_.begin());
  ask(name, address_type(), Topic::kOwnAddresses);
}

void SpfCheck::explain() {
  const std::string& text = explanation_ ? *explanation_ : *frames_.back().record.explanation;
  if (!own_names_known_ && uses_spf_macro(text, 'p')) return ask_own_names();
  if (!explanation_) {
    const auto name = target(text);
    if (name) return ask(*name, dns::Type::kTxt, Topic::kExplanation);
  } else {
    set_values();
    result_.explanation = expand_spf_explanation(text, values_).value_or("");
  }
  done_ = true;
}

// RFC 7208 6.2: whatever is wrong with it, the result stands, without it.
void SpfCheck::take_explanation(const dns::Answer& answer) {
  done_ = answer.records.size() != 1 || answer.records.front().text.size() > kMaxSpfMacroString ||
          !is_spf_macro_string(answer.records.front().text, SpfMacroUse::kExplanation);
  if (!done_) explanation_ = answer.records.front().text;
}

std::optional<std::string> SpfCheck::target(const std::string& domain_spec) {
  set_values();
  if (domain_spec.empty()) return values_.domain;
  return expand_spf_domain(domain_spec, values_);
}

void SpfCheck::set_values() {
  values_.domain = frames_.back().domain;
  values_.reverse_name = reverse_name();
}

// RFC 8616 4: with a local part beyond ASCII, a term that has it in its name never matches.
bool SpfCheck::cannot_be_asked(const std::string& domain_spec) const {
  return !utf8::is_ascii(values_.local_part) &&
         (uses_spf_macro(domain_spec, 'l') || uses_spf_macro(domain_spec, 's'));
}

bool SpfCheck::is_of_client(const dns::Answer& answer, unsigned ip4_length, unsigned ip6_length) const {
  const dns::Type type = address_type();
  const unsigned bits = type == dns::Type::kA ? kMappedIp4Bits + ip4_length : ip6_length;
  return std::ranges::any_of(answer.records, [&](const dns::Record& each) {
    return each.type == type && IpNetwork{each.address, bits}.contains(values_.ip);
  });
}

dns::Type SpfCheck::address_type() const {
  return values_.ip.is_ipv4() ? dns::Type::kA : dns::Type::kAaaa;
}

// RFC 7208 7.3: the domain itself, else a name in it, else any.
std::string SpfCheck::reverse_name() const {
  if (own_names_.empty()) return "unknown";
  const std::string* best = &own_names_.front();
  for (const std::string& each : own_names_) {
    if (ascii::same(each, values_.domain)) return each;
    if (dns::is_within(each, values_.domain) && !dns::is_within(*best, values_.domain)) best = &each;
  }
  return *best;
}

}  // namespace mailstead
