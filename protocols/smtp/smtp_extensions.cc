#include "protocols/smtp/smtp_extensions.h"

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

struct Flag {
  std::string_view keyword;
  bool SmtpExtensions::*member;
};

constexpr Flag kFlags[] = {
    {"PIPELINING", &SmtpExtensions::pipelining},
    {"8BITMIME", &SmtpExtensions::eight_bit_mime},
    {"SMTPUTF8", &SmtpExtensions::smtputf8},
    {"CHUNKING", &SmtpExtensions::chunking},
    {"DSN", &SmtpExtensions::dsn},
    {"STARTTLS", &SmtpExtensions::starttls},
    {"REQUIRETLS", &SmtpExtensions::require_tls},
    {"ENHANCEDSTATUSCODES", &SmtpExtensions::enhanced_codes},
    {"DELIVERBY", &SmtpExtensions::deliver_by},
    {"MT-PRIORITY", &SmtpExtensions::priority},
    {"SIZE", &SmtpExtensions::size},
};

std::string_view take_word(std::string_view& text) {
  text = ascii::trim(text);
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

void read_mechanisms(std::string_view text, SmtpExtensions& extensions) {
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
    extensions.auth_plain = extensions.auth_plain || ascii::same(word, "PLAIN");
    extensions.auth_login = extensions.auth_login || ascii::same(word, "LOGIN");
    extensions.auth_scram = extensions.auth_scram || ascii::same(word, "SCRAM-SHA-256");
  }
}

// RFC 9422 4: "NAME=value" words. None of them is ever 0: that would forbid all mail.
void read_limits(std::string_view text, SmtpExtensions& extensions) {
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const auto value = ascii::number(word.substr(std::min(equals + 1, word.size())));
    const std::string_view name = word.substr(0, equals);
    if (!value || *value == 0) continue;
    if (ascii::same(name, "RCPTMAX")) extensions.recipients = value;
    if (ascii::same(name, "RCPTDOMAINMAX")) extensions.recipient_domains = value;
    if (ascii::same(name, "MAILMAX")) extensions.transactions = value;
  }
}

void read_extension(std::string_view line, SmtpExtensions& extensions) {
  const std::string_view keyword = take_word(line);
  for (const Flag& flag : kFlags) {
    if (ascii::same(keyword, flag.keyword)) extensions.*flag.member = true;
  }
  if (ascii::same(keyword, "SIZE")) {
    // RFC 1870 4: no number says nothing of a limit, 0 that there is none that is known.
    const auto limit = ascii::number(ascii::trim(line));
    if (limit && *limit > 0) extensions.size_limit = limit;
  }
  if (ascii::same(keyword, "DELIVERBY")) {
    constexpr std::uint64_t kMost = 999'999'999;
    extensions.least_deliver_by =
        static_cast<std::int64_t>(std::min(ascii::number(ascii::trim(line)).value_or(0), kMost));
  }
  if (ascii::same(keyword, "AUTH")) read_mechanisms(line, extensions);
  // How some servers wrote it before the RFC.
  if (ascii::starts_with(keyword, "AUTH=")) {
    read_mechanisms(keyword.substr(5), extensions);
    read_mechanisms(line, extensions);
  }
  if (ascii::same(keyword, "LIMITS")) read_limits(line, extensions);
}

}  // namespace

SmtpExtensions parse_extensions(const std::vector<std::string>& lines) {
  SmtpExtensions extensions;
  for (std::size_t i = 1; i < lines.size(); ++i) read_extension(lines[i], extensions);
  return extensions;
}

}  // namespace mailstead
