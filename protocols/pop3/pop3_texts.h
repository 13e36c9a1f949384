// What POP3's replies say to people, in the languages of LANG (RFC 6856 3). Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

enum class Pop3Language { kEnglish, kGerman, kFrench, kSpanish, kChinese };
inline constexpr int kPop3Languages = 5;

enum class Pop3Text {
  // +OK
  kBeginTls,
  kCapabilitiesFollow,
  kGoodbye,
  kLanguageChanged,
  kLanguagesFollow,
  kMailboxHolds,  // messages, octets
  kMarked,
  kNothingDone,
  kOctets,  // octets
  kSendPass,
  kTopFollows,
  kUtf8Mode,
  // -ERR
  kApopNotOffered,
  kApopSyntax,
  kArgumentMissing,
  kArgumentTooMany,
  kBareNewline,
  kCancelled,
  kInUse,
  kInputTooSoon,
  kLanguageUnknown,
  kLineTooLong,
  kListUnreadableNow,
  kLogInFirst,
  kLoginDelay,
  kLoginUnavailable,
  kMailboxClosed,
  kMechanismUnknown,
  kNoSuchMessage,
  kNotAfterLogin,
  kNotUtf8,
  kNothingRemoved,
  kNul,
  kResponseMalformed,
  kResponseUndecodable,
  kSendUserFirst,
  kShuttingDown,
  kTlsActive,
  kTlsUnavailable,
  kTooManyBadCommands,
  kTopSyntax,
  kUnknownCommand,
  kUnreadable,
  kUnreadableNow,
  kUseStls,
  kWrongLogin,
};
inline constexpr int kPop3Texts = static_cast<int>(Pop3Text::kWrongLogin) + 1;

// With its response code in front where it has one (RFC 2449 8, RFC 3206). English is ASCII, the others are
// UTF-8. A text that holds no numbers ignores them.
std::string pop3_text(Pop3Text text, Pop3Language language, std::uint64_t first = 0,
                      std::uint64_t second = 0);

// "de".
std::string_view language_tag(Pop3Language language);
// "Deutsch", UTF-8.
std::string_view language_name(Pop3Language language);
// The language for a range by RFC 4647 3.4 (look-up): "de-CH" finds "de". nullopt: none, or not a language
// range.
std::optional<Pop3Language> find_language(std::string_view range);

}  // namespace mailstead
