#include "protocols/authentication_results.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/a_label.h"
#include "protocols/ascii.h"
#include "protocols/dkim_signature.h"
#include "protocols/header_token.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr std::string_view kResultsName = "Authentication-Results";
constexpr std::size_t kMaxValue = 400;  // octets; a line has room for 998

std::string_view name_of(SpfOutcome::Result result) {
  switch (result) {
    case SpfOutcome::Result::kNone:
      return "none";
    case SpfOutcome::Result::kNeutral:
      return "neutral";
    case SpfOutcome::Result::kPass:
      return "pass";
    case SpfOutcome::Result::kFail:
      return "fail";
    case SpfOutcome::Result::kSoftFail:
      return "softfail";
    case SpfOutcome::Result::kTemporaryError:
      return "temperror";
    case SpfOutcome::Result::kPermanentError:
      return "permerror";
  }
  return {};
}

std::string_view name_of(DmarcOutcome::Result result) {
  switch (result) {
    case DmarcOutcome::Result::kNone:
      return "none";
    case DmarcOutcome::Result::kPass:
      return "pass";
    case DmarcOutcome::Result::kFail:
      return "fail";
    case DmarcOutcome::Result::kTemporaryError:
      return "temperror";
    case DmarcOutcome::Result::kPermanentError:
      return "permerror";
  }
  return {};
}

std::string_view name_of(DmarcOutcome::Policy policy) {
  if (policy == DmarcOutcome::Policy::kNone) return "none";
  return policy == DmarcOutcome::Policy::kReject ? "reject" : "quarantine";
}

bool is_beyond_ascii(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

// RFC 2045 5.1
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return ascii::is_printable(c) && std::string_view(" ()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

// RFC 5322 3.2.3, RFC 6532 3.2
bool is_dot_atom(std::string_view text) {
  while (!text.empty()) {
    const bool is_last = text.find('.') == std::string_view::npos;
    const std::string_view atom = ascii::take_until(text, '.');
    const bool good = !atom.empty() && std::ranges::all_of(atom, [](char c) {
      return ascii::is_letter(c) || ascii::is_digit(c) || is_beyond_ascii(c) ||
             std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
    });
    if (!good || (text.empty() && !is_last)) return false;
  }
  return true;
}

bool is_domain_text(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_' || c == '.' ||
           is_beyond_ascii(c);
  });
}

std::string quoted_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

// Without what no header may hold: control characters, and octets that are not of its letters.
std::string harmless(std::string_view text, Letters letters) {
  text = text.substr(0, kMaxValue);
  std::string result;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8::length(text), 1);
    const std::string_view character = text.substr(0, length);
    const bool good =
        utf8::length(text) > 0 && !utf8::is_control(character) && (letters == Letters::kUtf8 || length == 1);
    if (good) {
      result += character;
    } else {
      result += '?';
    }
    text.remove_prefix(length);
  }
  return result;
}

// RFC 8601 2.2, pvalue: a token, a quoted string, or [[local-part] "@"] domain-name.
std::string pvalue(std::string_view text, Letters letters) {
  std::string value = harmless(text, letters);
  const std::size_t at = value.rfind('@');
  const bool has_at = at != std::string::npos;
  const std::string_view domain = std::string_view(value).substr(has_at ? at + 1 : 0);
  const bool is_address =
      is_domain_text(domain) && (!has_at || is_dot_atom(std::string_view(value).substr(0, at)));
  return is_token(value) || is_address ? value : quoted_text(value);
}

std::string domain_in(std::string_view domain, Letters letters) {
  return letters == Letters::kUtf8 ? unicode_domain(domain) : std::string(domain);
}

// Of an address, or "@domain", or a domain.
std::string address_value(std::string_view text, Letters letters) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return pvalue(domain_in(text, letters), letters);
  const std::string_view local = text.substr(0, at);
  const std::string domain = domain_in(text.substr(at + 1), letters);
  if (letters == Letters::kAscii && !utf8::is_ascii(local)) return pvalue("@" + domain, letters);
  return pvalue(fmt::format("{}@{}", local, domain), letters);
}

class ResultWords {
 public:
  explicit ResultWords(Letters letters) : letters_(letters) {}

  // A result of one more method; those before it end with a semicolon.
  void begin(std::string word) {
    if (!words_.empty()) words_.back() += ';';
    words_.push_back(std::move(word));
  }
  void add_reason(std::string_view reason) {
    if (reason.empty()) return;
    const std::string quoted = "reason=" + quoted_text(harmless(reason, letters_));
    // It may be folded at its spaces (RFC 5322 3.2.4).
    for (std::string_view rest = quoted; !rest.empty();) {
      const std::string_view word = ascii::take_until(rest, ' ');
      if (!word.empty()) words_.emplace_back(word);
    }
  }
  void add(std::string_view property, std::string_view value) {
    if (!value.empty()) words_.push_back(fmt::format("{}={}", property, pvalue(value, letters_)));
  }
  void add_address(std::string_view property, std::string_view value) {
    if (!value.empty()) words_.push_back(fmt::format("{}={}", property, address_value(value, letters_)));
  }
  const std::vector<std::string>& words() const { return words_; }

 private:
  Letters letters_;
  std::vector<std::string> words_;
};

void add_dkim(const DkimVerdict& verdict, ResultWords& into) {
  into.begin(fmt::format("dkim={}", name_of(verdict.result)));
  std::string reason = verdict.reason;
  if (reason.empty() && verdict.unsigned_octets > 0) {
    reason = fmt::format("{} octets of the body are not signed", verdict.unsigned_octets);
  }
  if (verdict.is_testing) reason += reason.empty() ? "key is for tests" : ", key is for tests";
  into.add_reason(reason);
  into.add_address("header.d", verdict.domain);
  // It says more than d= only where somebody has said it.
  if (verdict.identity != "@" + verdict.domain) into.add_address("header.i", verdict.identity);
  into.add_address("header.s", verdict.selector);
  into.add("header.a", verdict.algorithm);
  into.add("header.b", verdict.signature_start);  // RFC 6008
}

void add_arc(const ArcVerdict& verdict, std::string_view remote_ip, ResultWords& into) {
  into.begin(fmt::format("arc={}", name_of(verdict.chain)));
  into.add_reason(verdict.reason);
  into.add("smtp.remote-ip", remote_ip);
  // RFC 8617 10.2
  if (verdict.chain == ChainValidation::kPass) {
    into.add("header.oldest-pass", std::to_string(verdict.oldest_pass));
  }
}

std::vector<std::string> words_of(const AuthenticationResults& results, Letters letters) {
  ResultWords words(letters);
  words.begin(pvalue(domain_in(results.host, letters), letters));
  for (const SpfOutcome& spf : results.spf) {
    words.begin(fmt::format("spf={}", name_of(spf.result)));
    words.add_reason(spf.reason);
    words.add_address("smtp.mailfrom", spf.mail_from);
    words.add_address("smtp.helo", spf.helo);
  }
  if (results.dkim) {
    if (results.dkim->empty()) words.begin("dkim=none");
    for (const DkimVerdict& verdict : *results.dkim) add_dkim(verdict, words);
  }
  if (results.arc) add_arc(*results.arc, results.arc_remote_ip, words);
  if (results.dmarc) {
    words.begin(fmt::format("dmarc={}", name_of(results.dmarc->result)));
    words.add_reason(results.dmarc->reason);
    words.add_address("header.from", results.dmarc->from_domain);
    if (results.dmarc->policy) words.add("policy.dmarc", name_of(*results.dmarc->policy));
  }
  // RFC 8601 2.2, no-result
  if (words.words().size() == 1) words.begin("none");
  return words.words();
}

// RFC 8601 5: names are compared as A-labels.
std::string comparable(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return ascii::lower(ascii_domain(host).value_or(std::string(host)));
}

}  // namespace

std::string write_authentication_results(const AuthenticationResults& results, Letters letters) {
  SignatureField field(kResultsName);
  for (const std::string& word : words_of(results, letters)) field.add_word(word);
  return field.text() + "\r\n";
}

std::string authentication_results_line(const AuthenticationResults& results, Letters letters) {
  std::string line;
  for (const std::string& word : words_of(results, letters)) line += (line.empty() ? "" : " ") + word;
  return line;
}

bool claims_results_of(std::string_view field, std::string_view host) {
  if (!ascii::same(field_name(field), kResultsName)) return false;
  const std::string value = unfolded_value(field);
  const auto tokens = header_tokens(value, ";");
  if (!tokens) return true;
  const auto id = std::ranges::find_if(
      *tokens, [](const HeaderToken& token) { return token.kind != HeaderToken::Kind::kComment; });
  if (id == tokens->end() || id->is(';')) return true;
  const std::string text =
      id->kind == HeaderToken::Kind::kQuoted ? unquoted(id->text) : std::string(id->text);
  return comparable(text) == comparable(host);
}

std::vector<std::string_view> results_claimed_for(std::string_view host, std::string_view header) {
  std::vector<std::string_view> found;
  while (!header.empty()) {
    const std::string_view field = first_field(header);
    header.remove_prefix(field.size());
    if (claims_results_of(field, host)) found.push_back(field);
  }
  return found;
}

}  // namespace mailstead
