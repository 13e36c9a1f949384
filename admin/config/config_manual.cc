// config manual: mailstead.toml(5), made from the table of keys, so that it says what the program does.

#include <fmt/format.h>

#include <algorithm>

#include "admin/commands/config_commands.h"
#include "admin/config/config_keys.h"
#include "admin/config/quantity.h"
#include "admin/report.h"

namespace mailstead::admin {
namespace {

constexpr std::string_view kHead = R"(.\" Printed by 'mailstead config manual'.
.TH MAILSTEAD.TOML 5 "" "Mailstead" "File formats"
.SH NAME
mailstead.toml \- configuration of the mail server mailstead
.SH DESCRIPTION
.B mailstead
reads
.I mailstead.toml
in its data folder, or the file that
.B \-\-config
or the environment's
.B MAILSTEAD_CONFIG
names.
It need not be there: every key has a default, and those that are left out have it.
.PP
The file is TOML: sections in brackets, and in each of them lines
.IR "key = value" .
A key or section that is not known is an error, which names the line and the likely word.
.B mailstead config check
says what is wrong,
.B mailstead config show
what is in force.
The server reads the file again on SIGHUP
.RB ( "systemctl reload mailstead" ),
and keeps what it has when the new one is wrong.
.PP
Sizes are octets, or text with a unit: "64 KiB", "50 MiB", "2 GB".
Durations have a unit: "90 s", "10 min", "2 h", "7 days".
Addresses to listen on are numeric: "[::]:25" is every address, IPv4 as well, "127.0.0.1:25" one, ":25" the same as "[::]:25";
port 0 lets the system choose.
)";

constexpr std::string_view kTail = R"(.SH EXAMPLE
.EX
hostname = "mail.example.org"

[tls]
certificate = "/etc/ssl/mail/fullchain.pem"
key = "/etc/ssl/mail/key.pem"

[limits]
message_size = "100 MiB"
mailbox_size = "5 GiB"

[pop3]
deleted_kept_days = 30
.EE
.SH ENVIRONMENT
.TP
.BI MAILSTEAD_ SECTION _ KEY
sets that key, and comes before the file: MAILSTEAD_LIMITS_MESSAGE_SIZE="100 MiB", MAILSTEAD_QUEUE_SMARTHOST_HOST=smtp.isp.example,
MAILSTEAD_HOSTNAME=mail.example.org.
Lists are divided by commas, and "none" is an empty one: MAILSTEAD_LISTEN_POP3=none.
An empty variable sets nothing.
Commands that are given elsewhere than the server see only their own environment: outside of a container the file is the better place.
.SH FILES
.TP
.I /var/lib/mailstead/mailstead.toml
where the package's service looks.
.SH SEE ALSO
.BR mailstead (1)
)";

// What roff would take for its own.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (escaped.empty() || escaped.back() == '\n')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// What a value is.
struct Words {
  std::string operator()(const HostnameKey&) const { return "A host name."; }
  std::string operator()(const OtherHostKey&) const { return "A host name, or an address."; }
  std::string operator()(const NamesKey&) const { return "A list of host names."; }
  std::string operator()(const PathKey&) const { return "A path."; }
  std::string operator()(const PathsKey&) const { return "A list of paths."; }
  std::string operator()(const SizeKey& key) const {
    return fmt::format("A size, {} to {}.", print_size(key.least), print_size(key.most));
  }
  std::string operator()(const LimitKey& key) const {
    return fmt::format("A size up to {}, or \"none\".", print_size(key.most));
  }
  std::string operator()(const CountKey& key) const {
    return fmt::format("A number, {} to {}.", key.least, key.most);
  }
  std::string operator()(const DurationKey& key) const {
    return fmt::format("A duration, {} to {}.", print_duration(key.least), print_duration(key.most));
  }
  std::string operator()(const DurationsKey& key) const {
    return fmt::format("A list of durations, each {} to {}.", print_duration(key.least),
                       print_duration(key.most));
  }
  std::string operator()(const DaysKey& key) const {
    return fmt::format("A number of days up to {}, or \"never\".", key.most);
  }
  std::string operator()(const TextKey&) const { return "Text."; }
  std::string operator()(const RoutesKey&) const { return "A list of routes."; }
  std::string operator()(const ServersKey&) const { return "A list of addresses, with a port or without."; }
  std::string operator()(const ListenKey& key) const {
    return key.unix_sockets == UnixSockets::kYes ? "A list of addresses and paths of Unix sockets."
                                                 : "A list of addresses.";
  }
  std::string operator()(const NetworksKey&) const { return "A list of addresses and networks."; }
  std::string operator()(const SwitchKey&) const { return "true or false."; }
  std::string operator()(const ChoiceKey& key) const {
    std::string words;
    for (const std::string_view word : key.words)
      words += fmt::format("{}\"{}\"", words.empty() ? "" : " or ", word);
    return words + ".";
  }
};

std::string entry(const ConfigKey& key, const Config& defaults) {
  const std::string value = config_key_toml(key, defaults);
  std::string text = fmt::format(".TP\n.B {}\n", roff(key.name));
  if (!key.comment.empty()) text += roff(key.comment) + "\n.br\n";
  text += roff(std::visit(Words(), key.kind));
  return text + fmt::format("\nDefault: {}\n", value.empty() ? "none." : roff(value));
}

}  // namespace

Report show_config_manual() {
  const Config defaults = default_config();
  std::string text(kHead);
  std::string_view section = "top";
  for (const ConfigKey& key : config_keys()) {
    if (key.section != section) {
      section = key.section;
      text += section.empty() ? ".SH KEYS OUTSIDE OF SECTIONS\n" : fmt::format(".SH \"[{}]\"\n", section);
    }
    text += entry(key, defaults);
  }
  text += kTail;
  const Value value(text);
  return done(std::move(text), value);
}

}  // namespace mailstead::admin
