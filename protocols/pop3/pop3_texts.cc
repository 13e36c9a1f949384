#include "protocols/pop3/pop3_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

struct Language {
  std::string_view tag;
  std::string_view name;
};

constexpr std::array<Language, kPop3Languages> kLanguages = {
    {{"en", "English"}, {"de", "Deutsch"}, {"fr", "Français"}, {"es", "Español"}, {"zh", "中文"}}};

struct Phrase {
  Pop3Text text;
  std::string_view code;  // RFC 2449 8
  std::array<std::string_view, kPop3Languages> words;
};

using enum Pop3Text;

constexpr std::array<Phrase, kPop3Texts> kPhrases = {{
    {kBeginTls,
     "",
     {"Begin TLS", "TLS kann beginnen", "TLS peut commencer", "TLS puede comenzar", "可以开始 TLS"}},
    {kCapabilitiesFollow,
     "",
     {"Capabilities follow", "Fähigkeiten folgen", "Voici les extensions", "Siguen las capacidades",
      "功能列表如下"}},
    {kGoodbye, "", {"Goodbye", "Auf Wiedersehen", "Au revoir", "Adiós", "再见"}},
    {kLanguageChanged,
     "",
     {"Language changed", "Sprache gewechselt", "Langue changée", "Idioma cambiado", "语言已更改"}},
    {kLanguagesFollow,
     "",
     {"Languages follow", "Sprachen folgen", "Voici les langues", "Siguen los idiomas", "语言列表如下"}},
    {kMailboxHolds,
     "",
     {"{0} messages ({1} octets)", "{0} Nachrichten ({1} Oktette)", "{0} messages ({1} octets)",
      "{0} mensajes ({1} octetos)", "{0} 封邮件（{1} 字节）"}},
    {kMarked,
     "",
     {"Marked", "Zum Löschen vorgemerkt", "Marqué pour suppression", "Marcado para borrar", "已标记为删除"}},
    {kNothingDone, "", {"Nothing done", "Nichts getan", "Rien à faire", "Nada que hacer", "无操作"}},
    {kOctets, "", {"{0} octets", "{0} Oktette", "{0} octets", "{0} octetos", "{0} 字节"}},
    {kSendPass, "", {"Send PASS", "Nun PASS senden", "Envoyez PASS", "Envíe PASS", "请发送 PASS"}},
    {kTopFollows,
     "",
     {"Top of message follows", "Anfang der Nachricht folgt", "Voici le début du message",
      "Sigue el comienzo del mensaje", "邮件开头如下"}},
    {kUtf8Mode,
     "",
     {"UTF-8 from now on", "Ab jetzt UTF-8", "UTF-8 désormais", "UTF-8 desde ahora", "现在使用 UTF-8"}},

    {kApopNotOffered,
     "",
     {"APOP is not offered", "APOP wird nicht angeboten", "APOP n'est pas proposé", "APOP no se ofrece",
      "不提供 APOP"}},
    {kApopSyntax,
     "",
     {"APOP needs a name and 32 hexadecimal digits", "APOP braucht einen Namen und 32 Hexadezimalziffern",
      "APOP demande un nom et 32 chiffres hexadécimaux", "APOP necesita un nombre y 32 dígitos hexadecimales",
      "APOP 需要用户名和 32 位十六进制数字"}},
    {kArgumentMissing,
     "",
     {"The command needs an argument", "Der Befehl braucht ein Argument", "La commande exige un argument",
      "La orden necesita un argumento", "该命令需要参数"}},
    {kArgumentTooMany,
     "",
     {"The command takes no argument", "Der Befehl hat kein Argument", "La commande n'a pas d'argument",
      "La orden no lleva argumento", "该命令不带参数"}},
    {kBareNewline,
     "",
     {"A line must end in CR LF", "Eine Zeile muss mit CR LF enden", "Une ligne doit finir par CR LF",
      "Una línea debe terminar en CR LF", "行必须以 CR LF 结尾"}},
    {kCancelled, "", {"Cancelled", "Abgebrochen", "Annulé", "Cancelado", "已取消"}},
    {kInUse,
     "IN-USE",
     {"The mailbox is open in another session", "Das Postfach ist in einer anderen Sitzung geöffnet",
      "La boîte est ouverte dans une autre session", "El buzón está abierto en otra sesión",
      "邮箱已在另一会话中打开"}},
    {kInputTooSoon,
     "",
     {"Input sent before the reply it has to wait for", "Eingabe vor der Antwort, auf die sie warten muss",
      "Données envoyées avant la réponse à attendre",
      "Datos enviados antes de la respuesta que deben esperar", "在必须等待的应答之前发送了数据"}},
    {kLanguageUnknown,
     "",
     {"Language not available", "Sprache nicht verfügbar", "Langue non disponible", "Idioma no disponible",
      "不支持该语言"}},
    {kLineTooLong,
     "",
     {"Line too long", "Zeile zu lang", "Ligne trop longue", "Línea demasiado larga", "行太长"}},
    {kListUnreadableNow,
     "SYS/TEMP",
     {"The mailbox cannot be read right now", "Das Postfach ist zurzeit nicht lesbar",
      "La boîte est illisible pour le moment", "El buzón no se puede leer ahora", "目前无法读取该邮箱"}},
    {kLogInFirst,
     "",
     {"Log in first", "Zuerst anmelden", "Connectez-vous d'abord", "Primero inicie la sesión", "请先登录"}},
    {kLoginDelay,
     "LOGIN-DELAY",
     {"The last login was too short a time ago", "Die letzte Anmeldung ist noch nicht lange genug her",
      "La dernière connexion est trop récente", "El último inicio de sesión es demasiado reciente",
      "距上次登录的时间太短"}},
    {kLoginUnavailable,
     "SYS/TEMP",
     {"Login is not possible right now", "Die Anmeldung ist zurzeit nicht möglich",
      "La connexion est impossible pour le moment", "Ahora no es posible iniciar la sesión", "目前无法登录"}},
    {kMailboxClosed,
     "",
     {"The mailbox is no longer open to this login", "Das Postfach steht dieser Anmeldung nicht mehr offen",
      "La boîte n'est plus ouverte à cette connexion", "El buzón ya no está abierto para esta sesión",
      "此登录已不能再使用该邮箱"}},
    {kMechanismUnknown,
     "",
     {"Mechanism not supported", "Verfahren nicht unterstützt", "Mécanisme non pris en charge",
      "Mecanismo no admitido", "不支持该认证机制"}},
    {kNoSuchMessage,
     "",
     {"No such message", "Keine solche Nachricht", "Aucun message de ce numéro", "No existe ese mensaje",
      "没有该邮件"}},
    {kNotAfterLogin,
     "",
     {"Not after login", "Nicht nach der Anmeldung", "Pas après la connexion",
      "No después de iniciar la sesión", "登录后不可用"}},
    {kNotUtf8,
     "",
     {"This is not UTF-8", "Das ist kein UTF-8", "Ce n'est pas de l'UTF-8", "Esto no es UTF-8",
      "这不是 UTF-8"}},
    {kNothingRemoved,
     "SYS/TEMP",
     {"No message was removed", "Keine Nachricht wurde gelöscht", "Aucun message n'a été supprimé",
      "No se borró ningún mensaje", "没有删除任何邮件"}},
    {kNul,
     "",
     {"A command must not hold a NUL", "Ein Befehl darf kein NUL enthalten",
      "Une commande ne peut pas contenir NUL", "Una orden no puede contener NUL", "命令中不能有 NUL"}},
    {kResponseMalformed,
     "",
     {"The response is not what the mechanism wants", "Die Antwort passt nicht zum Verfahren",
      "La réponse ne convient pas au mécanisme", "La respuesta no es la que pide el mecanismo",
      "应答不符合该认证机制"}},
    {kResponseUndecodable,
     "",
     {"Cannot decode the response", "Die Antwort lässt sich nicht dekodieren", "Réponse impossible à décoder",
      "No se puede decodificar la respuesta", "无法解码应答"}},
    {kSendUserFirst,
     "",
     {"Send USER first", "Zuerst USER senden", "Envoyez d'abord USER", "Envíe primero USER",
      "请先发送 USER"}},
    {kShuttingDown,
     "SYS/TEMP",
     {"Server shutting down", "Der Server wird beendet", "Le serveur s'arrête",
      "El servidor se está deteniendo", "服务器正在关闭"}},
    {kTlsActive,
     "",
     {"TLS is active already", "TLS ist schon aktiv", "TLS est déjà actif", "TLS ya está activo",
      "TLS 已启用"}},
    {kTlsUnavailable,
     "",
     {"TLS is not available", "TLS ist nicht verfügbar", "TLS n'est pas disponible", "TLS no está disponible",
      "TLS 不可用"}},
    {kTooManyBadCommands,
     "",
     {"Too many bad commands", "Zu viele falsche Befehle", "Trop de commandes erronées",
      "Demasiadas órdenes erróneas", "错误命令太多"}},
    {kTopSyntax,
     "",
     {"Syntax: TOP message lines", "Syntax: TOP Nachricht Zeilen", "Syntaxe : TOP message lignes",
      "Sintaxis: TOP mensaje líneas", "语法：TOP 邮件 行数"}},
    {kUnknownCommand,
     "",
     {"Unknown command", "Unbekannter Befehl", "Commande inconnue", "Orden desconocida", "未知命令"}},
    {kUnreadable,
     "SYS/PERM",
     {"The message cannot be read", "Die Nachricht ist nicht lesbar", "Le message est illisible",
      "El mensaje no se puede leer", "无法读取该邮件"}},
    {kUnreadableNow,
     "SYS/TEMP",
     {"The message cannot be read right now", "Die Nachricht ist zurzeit nicht lesbar",
      "Le message est illisible pour le moment", "El mensaje no se puede leer ahora", "目前无法读取该邮件"}},
    {kUseStls,
     "",
     {"Use STLS first", "Zuerst STLS", "Utilisez d'abord STLS", "Use primero STLS", "请先使用 STLS"}},
    {kWrongLogin,
     "AUTH",
     {"Wrong name or password", "Name oder Passwort falsch", "Nom ou mot de passe incorrect",
      "Nombre o contraseña incorrectos", "用户名或密码错误"}},
}};

// Each text stands at its own place, in every language.
constexpr bool is_complete() {
  for (std::size_t i = 0; i < kPhrases.size(); ++i) {
    if (static_cast<std::size_t>(kPhrases[i].text) != i) return false;
    for (const std::string_view words : kPhrases[i].words) {
      if (words.empty()) return false;
    }
  }
  return true;
}
static_assert(is_complete());

// RFC 4647 2.1: 1 to 8 letters, then groups of 1 to 8 letters and digits.
bool is_language_range(std::string_view range) {
  bool first = true;
  while (true) {
    const std::size_t end = std::min(range.find('-'), range.size());
    const std::string_view group = range.substr(0, end);
    if (group.empty() || group.size() > 8) return false;
    const bool good = std::all_of(group.begin(), group.end(), [&](char c) {
      return ascii::is_letter(c) || (!first && ascii::is_digit(c));
    });
    if (!good) return false;
    if (end == range.size()) return true;
    range.remove_prefix(end + 1);
    first = false;
  }
}

}  // namespace

std::string pop3_text(Pop3Text text, Pop3Language language, std::uint64_t first, std::uint64_t second) {
  const Phrase& phrase = kPhrases[static_cast<std::size_t>(text)];
  const std::string words =
      fmt::vformat(phrase.words[static_cast<std::size_t>(language)], fmt::make_format_args(first, second));
  return phrase.code.empty() ? words : fmt::format("[{}] {}", phrase.code, words);
}

std::string_view language_tag(Pop3Language language) {
  return kLanguages[static_cast<std::size_t>(language)].tag;
}

std::string_view language_name(Pop3Language language) {
  return kLanguages[static_cast<std::size_t>(language)].name;
}

std::optional<Pop3Language> find_language(std::string_view range) {
  if (!is_language_range(range)) return std::nullopt;
  while (!range.empty()) {
    for (std::size_t i = 0; i < kLanguages.size(); ++i) {
      if (ascii::same(range, kLanguages[i].tag)) return static_cast<Pop3Language>(i);
    }
    const std::size_t last = range.rfind('-');
    range = range.substr(0, last == std::string_view::npos ? 0 : last);
  }
  return std::nullopt;
}

}  // namespace mailstead
