#include "protocols/server_extensions.h"

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

std::string_view next_offer(std::string_view& text) {
  text = ascii::trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

void read_limits(std::string_view rest, ServerExtensions& extensions) {
  while (true) {
    const std::string_view word = next_offer(rest);
    if (word.empty()) return;
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = ascii::number(word.substr(equals + 1));
    if (!value || *value == 0) continue;
    if (ascii::same(word.substr(0, equals), "RCPTMAX")) extensions.max_recipients = *value;
    if (ascii::same(word.substr(0, equals), "MAILMAX")) extensions.max_transactions = *value;
  }
}

void read_auth(std::string_view rest, ServerExtensions& extensions) {
  while (true) {
    const std::string_view word = next_offer(rest);
    if (word.empty()) return;
    if (!extensions.offers_auth(word)) extensions.auth.push_back(upper(word));
  }
}

}  // namespace

bool ServerExtensions::offers_auth(std::string_view mechanism) const {
  return std::ranges::any_of(auth, [&](const std::string& each) { return ascii::same(each, mechanism); });
}

ServerExtensions read_extensions(const ServerReply& reply) {
  ServerExtensions extensions;
  // The first line is the greeting.
  for (std::size_t i = 1; i < reply.lines.size(); ++i) {
    std::string_view rest = reply.lines[i];
    // Old servers wrote "AUTH=LOGIN PLAIN".
    if (ascii::starts_with(rest, "AUTH=")) rest.remove_prefix(5), read_auth(rest, extensions), rest = {};
    const std::string_view word = next_offer(rest);
    if (ascii::same(word, "PIPELINING")) extensions.pipelining = true;
    if (ascii::same(word, "8BITMIME")) extensions.eight_bit_mime = true;
    if (ascii::same(word, "SMTPUTF8")) extensions.smtputf8 = true;
    if (ascii::same(word, "CHUNKING")) extensions.chunking = true;
    if (ascii::same(word, "DSN")) extensions.dsn = true;
    if (ascii::same(word, "STARTTLS")) extensions.starttls = true;
    if (ascii::same(word, "REQUIRETLS")) extensions.require_tls = true;
    if (ascii::same(word, "LIMITS")) read_limits(rest, extensions);
    if (ascii::same(word, "AUTH")) read_auth(rest, extensions);
    if (ascii::same(word, "SIZE")) {
      extensions.size = true;
      const auto limit = ascii::number(next_offer(rest));
      if (limit && *limit > 0) extensions.max_size = *limit;  // RFC 1870 4: 0 is any
    }
  }
  return extensions;
}

}  // namespace mailstead
