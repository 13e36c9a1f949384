#include "protocols/smtp/trace.h"

#include <fmt/format.h>

#include <vector>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::size_t kFoldAt = 78;  // octets of a line without its CRLF, RFC 5322 2.1.1

// A client's word for itself is a domain, a literal, or anything at all; in a header it must be one harmless
// word.
std::string helo_word(std::string_view helo) {
  if (parse_domain(helo)) return std::string(helo);
  std::string word;
  for (const char c : helo.substr(0, kMaxDomain)) {
    const bool harmless = ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '.' || c == '_';
    word += harmless ? c : '?';
  }
  return word.empty() ? "?" : word;
}

// RFC 5321 4.1.3
std::string address_literal(const std::string& address) {
  return address.find(':') == std::string::npos ? fmt::format("[{}]", address)
                                                : fmt::format("[IPv6:{}]", address);
}

// RFC 3848, RFC 6531 4.3. A HELO session has no extensions, and so none of the longer words.
std::string protocol_word(const ReceivedTrace& trace) {
  if (trace.greeting == Greeting::kHelo) return "SMTP";
  std::string word(trace.protocol);
  if (trace.smtputf8) word = trace.protocol == "LMTP" ? "UTF8LMTP" : "UTF8SMTP";
  if (trace.peer.tls) word += 'S';
  if (trace.authenticated) word += 'A';
  return word;
}

// Puts words behind each other, and a fold before each that would stand beyond the limit. A pair of words
// that has no room on any line is taken apart.
std::string fold(const std::vector<std::string>& words) {
  std::string text;
  std::size_t column = 0;
  const auto put = [&](std::string_view word) {
    if (column + 1 + word.size() <= kFoldAt) {
      text += ' ';
      ++column;
    } else {
      text += "\r\n\t";
      column = 1;
    }
    text += word;
    column += word.size();
  };
  for (const std::string& word : words) {
    const std::size_t blank = word.find(' ');
    if (column == 0) {
      text = word;
      column = word.size();
    } else if (word.size() < kFoldAt || blank == std::string::npos) {
      put(word);
    } else {
      put(std::string_view(word).substr(0, blank));
      put(std::string_view(word).substr(blank + 1));
    }
  }
  return text + "\r\n";
}

}  // namespace

std::string received_line(const ReceivedTrace& trace) {
  std::vector<std::string> words;
  words.push_back("Received: from " + helo_word(trace.helo));
  if (!trace.authenticated && !trace.peer.address.empty())
    words.push_back('(' + address_literal(trace.peer.address) + ')');
  words.push_back("by " + trace.host);
  words.push_back("with " + protocol_word(trace));
  if (trace.peer.tls && !trace.peer.tls_version.empty()) words.push_back('(' + trace.peer.tls_version + ')');
  words.push_back("id " + trace.id);
  if (trace.recipient) words.push_back("for <" + trace.recipient->text() + '>');
  // RFC 8314 4.3
  if (trace.peer.tls && !trace.peer.tls_cipher.empty()) {
    words.push_back("tls " + trace.peer.tls_cipher);
    if (!trace.peer.tls_group.empty()) words.push_back("group " + trace.peer.tls_group);
  }
  words.back() += ';';
  words.push_back(trace.date);
  return fold(words);
}

std::string return_path_line(const std::optional<Address>& reverse_path) {
  return fmt::format("Return-Path: <{}>\r\n", reverse_path ? reverse_path->text() : "");
}

std::string delivered_to_line(const Address& mailbox) {
  return "Delivered-To: " + mailbox.text() + "\r\n";
}

std::string original_to_line(const Address& recipient) {
  return "X-Original-To: " + recipient.text() + "\r\n";
}

}  // namespace mailstead
