#include "protocols/address.h"

#include <algorithm>

#include "protocols/a_label.h"
#include "protocols/ascii.h"
#include "protocols/letters.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

bool is_beyond(char c) {
  return static_cast<unsigned char>(c) > 0x7f;
}

// RFC 5322 3.2.3, RFC 6531 3.3
bool is_atext(char c) {
  return is_beyond(c) || ascii::is_letter(c) || ascii::is_digit(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool is_dot_string(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(text, [](char c) { return is_atext(c) || c == '.'; });
}

struct LocalPart {
  std::string value;        // unquoted
  std::size_t written = 0;  // octets that it took
};

// UTF-8 without anything that a terminal would obey.
bool is_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t octets = utf8::length(text);
    if (octets == 0 || utf8::is_control(text.substr(0, octets))) return false;
    text.remove_prefix(octets);
  }
  return true;
}

// A Quoted-string at the start of `text`. RFC 5321 4.1.2: qtextSMTP and quoted-pairSMTP are printable ASCII,
// and by RFC 6531 3.3 the former is also what lies beyond.
std::optional<LocalPart> read_quoted(std::string_view text) {
  LocalPart local;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      local.written = i + 1;
      return local;
    }
    const bool is_pair = text[i] == '\\';
    if (is_pair && ++i == text.size()) return std::nullopt;
    if (!ascii::is_printable(text[i]) && (is_pair || !is_beyond(text[i]))) return std::nullopt;
    local.value += text[i];
  }
  return std::nullopt;
}

std::optional<LocalPart> read_local_part(std::string_view text) {
  std::optional<LocalPart> local;
  if (text.starts_with('"')) {
    local = read_quoted(text);
  } else {
    const std::string_view word = text.substr(0, text.find('@'));
    if (is_dot_string(word)) local = LocalPart{std::string(word), word.size()};
  }
  // The grammar lets "" be a local part; but then it would be the key of a whole domain.
  if (!local || local->value.empty() || local->written > kMaxLocalPart) return std::nullopt;
  if (!is_text(local->value)) return std::nullopt;
  return local;
}

std::optional<Address> read_mailbox(std::string_view text) {
  const auto local = read_local_part(text);
  if (!local || local->written == text.size() || text[local->written] != '@') return std::nullopt;
  auto domain = parse_mail_domain(text.substr(local->written + 1));
  if (!domain) return std::nullopt;
  return Address{local->value, std::move(*domain)};
}

// RFC 5321 4.1.2: A-d-l = At-domain *( "," At-domain ), without its colon.
bool is_source_route(std::string_view text) {
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view hop = text.substr(0, comma);
    if (!hop.starts_with('@') || !parse_mail_domain(hop.substr(1))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

// The place of the bracket that ends the path; one inside quotes does not.
std::size_t find_closing_bracket(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string Address::text() const {
  std::string result;
  if (is_dot_string(local_part)) {
    result = local_part;
  } else {
    result = '"';
    for (const char c : local_part) {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
    result += '"';
  }
  if (!domain.empty()) result += '@' + domain;
  return result;
}

std::string Address::key() const {
  return folded(local_part) + '@' + ascii::lower(domain);
}

bool Address::is_beyond_ascii() const {
  return !utf8::is_ascii(local_part);
}

Result<Address> parse_address(std::string_view text) {
  // RFC 5321 4.5.3.1.3 counts the brackets that a path would put around it.
  if (text.size() + 2 > kMaxPath) return Error{ErrorKind::kInvalid, "the address is longer than 254 octets"};
  auto address = read_mailbox(text);
  if (!address) return Error{ErrorKind::kInvalid, "not a mail address: write it as name@domain"};
  return std::move(*address);
}

std::optional<std::string> parse_mail_domain(std::string_view text) {
  if (utf8::is_ascii(text)) return parse_domain(text);
  if (text.size() > kMaxDomain || !is_text(text)) return std::nullopt;
  if (!is_unambiguous(text)) return std::nullopt;  // RFC 5892 2: such characters may stand in no label
  return ascii_domain(text);
}

std::optional<Path> parse_path(std::string_view text, std::string_view& rest, Letters letters) {
  if (!text.starts_with('<')) return std::nullopt;
  const std::size_t end = find_closing_bracket(text);
  if (end == std::string_view::npos || end + 1 > kMaxPath) return std::nullopt;
  std::string_view mailbox = text.substr(1, end - 1);
  if (letters == Letters::kAscii && !utf8::is_ascii(mailbox)) return std::nullopt;
  rest = text.substr(end + 1);
  if (mailbox.empty()) return Path{};

  // RFC 5321 4.1.1.3: a source route is accepted and ignored.
  if (mailbox.starts_with('@')) {
    const std::size_t colon = mailbox.find(':');
    if (colon == std::string_view::npos || !is_source_route(mailbox.substr(0, colon))) return std::nullopt;
    mailbox.remove_prefix(colon + 1);
  }
  // RFC 5321 4.5.1: the one name that needs no domain.
  if (ascii::same(mailbox, "postmaster")) return Path{Address{std::string(mailbox), {}}};

  auto address = read_mailbox(mailbox);
  if (!address) return std::nullopt;
  return Path{std::move(address)};
}

}  // namespace mailstead
