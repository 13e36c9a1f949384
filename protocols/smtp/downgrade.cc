#include "protocols/smtp/downgrade.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "protocols/a_label.h"
#include "protocols/ascii.h"
#include "protocols/encoded_word.h"
#include "protocols/header_token.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

using TokenKind = HeaderToken::Kind;
using Tokens = std::span<const HeaderToken>;

constexpr std::string_view kAddressSpecials = "<>,:;";

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view each) { return ascii::same(each, name); });
}

bool is_ascii(Tokens tokens) {
  return std::all_of(tokens.begin(), tokens.end(),
                     [](const HeaderToken& token) { return utf8::is_ascii(token.text); });
}

std::string_view blank_before(const HeaderToken& token) {
  return token.blank_before ? " " : "";
}

// What the words say: without quotes.
std::string words_of(Tokens tokens) {
  std::string text;
  for (const HeaderToken& token : tokens) {
    if (!text.empty() && token.blank_before) text += ' ';
    text += token.kind == TokenKind::kQuoted ? unquoted(token.text) : std::string(token.text);
  }
  return text;
}

// RFC 6857 3.1.1. Words that are ASCII stay as they are, but for a few between two that are not.
void put_unstructured(FoldedField& field, std::string_view value) {
  struct Word {
    std::string_view blank, text;
  };
  std::vector<Word> words;
  while (!value.empty()) {
    const std::size_t begin = std::min(value.find_first_not_of(" \t"), value.size());
    const std::size_t end = std::min(value.find_first_of(" \t", begin), value.size());
    words.push_back({value.substr(0, begin), value.substr(begin, end - begin)});
    value.remove_prefix(end);
  }
  constexpr std::size_t kShortGap = 12;  // octets: less than what it costs to begin another encoded-word
  std::size_t i = 0;
  while (i < words.size()) {
    const std::string_view blank = i == 0 ? " " : words[i].blank;
    if (utf8::is_ascii(words[i].text)) {
      field.put(blank, words[i].text);
      ++i;
      continue;
    }
    std::size_t last = i;
    std::size_t gap = 0;
    for (std::size_t k = i + 1; k < words.size() && gap < kShortGap && !looks_encoded(words[k].text); ++k) {
      gap = utf8::is_ascii(words[k].text) ? gap + words[k].text.size() + 1 : 0;
      if (gap == 0) last = k;
    }
    const char* const end = words[last].text.data() + words[last].text.size();
    std::string text(words[i].text.data(), end);
    // Between two encoded-words white space is not shown (RFC 2047 6.2): it goes into ours.
    if (i > 0 && looks_encoded(words[i - 1].text)) text.insert(0, words[i].blank);
    if (last + 1 < words.size() && looks_encoded(words[last + 1].text)) text += words[last + 1].blank;
    field.put_encoded(blank, text);
    i = last + 1;
  }
}

// RFC 6857 3.1.3.
void put_token(FoldedField& field, const HeaderToken& token) {
  const std::string_view blank = blank_before(token);
  if (utf8::is_ascii(token.text)) return field.put(blank, token.text);
  if (token.kind == TokenKind::kComment) return field.put_encoded(blank, unquoted(token.text), "(", ")");
  field.put_encoded(blank, token.kind == TokenKind::kQuoted ? unquoted(token.text) : std::string(token.text));
}

// RFC 6857 3.1.2 and 3.1.5. Encoded-words that are there already are let alone.
void put_phrase(FoldedField& field, std::string_view blank, Tokens tokens) {
  bool encoded_before = false;
  while (!tokens.empty()) {
    std::size_t count = 0;
    while (count < tokens.size() && !looks_encoded(tokens[count].text)) ++count;
    const Tokens words = tokens.first(count);
    if (!words.empty() && is_ascii(words)) {
      for (const HeaderToken& token : words) field.put(&token == words.data() ? blank : " ", token.text);
    } else if (!words.empty()) {
      const std::string after = count < tokens.size() ? " " : "";
      field.put_encoded(blank, (encoded_before ? " " : "") + words_of(words) + after);
    }
    if (!words.empty()) blank = " ";
    tokens = tokens.subspan(count);
    if (tokens.empty()) return;
    field.put(blank, tokens.front().text);
    encoded_before = true;
    blank = " ";
    tokens = tokens.subspan(1);
  }
}

struct Mailbox {
  std::vector<HeaderToken> phrase, comments;
  std::string address;
  bool in_brackets = false;

  bool is_ascii() const {
    return mailstead::is_ascii(phrase) && mailstead::is_ascii(comments) && utf8::is_ascii(address);
  }
};

// RFC 5322 3.4. Nothing for what is no address at all.
std::optional<Mailbox> read_mailbox(Tokens tokens) {
  Mailbox mailbox;
  bool closed = false;
  for (const HeaderToken& token : tokens) {
    if (token.kind == TokenKind::kComment) {
      mailbox.comments.push_back(token);
    } else if (token.is('<') && !mailbox.in_brackets) {
      mailbox.in_brackets = true;
    } else if (token.is('>') && mailbox.in_brackets && !closed) {
      closed = true;
    } else if (mailbox.in_brackets && !closed) {
      mailbox.address += token.text;
    } else if (closed || token.kind == TokenKind::kSpecial) {
      return std::nullopt;
    } else {
      mailbox.phrase.push_back(token);
    }
  }
  if (mailbox.in_brackets != closed) return std::nullopt;
  if (!mailbox.in_brackets) {
    for (const HeaderToken& token : mailbox.phrase) mailbox.address += token.text;
    mailbox.phrase.clear();
  }
  return mailbox;
}

// RFC 6857 3.1.6: in ASCII, when its local part is.
std::optional<std::string> ascii_address(const std::string& address) {
  if (utf8::is_ascii(address)) return address;
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos || !utf8::is_ascii(address.substr(0, at))) return std::nullopt;
  const auto domain = ascii_domain(std::string_view(address).substr(at + 1));
  if (!domain) return std::nullopt;
  return address.substr(0, at + 1) + *domain;
}

void put_comments(FoldedField& field, const std::vector<HeaderToken>& comments) {
  for (HeaderToken comment : comments) {
    comment.blank_before = true;
    put_token(field, comment);
  }
}

// RFC 6857 3.1.8.
void put_mailbox(FoldedField& field, const Mailbox& mailbox) {
  const auto address = ascii_address(mailbox.address);
  if (!address) {
    const std::string name = words_of(mailbox.phrase);
    field.put_encoded(" ", name.empty() ? mailbox.address : name + " " + mailbox.address);
    field.put(" ", ":;");
  } else {
    if (!mailbox.phrase.empty()) put_phrase(field, " ", mailbox.phrase);
    field.put(" ", mailbox.in_brackets ? fmt::format("<{}>", *address) : *address);
  }
  put_comments(field, mailbox.comments);
}

// Where an address of a list ends: at a comma outside brackets, or at the end of a group.
std::size_t end_of_address(Tokens tokens) {
  bool in_brackets = false;
  bool in_group = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].is('<')) in_brackets = true;
    if (tokens[i].is('>')) in_brackets = false;
    if (in_brackets) continue;
    if (tokens[i].is(':')) in_group = true;
    if (tokens[i].is(';')) in_group = false;
    if (tokens[i].is(',') && !in_group) return i;
  }
  return tokens.size();
}

std::size_t find_special(Tokens tokens, char special) {
  bool in_brackets = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].is('<')) in_brackets = true;
    if (tokens[i].is('>')) in_brackets = false;
    if (!in_brackets && tokens[i].is(special)) return i;
  }
  return tokens.size();
}

bool put_address_list(FoldedField& field, Tokens tokens);

// RFC 6857 3.1.7. False: it is none.
bool put_group(FoldedField& field, Tokens tokens) {
  const std::size_t colon = find_special(tokens, ':');
  const std::size_t semicolon = find_special(tokens, ';');
  if (semicolon + 1 != tokens.size() || colon > semicolon) return false;
  const Tokens members = tokens.subspan(colon + 1, semicolon - colon - 1);
  bool convertible = true;
  for (Tokens left = members; !left.empty();) {
    const std::size_t end = end_of_address(left);
    const auto member = read_mailbox(left.first(end));
    if (!member) return false;
    convertible &= ascii_address(member->address).has_value();
    left = left.subspan(std::min(end + 1, left.size()));
  }
  put_phrase(field, " ", tokens.first(colon));
  if (!convertible) {
    field.put_encoded(" ", words_of(members));
    field.put(" ", ":;");
    return true;
  }
  field.put("", ":");
  if (!put_address_list(field, members)) return false;
  field.put("", ";");
  return true;
}

bool put_address(FoldedField& field, Tokens tokens) {
  if (find_special(tokens, ':') < tokens.size()) return put_group(field, tokens);
  const auto mailbox = read_mailbox(tokens);
  if (!mailbox) return false;
  if (!mailbox->is_ascii()) {
    put_mailbox(field, *mailbox);
    return true;
  }
  for (const HeaderToken& token : tokens)
    field.put(&token == tokens.data() ? " " : blank_before(token), token.text);
  return true;
}

bool put_address_list(FoldedField& field, Tokens tokens) {
  bool first = true;
  while (!tokens.empty()) {
    const std::size_t end = end_of_address(tokens);
    if (end > 0) {
      if (!std::exchange(first, false)) field.put("", ",");
      if (!put_address(field, tokens.first(end))) return false;
    }
    tokens = tokens.subspan(std::min(end + 1, tokens.size()));
  }
  return true;
}

// RFC 6857 3.2.1.
std::string downgraded_addresses(std::string_view name, const std::string& value) {
  const auto tokens = header_tokens(value, kAddressSpecials);
  FoldedField field(name);
  if (tokens && put_address_list(field, *tokens)) return field.text();
  // No list of addresses: its words are shown, as the name of nobody.
  FoldedField nobody(name);
  nobody.put_encoded(" ", value);
  nobody.put(" ", ":;");
  return nobody.text();
}

std::string downgraded_unstructured(std::string_view name, std::string_view value) {
  FoldedField field(name);
  put_unstructured(field, value);
  return field.text();
}

// RFC 6857 3.2.2: only comments may hold more than ASCII. Empty: other words do.
std::string downgraded_comments(std::string_view name, const std::string& value) {
  const auto tokens = header_tokens(value, kAddressSpecials);
  if (!tokens) return {};
  FoldedField field(name);
  for (const HeaderToken& token : *tokens) {
    if (token.kind != TokenKind::kComment && !utf8::is_ascii(token.text)) return {};
    HeaderToken spaced = token;
    spaced.blank_before |= &token == tokens->data();
    put_token(field, spaced);
  }
  return field.text();
}

// RFC 6857 3.1.10.
std::string encapsulated(std::string_view name, std::string_view value) {
  return downgraded_unstructured(fmt::format("Downgraded-{}", name), value);
}

// RFC 6857 3.2.7.
std::string downgraded_phrases(std::string_view name, const std::string& value) {
  const auto tokens = header_tokens(value, ",");
  if (!tokens) return downgraded_unstructured(name, value);
  FoldedField field(name);
  for (Tokens left = *tokens; !left.empty();) {
    const std::size_t end = find_special(left, ',');
    if (left.size() != tokens->size()) field.put("", ",");
    put_phrase(field, " ", left.first(end));
    left = left.subspan(std::min(end + 1, left.size()));
  }
  return field.text();
}

// RFC 6857 3.2.4: domains become ASCII; a FOR or ID clause that cannot goes.
std::string downgraded_received(std::string_view name, const std::string& value) {
  const auto tokens = header_tokens(value, "<>;");
  FoldedField field(name);
  if (!tokens) return field.text();
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    HeaderToken token = (*tokens)[i];
    token.blank_before |= i == 0;
    if (ascii::same(token.text, "for") || ascii::same(token.text, "id")) {
      std::size_t end = i + 1;
      if (end < tokens->size() && (*tokens)[end].is('<')) {
        while (end < tokens->size() && !(*tokens)[end].is('>')) ++end;
      }
      const Tokens clause = Tokens(*tokens).subspan(i + 1, std::min(end + 1, tokens->size()) - i - 1);
      const auto address = ascii_address(words_of(clause.size() == 3 ? clause.subspan(1, 1) : clause));
      if (!address) {
        i = std::min(end, tokens->size() - 1);
        continue;
      }
    }
    if (token.kind != TokenKind::kComment && !utf8::is_ascii(token.text)) {
      const auto good = ascii_address(std::string(token.text));
      const auto domain = good ? good : ascii_domain(token.text);
      if (domain) field.put(blank_before(token), *domain);
      continue;
    }
    put_token(field, token);
  }
  return field.text();
}

// RFC 6857 3.1.4: one parameter of a MIME field, as an extended one.
void put_parameter(FoldedField& field, std::string_view parameter) {
  constexpr std::size_t kWhole = 400;  // octets; what is longer is continued, RFC 2231 3
  constexpr std::size_t kPiece = 20;   // octets of text
  const std::size_t equals = parameter.find('=');
  if (equals == std::string_view::npos) return;
  std::string name(ascii::trim(parameter.substr(0, equals)));
  if (name.empty() || !utf8::is_ascii(name)) return;
  const std::string_view written = ascii::trim(parameter.substr(equals + 1));
  const auto tokens = header_tokens(written, "");
  std::string text;
  if (tokens) {
    std::vector<HeaderToken> words = *tokens;
    std::erase_if(words, [](const HeaderToken& token) { return token.kind == TokenKind::kComment; });
    text = words_of(words);
  } else {
    text = written;
  }
  if (name.ends_with('*')) {
    // Extended already: what should have been encoded is.
    std::string value;
    for (const char c : text) value += utf8::is_ascii({&c, 1}) ? std::string(1, c) : percent_encoded({&c, 1});
    return field.put(" ", fmt::format("{}={}", name, value));
  }
  if (name.find('*') != std::string::npos) {
    const std::string value = name.ends_with("*0") ? extended_value(text) : percent_encoded(text);
    return field.put(" ", fmt::format("{}*={}", name, value));
  }
  if (text.size() <= kWhole) return field.put(" ", fmt::format("{}*={}", name, extended_value(text)));
  const std::string_view charset = utf8::is_valid(text) ? "UTF-8''" : "unknown-8bit''";
  for (std::size_t i = 0, number = 0; i < text.size(); i += kPiece, ++number) {
    const std::string_view end = i + kPiece < text.size() ? ";" : "";
    field.put(" ", fmt::format("{}*{}*={}{}{}", name, number, number == 0 ? charset : "",
                               percent_encoded(std::string_view(text).substr(i, kPiece)), end));
  }
}

// RFC 6857 3.2.5.
std::string downgraded_mime(std::string_view name, const std::string& value) {
  const auto parts = mime_parts(value);
  const auto name_of = [](std::string_view part) {
    return ascii::lower(ascii::trim(part.substr(0, part.find('='))));
  };
  // "name" of "name*", "name*0*" (RFC 2231 3 and 4).
  std::unordered_set<std::string> extended;
  for (const std::string_view part : parts) {
    const std::string whole = name_of(part);
    for (const std::size_t star : {whole.find('*'), whole.rfind('*')}) {
      if (star != std::string::npos) extended.insert(whole.substr(0, star));
    }
  }
  FoldedField field(name);
  for (const std::string_view part : parts) {
    const bool first = part.data() == parts.front().data();
    if (utf8::is_ascii(part)) {
      if (part.empty()) continue;
      if (!first) field.put("", ";");
      field.put_verbatim(" ", part);
    } else if (first) {
      const auto tokens = header_tokens(part, "");
      if (!tokens) continue;
      for (HeaderToken token : *tokens) {
        token.blank_before = true;
        if (token.kind == TokenKind::kComment || utf8::is_ascii(token.text)) put_token(field, token);
      }
    } else {
      // Who wrote it both ways meant readers of either kind.
      const bool twice = extended.contains(name_of(part));
      if (twice || part.find('=') == std::string_view::npos) continue;
      field.put("", ";");
      put_parameter(field, part);
    }
  }
  return field.text();
}

// RFC 6857 3.1.9, RFC 6533 3: utf-8-addr-xtext.
std::string downgraded_typed_address(std::string_view name, const std::string& value) {
  const std::size_t semicolon = value.find(';');
  const std::string_view type = ascii::trim(std::string_view(value).substr(0, semicolon));
  if (semicolon == std::string::npos || !ascii::same(type, "utf-8")) return encapsulated(name, value);
  std::string_view address = ascii::trim(std::string_view(value).substr(semicolon + 1));
  std::string text;
  std::size_t octets = 0;
  while (!address.empty()) {
    const auto c = utf8::first_character(address, octets);
    if (!c) return encapsulated(name, value);
    const bool plain = *c > ' ' && *c < 0x7f && *c != '\\' && *c != '+' && *c != '=';
    text += plain ? std::string(1, static_cast<char>(*c))
                  : fmt::format("\\x{{{:02X}}}", static_cast<std::uint32_t>(*c));
    address.remove_prefix(octets);
  }
  FoldedField field(name);
  field.put(" ", fmt::format("{};", type));
  field.put(" ", text);
  return field.text();
}

constexpr std::string_view kAddresses[] = {"From",        "Sender",
                                           "To",          "Cc",
                                           "Bcc",         "Reply-To",
                                           "Resent-From", "Resent-Sender",
                                           "Resent-To",   "Resent-Cc",
                                           "Resent-Bcc",  "Resent-Reply-To",
                                           "Return-Path", "Disposition-Notification-To"};
constexpr std::string_view kOnlyComments[] = {"Date",
                                              "Resent-Date",
                                              "MIME-Version",
                                              "Content-ID",
                                              "Content-Transfer-Encoding",
                                              "Content-Language",
                                              "Accept-Language",
                                              "Auto-Submitted"};
constexpr std::string_view kMessageIds[] = {"Message-ID", "Resent-Message-ID", "In-Reply-To", "References"};
constexpr std::string_view kMime[] = {"Content-Type", "Content-Disposition"};
constexpr std::string_view kTypedAddresses[] = {"Original-Recipient", "Final-Recipient"};

std::string downgraded(std::string_view name, const std::string& value) {
  if (is_one_of(name, kAddresses)) return downgraded_addresses(name, value);
  if (is_one_of(name, kMime)) return downgraded_mime(name, value);
  if (is_one_of(name, kTypedAddresses)) return downgraded_typed_address(name, value);
  if (ascii::same(name, "Received")) return downgraded_received(name, value);
  if (ascii::same(name, "Keywords")) return downgraded_phrases(name, value);
  const bool ids = is_one_of(name, kMessageIds);
  if (ids || is_one_of(name, kOnlyComments)) {
    if (std::string text = downgraded_comments(name, value); !text.empty()) return text;
    if (ids) return encapsulated(name, value);  // RFC 6857 3.2.3
  }
  return downgraded_unstructured(name, value);
}

}  // namespace

std::string downgraded_field(std::string_view field) {
  const std::string_view name = field_name(field);
  const std::string value = unfolded_value(field);
  if (!name.empty()) return downgraded(name, value);
  // No field: its words stand where they stood.
  std::string text = downgraded_unstructured("", value);
  return text.substr(2);  // without ": "
}

}  // namespace mailstead
