#include "protocols/pop3/pop3_commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/pop3/pop3_core.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {
namespace pop3_table {

using enum Pop3Rule;  // SMTP's rules have the same names

constexpr Pop3Command kCommands[] = {
    {"CAPA", &Pop3Core::capa, kBeforeLogin | kAfterLogin | kNoArgument},
    {"USER", &Pop3Core::user, kBeforeLogin | kNeedsArgument | kLongLine},
    {"PASS", &Pop3Core::pass, kBeforeLogin | kNeedsArgument | kLongLine},
    {"APOP", &Pop3Core::apop, kBeforeLogin | kNeedsArgument | kLongLine},
    {"AUTH", &Pop3Core::auth, kBeforeLogin | kNeedsArgument},
    {"STLS", &Pop3Core::stls, kBeforeLogin | kNoArgument | kEndsPipeline},
    {"UTF8", &Pop3Core::utf8, kBeforeLogin | kNoArgument},
    {"LANG", &Pop3Core::lang, kBeforeLogin | kAfterLogin},
    {"QUIT", &Pop3Core::quit, kBeforeLogin | kAfterLogin | kNoArgument},
    {"STAT", &Pop3Core::stat, kAfterLogin | kNoArgument},
    {"LIST", &Pop3Core::list, kAfterLogin},
    {"UIDL", &Pop3Core::uidl, kAfterLogin},
    {"RETR", &Pop3Core::retr, kAfterLogin | kNeedsArgument},
    {"TOP", &Pop3Core::top, kAfterLogin | kNeedsArgument},
    {"DELE", &Pop3Core::dele, kAfterLogin | kNeedsArgument},
    {"RSET", &Pop3Core::rset, kAfterLogin | kNoArgument},
    {"NOOP", &Pop3Core::noop, kAfterLogin | kNoArgument},
};

}  // namespace pop3_table
}  // namespace

const Pop3Command* find_pop3_command(std::string_view name) {
  for (const Pop3Command& command : pop3_table::kCommands) {
    if (ascii::same(command.name, name)) return &command;
  }
  return nullptr;
}

// RFC 2449 5. Only what works here and now is named.
void Pop3Core::capa(std::string_view) {
  ok(Pop3Text::kCapabilitiesFollow);
  output_ += "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n";
  output_ += options_.expire_days ? fmt::format("EXPIRE {}\r\n", *options_.expire_days) : "EXPIRE NEVER\r\n";
  if (options_.login_delay.count() > 0) {
    output_ += fmt::format("LOGIN-DELAY {}\r\n", options_.login_delay.count());
  }
  output_ += "UTF8 USER\r\nLANG\r\n";  // RFC 6856 2, 3
  const sasl::Offer offer = this->offer();
  if (offer.passwords) output_ += "USER\r\n";
  if (const std::string names = offer.names(); !names.empty()) output_ += fmt::format("SASL {}\r\n", names);
  // RFC 2595 4: only in AUTHORIZATION
  if (options_.stls_available && !peer_.tls && !logged_in()) output_ += "STLS\r\n";
  output_ += fmt::format("IMPLEMENTATION Mailstead {}\r\n.\r\n", options_.version);
}

void Pop3Core::stls(std::string_view) {
  if (peer_.tls) return refuse(Pop3Text::kTlsActive);
  if (!options_.stls_available) return refuse(Pop3Text::kTlsUnavailable);
  ok(Pop3Text::kBeginTls);
  wants_ = Wants::kTls;
}

// RFC 6856 2.1. Asked again it is as it was.
void Pop3Core::utf8(std::string_view) {
  utf8_mode_ = true;
  ok(Pop3Text::kUtf8Mode);
}

// RFC 6856 3.
void Pop3Core::lang(std::string_view argument) {
  const std::string_view range = ascii::trim(argument);
  if (range.empty()) {
    ok(Pop3Text::kLanguagesFollow);
    for (int i = 0; i < kPop3Languages; ++i) {
      const auto each = static_cast<Pop3Language>(i);
      output_ += fmt::format("{} {}\r\n", language_tag(each), language_name(each));
    }
    output_ += ".\r\n";
    return;
  }
  const auto language = range == "*" ? options_.language : find_language(range);
  if (!language) return refuse(Pop3Text::kLanguageUnknown);
  language_ = *language;
  ok_facts(fmt::format("{} {}", language_tag(language_), pop3_text(Pop3Text::kLanguageChanged, language_)));
}

void Pop3Core::stat(std::string_view) {
  ok_facts(fmt::format("{} {}", live_messages_, live_octets_));
}

void Pop3Core::dele(std::string_view argument) {
  const auto index = find_message(argument);
  if (!index) return error(Pop3Text::kNoSuchMessage);
  const MaildropEntry* entry = entry_of(*index);
  if (entry == nullptr) return;
  mark(deleted_, *index);
  --live_messages_;
  live_octets_ -= size_of(*entry);
  ok(Pop3Text::kMarked);
}

// RFC 1939 5: all marks are taken away. Also the state right after login.
void Pop3Core::rset(std::string_view) {
  deleted_.clear();
  live_messages_ = totals_->messages;
  live_octets_ = totals_->octets;
  if (!utf8_mode_) live_octets_ += static_cast<std::uint64_t>(totals_->surrogate_growth);
  ok(Pop3Text::kMailboxHolds, live_messages_, live_octets_);
}

void Pop3Core::noop(std::string_view) {
  ok(Pop3Text::kNothingDone);
}

// RFC 1939 6: the messages are removed first, and then it is said.
void Pop3Core::quit(std::string_view) {
  AskDelete ask;
  for (std::size_t i = 0; i < std::max(deleted_.size(), retrieved_.size()); ++i) {
    // RFC 2449 6.7: with EXPIRE 0 RETR is an implicit DELE, which RSET does not take back.
    const bool expires = !retrieved_.empty() && retrieved_[i];
    if (is_deleted(i) || expires) ask.indices.push_back(i);
  }
  if (!ask.indices.empty()) return want(std::move(ask));
  ok(Pop3Text::kGoodbye);
  hang_up();
}

void Pop3Core::answer_delete(bool committed) {
  if (!take_answer()) return;
  if (committed) {
    ok(Pop3Text::kGoodbye);
  } else {
    error(Pop3Text::kNothingRemoved);
  }
  hang_up();
}

}  // namespace mailstead
