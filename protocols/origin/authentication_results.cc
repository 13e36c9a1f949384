#include "protocols/origin/authentication_results.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/a_label.h"
#include "protocols/ascii.h"
#include "protocols/header_token.h"
#include "protocols/letters.h"
#include "protocols/origin/dkim_signature.h"
#include "protocols/origin/results_border.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

// Octets; a line has room for 998, and what is quoted may become twice as long. Words may be cut. A name
// never is: what is left of it might be somebody else's.
constexpr std::size_t kMaxWordsTold = 400;
constexpr std::size_t kMaxNameTold = 400;

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

// The octets of the character that begins `text`; 0: no header with these letters may hold it.
std::size_t harmless_length(std::string_view text, Letters letters) {
  const std::size_t length = utf8::length(text);
  const bool good =
      length > 0 && !utf8::is_control(text.substr(0, length)) && (letters == Letters::kUtf8 || length == 1);
  return good ? length : 0;
}

bool is_harmless(std::string_view text, Letters letters) {
  while (!text.empty()) {
    const std::size_t length = harmless_length(text, letters);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Words for people, with a sign in the place of what no header may hold.
std::string harmless_words(std::string_view text, Letters letters) {
  std::string result;
  while (!text.empty() && result.size() < kMaxWordsTold) {
    const std::size_t length = harmless_length(text, letters);
    if (length > 0) {
      result += text.substr(0, length);
    } else {
      result += '?';
    }
    text.remove_prefix(length > 0 ? length : std::max<std::size_t>(utf8::length(text), 1));
  }
  return result;
}

// RFC 8601 2.2, pvalue: a token, a quoted string, or [[local-part] "@"] domain-name.
std::string pvalue(const std::string& value) {
  const std::size_t at = value.rfind('@');
  const bool has_at = at != std::string::npos;
  const std::string_view domain = std::string_view(value).substr(has_at ? at + 1 : 0);
  const bool is_address =
      is_domain_text(domain) && (!has_at || is_dot_atom(std::string_view(value).substr(0, at)));
  return is_token(value) || is_address ? value : quoted_text(value);
}

// Empty: it is none that can be told. As U-labels only if those are not longer than a domain may be, and
// nobody can take them for others.
std::string domain_in(std::string_view domain, Letters letters) {
  const std::string ascii = utf8::is_ascii(domain) ? std::string(domain) : ascii_domain(domain).value_or("");
  if (ascii.size() > kMaxDomain || !is_harmless(ascii, Letters::kAscii)) return {};
  if (letters == Letters::kAscii) return ascii;
  const std::string text = unicode_domain(ascii);
  return text.size() <= kMaxDomain && is_seen_whole(text) ? text : ascii;
}

// Of an address, or "@domain", or a domain: as much of it as can be told as it is. Empty: nothing.
std::string address_value(std::string_view text, Letters letters) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return domain_in(text, letters);
  const std::string_view local = text.substr(0, at);
  const std::string domain = domain_in(text.substr(at + 1), letters);
  if (domain.empty()) return {};
  const bool is_told = is_harmless(local, letters) && local.size() + 1 + domain.size() <= kMaxNameTold;
  return fmt::format("{}@{}", is_told ? local : "", domain);
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
    const std::string quoted = "reason=" + quoted_text(harmless_words(reason, letters_));
    // It may be folded at its spaces (RFC 5322 3.2.4).
    for (std::string_view rest = quoted; !rest.empty();) {
      const std::string_view word = ascii::take_until(rest, ' ');
      if (!word.empty()) words_.emplace_back(word);
    }
  }
  void add_words(std::string_view property, std::string_view text) {
    add(property, harmless_words(text, letters_));
  }
  void add_address(std::string_view property, std::string_view text) {
    add(property, address_value(text, letters_));
  }
  const std::vector<std::string>& words() const { return words_; }

 private:
  void add(std::string_view property, const std::string& value) {
    if (!value.empty()) words_.push_back(fmt::format("{}={}", property, pvalue(value)));
  }

  Letters letters_;
  std::vector<std::string> words_;
};

std::string unsigned_words(std::uint64_t octets) {
  return fmt::format("{} octets of the body are not signed", octets);
}

void add_dkim(const DkimVerdict& verdict, ResultWords& into) {
  into.begin(fmt::format("dkim={}", name_of(verdict.result)));
  std::string reason = verdict.reason;
  const auto add = [&reason](const std::string& more) { reason += (reason.empty() ? "" : ", ") + more; };
  if (verdict.result == DkimResult::kPass) {
    if (verdict.unsigned_octets > 0) add(unsigned_words(verdict.unsigned_octets));
    if (verdict.from_fields > 1) add(fmt::format("message has {} From fields", verdict.from_fields));
  }
  if (verdict.is_testing) add("key is for tests");
  into.add_reason(reason);
  into.add_address("header.d", verdict.domain);
  // It says more than d= only where somebody has said it.
  if (verdict.identity != "@" + verdict.domain) into.add_address("header.i", verdict.identity);
  into.add_address("header.s", verdict.selector);
  into.add_words("header.a", verdict.algorithm);
  into.add_words("header.b", verdict.signature_start);  // RFC 6008
}

void add_arc(const ArcVerdict& verdict, std::string_view remote_ip, ResultWords& into) {
  into.begin(fmt::format("arc={}", name_of(verdict.chain)));
  into.add_reason(verdict.unsigned_octets > 0 ? unsigned_words(verdict.unsigned_octets) : verdict.reason);
  into.add_words("smtp.remote-ip", remote_ip);
  // RFC 8617 10.2
  if (verdict.chain == ChainValidation::kPass) {
    into.add_words("header.oldest-pass", std::to_string(verdict.oldest_pass));
  }
}

std::vector<std::string> words_of(const AuthenticationResults& results, Letters letters) {
  ResultWords words(letters);
  words.begin(pvalue(domain_in(results.host, letters)));
  for (const SpfOutcome& spf : results.spf) {
    words.begin(fmt::format("spf={}", name_of(spf.result)));
    words.add_reason(spf.reason);
    words.add_address("smtp.mailfrom", spf.mail_from);
    words.add_address("smtp.helo", spf.helo);
  }
  if (results.dmarc) {
    words.begin(fmt::format("dmarc={}", name_of(results.dmarc->result)));
    words.add_reason(results.dmarc->reason);
    words.add_address("header.from", results.dmarc->from_domain);
    if (results.dmarc->policy) words.add_words("policy.dmarc", name_of(*results.dmarc->policy));
  }
  if (results.arc) add_arc(*results.arc, results.arc_remote_ip, words);
  // Last, since they may be many and long: who reads no more than the beginning has the rest.
  if (results.dkim) {
    if (results.dkim->empty()) words.begin("dkim=none");
    for (const DkimVerdict& verdict : *results.dkim) add_dkim(verdict, words);
  }
  // RFC 8601 2.2, no-result
  if (words.words().size() == 1) words.begin("none");
  return words.words();
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

std::vector<ToldResult> results_told(std::string_view field) {
  const std::string value = unfolded_value(field);
  auto parts = mime_parts(value);
  if (!field.ends_with('\n')) parts.pop_back();  // cut
  std::vector<ToldResult> told;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto words = header_tokens(parts[i], "");
    if (!words || words->empty()) continue;
    ToldResult& result = told.emplace_back();
    result.text = parts[i];
    std::ranges::replace(result.text, '\t', ' ');  // where it was folded
    std::string_view statement = words->front().text;
    result.method = ascii::take_until(statement, '=');
    result.result = statement;
    constexpr std::string_view kSigner = "header.d=";
    for (const HeaderToken& word : *words) {
      if (result.method == "dkim" && word.text.starts_with(kSigner))
        result.domain = word.text.substr(kSigner.size());
    }
  }
  return told;
}

}  // namespace mailstead
