#include "protocols/smtp/smtp_client_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/smtp/delivery_terms.h"
#include "protocols/smtp/xtext.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxEnvelopeId = 100;  // octets as xtext, RFC 3461 4.4
constexpr std::size_t kMaxOriginal = 500;    // octets as xtext, RFC 3461 4.2

// RFC 6533 3: an address beyond ASCII in a form that needs no SMTPUTF8.
std::string utf8_xtext(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::size_t octets = 1;
    const auto character = utf8::first_character(text, octets);
    if (character && *character > 0x7f) {
      result += fmt::format("\\x{{{:X}}}", static_cast<unsigned>(*character));
    } else {
      octets = 1;
      result += encode_xtext(text.substr(0, 1));
    }
    text.remove_prefix(octets);
  }
  return result;
}

// The value of ORCPT, "type;address"; empty: none that can be passed on.
std::string original_recipient(std::string_view original) {
  const std::size_t semicolon = original.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0) return {};
  const std::string_view type = original.substr(0, semicolon);
  const std::string_view address = original.substr(semicolon + 1);
  const bool is_atom =
      std::ranges::all_of(type, [](char c) { return ascii::is_letter(c) || ascii::is_digit(c) || c == '-'; });
  if (!is_atom || address.empty() || !utf8::is_valid(address)) return {};
  std::string value(type);
  value += ';';
  if (utf8::is_ascii(address)) {
    value += encode_xtext(address);
  } else if (ascii::same(type, "utf-8")) {
    value += utf8_xtext(address);
  } else {
    return {};  // RFC 3461 4.2: other types are ASCII
  }
  return value.size() <= kMaxOriginal ? value : std::string();
}

// RFC 3461 4.1
std::string notify_words(const Notify& notify) {
  std::string words;
  const auto add = [&](bool wanted, std::string_view word) {
    if (!wanted) return;
    if (!words.empty()) words += ',';
    words += word;
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  return words.empty() ? "NEVER" : words;
}

}  // namespace

bool is_sendable(const Address& address) {
  const auto again = parse_address(address.text());
  return again.has_value() && *again == address;
}

std::string mail_command(const ClientTransaction& transaction, const SmtpExtensions& extensions,
                         Letters letters) {
  const Envelope& envelope = transaction.envelope;
  std::string line = "MAIL FROM:<";
  if (envelope.reverse_path) line += envelope.reverse_path->text();
  line += '>';
  if (extensions.size) line += fmt::format(" SIZE={}", transaction.size);
  if (extensions.eight_bit_mime && transaction.eight_bit) line += " BODY=8BITMIME";
  if (letters == Letters::kUtf8) line += " SMTPUTF8";
  if (envelope.require_tls) line += " REQUIRETLS";  // RFC 8689 4.2.1
  if (envelope.deliver_by && extensions.deliver_by)
    line += " BY=" + deliver_by_text(*envelope.deliver_by, transaction.now);
  if (envelope.priority && extensions.priority) line += fmt::format(" MT-PRIORITY={}", *envelope.priority);
  if (!extensions.dsn) return line;
  if (envelope.returned == ReturnedContent::kFull) line += " RET=FULL";
  if (envelope.returned == ReturnedContent::kHeaders) line += " RET=HDRS";
  const std::string id = encode_xtext(envelope.envelope_id);
  if (!id.empty() && id.size() <= kMaxEnvelopeId) line += " ENVID=" + id;
  return line;
}

std::string rcpt_command(const Recipient& recipient, const SmtpExtensions& extensions) {
  std::string line = fmt::format("RCPT TO:<{}>", recipient.address.text());
  if (!extensions.dsn) return line;
  if (recipient.notify) line += " NOTIFY=" + notify_words(*recipient.notify);
  const std::string original = original_recipient(recipient.original);
  if (!original.empty()) line += " ORCPT=" + original;
  return line;
}

}  // namespace mailstead
