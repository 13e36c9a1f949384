// MAIL and RCPT: RFC 5321 4.1.1.2 and 4.1.1.3, with SIZE (1870), BODY (6152), AUTH= (4954 5), SMTPUTF8 (6531)
// REQUIRETLS (8689) and the parameters of DSN (3461), DELIVERBY (2852), FUTURERELEASE (4865), MT-PRIORITY
// (6710).
#include <algorithm>
#include <ctime>

#include "protocols/ascii.h"
#include "protocols/smtp/delivery_terms.h"
#include "protocols/smtp/dsn_parameters.h"
#include "protocols/smtp/smtp_core.h"

namespace mailstead {
namespace {

bool has_eight_bits(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x7f; });
}

// <user@elsewhere@here>: no path, but a well-known way to ask for relaying.
bool names_two_domains(std::string_view path) {
  return path.find('"') == std::string_view::npos &&
         std::ranges::count(path.substr(0, path.find('>')), '@') > 1;
}

// RFC 6531 3.5
Reply needs_smtputf8() {
  return {553, "5.6.7", "An address beyond ASCII needs SMTPUTF8"};
}

// RFC 5321 4.5.1 and 3.6.2: a local part that holds an address of its own asks for relaying.
bool holds_a_route(const Address& address) {
  return address.local_part.find_first_of("@%") != std::string::npos;
}

// RFC 3461 4: xtext. The value of AUTH= is checked and not used: who sends is who logged in.
bool is_xtext(std::string_view text) {
  const auto is_hex = [](char c) { return ascii::is_digit(c) || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] <= 0x20 || text[i] > 0x7e || text[i] == '=') return false;
    if (text[i] != '+') continue;
    if (text.size() - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
    i += 2;
  }
  return !text.empty();
}

// RFC 1870 3: up to 20 digits, which may be more than 64 bits hold.
bool is_size(std::string_view text) {
  return !text.empty() && text.size() <= 20 && std::ranges::all_of(text, ascii::is_digit);
}

// Cuts "FROM:" or "TO:" off. Blanks behind the colon are not in the grammar, but in the wild.
bool take_keyword(std::string_view& text, std::string_view keyword) {
  if (!ascii::starts_with(text, keyword)) return false;
  text = ascii::trim(text.substr(keyword.size()));
  return true;
}

}  // namespace

void SmtpCore::mail(std::string_view argument) {
  if (in_transaction_) return refuse({503, "5.5.1", "A message is being sent already"}, argument);
  // RFC 6409 4.3
  if (rules_.login && user_.empty()) {
    return refuse({530, "5.7.0", "Authentication required"}, argument);
  }
  std::string_view text = argument;
  if (!take_keyword(text, "FROM:")) return refuse({501, "5.5.4", "Syntax: MAIL FROM:<address>"}, argument);
  std::string_view rest;
  const auto path = parse_path(text, rest, Letters::kUtf8);
  if (!path || (path->address && path->address->domain.empty())) {
    return refuse({501, "5.1.7", "Bad sender address"}, argument);
  }
  Envelope envelope;
  is_binary_ = false;
  envelope.reverse_path = path->address;
  if (!read_mail_parameters(rest, envelope)) return;
  if (!envelope.smtputf8 && has_eight_bits(argument)) return refuse(needs_smtputf8(), argument);
  if (envelope.deliver_by && envelope.deliver_by->returns && envelope.deliver_by->at <= envelope.hold_until) {
    return refuse({501, "5.5.4", "It would be held until after it is to be delivered"}, argument);
  }
  envelope_ = std::move(envelope);
  // RFC 6409 6.1. The null reverse-path belongs to nobody: a mail program's notification (RFC 8098 3) has it.
  if (rules_.login && envelope_.reverse_path) {
    return want(AskSender{user_, *envelope_.reverse_path});
  }
  if (!judge(PolicyStage::kSender)) accept_sender();
}

bool SmtpCore::read_mail_parameters(std::string_view text, Envelope& envelope) {
  return read_parameters(text, "Syntax: MAIL FROM:<address>", [&](std::string_view name, auto value) {
    return read_mail_parameter(name, value, envelope);
  });
}

bool SmtpCore::read_rcpt_parameters(std::string_view text) {
  notify_.reset();
  original_.clear();
  return read_parameters(text, "Syntax: RCPT TO:<address>",
                         [&](std::string_view name, auto value) { return read_rcpt_parameter(name, value); });
}

std::optional<Reply> SmtpCore::read_rcpt_parameter(std::string_view name,
                                                   std::optional<std::string_view> given) {
  const std::string_view value = given.value_or(std::string_view());
  if (name == "notify") {
    notify_ = parse_notify(value);
    if (notify_) return std::nullopt;
    return Reply{501, "5.5.4", "NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY"};
  }
  if (name == "orcpt") {
    auto original = parse_original_recipient(value, envelope_.smtputf8);
    if (!original) return Reply{501, "5.5.4", "Bad ORCPT"};
    original_ = *std::move(original);
    return std::nullopt;
  }
  return Reply{555, "5.5.4", "Parameter not recognised"};
}

// Parameters stand behind the path, each after blanks. Says the refusal itself.
template <typename Read>
bool SmtpCore::read_parameters(std::string_view text, const char* syntax, Read read) {
  std::vector<std::string> seen;
  if (!text.empty() && !ascii::is_blank(text.front())) {
    refuse({501, "5.5.4", syntax}, text);
    return false;
  }
  for (text = ascii::trim(text); !text.empty(); text = ascii::trim(text)) {
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(word.size());
    const std::size_t equals = word.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view value = has_value ? word.substr(equals + 1) : std::string_view();
    const std::string name = ascii::lower(word.substr(0, equals));
    std::optional<Reply> refusal;
    if (greeting_ == Greeting::kHelo) {
      refusal = Reply{555, "5.5.4", "Parameters need EHLO"};  // RFC 5321 4.1.1.11
    } else if (std::ranges::find(seen, name) != seen.end()) {
      refusal = Reply{501, "5.5.4", "A parameter is given twice"};
    } else {
      refusal = read(name, has_value ? std::optional(value) : std::nullopt);
    }
    if (refusal) {
      refuse(*refusal, word);
      return false;
    }
    seen.push_back(name);
  }
  return true;
}

std::optional<Reply> SmtpCore::read_mail_parameter(std::string_view name,
                                                   std::optional<std::string_view> given,
                                                   Envelope& envelope) {
  const std::string_view value = given.value_or(std::string_view());
  if (name == "size") {
    if (!is_size(value)) return Reply{501, "5.5.4", "Bad SIZE"};
    const auto size = ascii::number(value);
    // RFC 1870 6.1
    if (!size || *size > options_.message_size) return Reply{552, "5.3.4", "Message too large"};
    envelope.declared_size = size;
    return std::nullopt;
  }
  if (name == "body") {
    is_binary_ = options_.offer_binary && ascii::same(value, "BINARYMIME");
    if (!ascii::same(value, "7BIT") && !ascii::same(value, "8BITMIME") && !is_binary_)
      return Reply{501, "5.5.4", "Bad BODY"};
    // What is binary is made 8bit on its way in.
    envelope.body = ascii::same(value, "7BIT") ? BodyType::k7Bit : BodyType::k8BitMime;
    return std::nullopt;
  }
  if (name == "smtputf8") {
    if (given) return Reply{501, "5.5.4", "SMTPUTF8 takes no value"};
    envelope.smtputf8 = true;
    return std::nullopt;
  }
  // RFC 8689 4.1: in the clear it is not offered.
  if (name == "requiretls" && peer_.tls) {
    if (given) return Reply{501, "5.5.4", "REQUIRETLS takes no value"};
    envelope.require_tls = true;
    return std::nullopt;
  }
  if (name == "ret") {
    const auto returned = parse_returned(value);
    if (!returned) return Reply{501, "5.5.4", "RET is FULL or HDRS"};
    envelope.returned = *returned;
    return std::nullopt;
  }
  if (name == "envid") {
    auto id = parse_envelope_id(value);
    if (!id) return Reply{501, "5.5.4", "Bad ENVID"};
    envelope.envelope_id = *std::move(id);
    return std::nullopt;
  }
  if (name == "by") {
    envelope.deliver_by = parse_deliver_by(value, now());
    if (envelope.deliver_by) return std::nullopt;
    return Reply{501, "5.5.4", "BY is seconds, a semicolon, and R or N; what is returned needs some time"};
  }
  if (rules_.login && (name == "holdfor" || name == "holduntil")) {
    return read_hold(name == "holdfor" ? parse_hold_for(value, now()) : parse_date_time(value), envelope);
  }
  if (rules_.login && name == "mt-priority") {
    envelope.priority = parse_priority(value);
    if (envelope.priority) return std::nullopt;
    return Reply{501, "5.5.4", "MT-PRIORITY is a number from -9 to 9"};
  }
  if (name == "auth" && !user_.empty()) {
    if (!is_xtext(value)) return Reply{501, "5.5.4", "Bad AUTH"};
    return std::nullopt;
  }
  return Reply{555, "5.5.4", "Parameter not recognised"};
}

std::optional<Reply> SmtpCore::read_hold(std::optional<std::int64_t> until, Envelope& envelope) const {
  const std::int64_t present = now();
  if (!until) return Reply{501, "5.5.4", "HOLDFOR is seconds, HOLDUNTIL a date and time as in RFC 3339"};
  if (envelope.hold_until != 0) return Reply{501, "5.5.4", "Either HOLDFOR or HOLDUNTIL"};
  if (*until < present) return Reply{501, "5.5.4", "That time is over"};
  if (*until > present + kLongestHold) return Reply{501, "5.5.4", "That is too long to be held"};
  envelope.hold_until = *until;
  return std::nullopt;
}

std::int64_t SmtpCore::now() const {
  return options_.now ? options_.now() : static_cast<std::int64_t>(std::time(nullptr));
}

void SmtpCore::accept_sender() {
  in_transaction_ = true;
  say({250, "2.1.0", "OK"});
}

void SmtpCore::answer_sender(bool allowed) {
  if (!take_answer()) return;
  if (allowed) {
    if (!judge(PolicyStage::kSender)) accept_sender();
  } else {
    refuse({553, "5.7.1", "Sender address is not yours"}, envelope_.reverse_path->text());
    forget_transaction();
  }
  settle();
}

void SmtpCore::rcpt(std::string_view argument) {
  if (!in_transaction_) return refuse({503, "5.5.1", "Send MAIL first"}, argument);
  if (reader_) return refuse({503, "5.5.1", "The message is being sent already"}, argument);
  std::string_view text = argument;
  if (!take_keyword(text, "TO:")) return refuse({501, "5.5.4", "Syntax: RCPT TO:<address>"}, argument);
  std::string_view rest;
  const auto path = parse_path(text, rest, envelope_.smtputf8 ? Letters::kUtf8 : Letters::kAscii);
  // Whatever is wrong from here on, the client has named a recipient.
  recipient_named_ = true;
  if (!path && !envelope_.smtputf8 && has_eight_bits(text)) return refuse(needs_smtputf8(), argument);
  if (!path && names_two_domains(text)) return refuse({550, "5.7.1", "Relaying denied"}, argument);
  if (!path || !path->address) return refuse({501, "5.1.3", "Bad recipient address"}, argument);
  if (!read_rcpt_parameters(rest)) return;

  recipient_ = *path->address;
  // Each is a reply at the end.
  if (rules_.reply_each && replies_.size() >= options_.recipients) {
    return refuse({452, "4.5.3", "Too many recipients"}, argument);
  }
  // One copy is enough.
  if (const auto named = recipient_keys_.find(recipient_.key()); named != recipient_keys_.end()) {
    Recipient& recipient = envelope_.recipients[named->second];
    recipient.notify = both(recipient.notify, notify_);
    if (recipient.original.empty()) recipient.original = original_;
    return name_recipient(named->second);
  }
  // RFC 5321 4.5.3.1.10: those accepted so far are kept, the others can be tried in another transaction.
  if (envelope_.recipients.size() >= options_.recipients) {
    return refuse({452, "4.5.3", "Too many recipients"}, argument);
  }
  want(AskRecipient{recipient_, !user_.empty(), !envelope_.reverse_path, envelope_.declared_size});
}

void SmtpCore::answer_recipient(RecipientVerdict verdict) {
  if (!take_answer()) return;
  const bool relaying = verdict == RecipientVerdict::kNotOurs ||
                        (verdict == RecipientVerdict::kUnknown && holds_a_route(recipient_));
  const std::string subject = recipient_.text();
  if (verdict == RecipientVerdict::kOurs) {
    if (!judge(PolicyStage::kRecipient)) accept_recipient();
  } else if (verdict == RecipientVerdict::kNotOurs && !user_.empty()) {
    refuse({550, "5.1.2", "That domain has no full name"}, subject);  // RFC 6409 4.2
  } else if (relaying) {
    refuse({550, "5.7.1", "Relaying denied"}, subject);
  } else if (verdict == RecipientVerdict::kUnknown) {
    refuse({550, "5.1.1", "No such mailbox"}, subject);
  } else if (verdict == RecipientVerdict::kDisabled) {
    // RFC 3463 3.3, X.2.1: what an administrator disabled, he can enable again.
    refuse({450, "4.2.1", "Mailbox disabled for now"}, subject);
  } else if (verdict == RecipientVerdict::kFull) {
    refuse({452, "4.2.2", "Mailbox full"}, subject);
  } else if (verdict == RecipientVerdict::kTooLarge) {
    refuse({552, "5.2.2", "Message too large for the mailbox"}, subject);
  } else {
    refuse({451, "4.3.0", "Try again later"}, subject);
  }
  settle();
}

void SmtpCore::accept_recipient() {
  const std::size_t index = envelope_.recipients.size();
  recipient_keys_.emplace(recipient_.key(), index);
  envelope_.recipients.emplace_back(recipient_);
  envelope_.recipients.back().notify = notify_;
  envelope_.recipients.back().original = std::move(original_);
  name_recipient(index);
}

void SmtpCore::name_recipient(std::size_t index) {
  if (rules_.reply_each) replies_.push_back(index);
  say({250, "2.1.5", "OK"});
}

}  // namespace mailstead
