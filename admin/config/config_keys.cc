#include "admin/config/config_keys.h"

#include <algorithm>
#include <array>

#include "storage/store.h"

namespace mailstead::admin {
namespace {

constexpr std::array<std::string_view, 3> kPlaintextWords = {"loopback", "never", "always"};
constexpr std::array<PlaintextAuth, 3> kPlaintextValues = {PlaintextAuth::kLoopback, PlaintextAuth::kNever,
                                                           PlaintextAuth::kAlways};
constexpr std::array<std::string_view, 2> kNewlineWords = {"reject", "normalise"};
constexpr std::array<BareNewline, 2> kNewlineValues = {BareNewline::kReject, BareNewline::kNormalise};
const std::array<std::string_view, kPop3Languages> kLanguageWords = [] {
  std::array<std::string_view, kPop3Languages> words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = language_tag(static_cast<Pop3Language>(i));
  return words;
}();
constexpr std::array<std::string_view, 3> kCheckWords = {"note", "reject", "off"};
constexpr std::array<SenderChecks, 3> kCheckValues = {SenderChecks::kNote, SenderChecks::kReject,
                                                      SenderChecks::kOff};
constexpr std::array<std::string_view, 3> kDnssecWords = {"loopback", "always", "never"};
constexpr std::array<DnssecTrust, 3> kDnssecValues = {DnssecTrust::kLoopback, DnssecTrust::kAlways,
                                                      DnssecTrust::kNever};
constexpr std::array<std::string_view, 4> kLevelWords = {"debug", "info", "warning", "error"};
constexpr std::array<LogLevel, 4> kLevelValues = {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning,
                                                  LogLevel::kError};
constexpr std::array<std::string_view, 3> kSmarthostWords = {"starttls", "tls", "opportunistic"};
constexpr std::array<SmarthostTls, 3> kSmarthostValues = {SmarthostTls::kStartTls, SmarthostTls::kImplicit,
                                                          SmarthostTls::kOpportunistic};
constexpr std::array<std::string_view, 2> kMethodWords = {"http-01", "tls-alpn-01"};
constexpr std::array<AcmeMethod, 2> kMethodValues = {AcmeMethod::kHttp01, AcmeMethod::kTlsAlpn01};
constexpr std::array<std::string_view, 2> kFormatWords = {"text", "json"};
constexpr std::array<LogFormat, 2> kFormatValues = {LogFormat::kText, LogFormat::kJson};

template <typename T, std::size_t N>
std::size_t place_of(const std::array<T, N>& values, T value) {
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), value) - values.begin());
}

const std::array kKeys = {
    ConfigKey{"", "hostname",
              "The name of this server: in greetings, trace lines and its certificate.\n"
              "Default: the machine's name; the environment's MAILSTEAD_HOSTNAME comes before both.",
              HostnameKey{[](Config& c) -> std::string& { return c.hostname; }}},

    ConfigKey{"listen", "smtp",
              "Addresses and ports; [] turns a service off; port 0 takes a free port.\n"
              "smtp: mail from other servers.",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.smtp; }}},
    ConfigKey{"listen", "submission", "Mail from this server's users, STARTTLS.",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.submission; }}},
    ConfigKey{"listen", "submissions", "The same over TLS from the start.",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.submissions; }}},
    ConfigKey{
        "listen", "lmtp",
        "Mail from a server in front of this one, on this machine or a trusted network: there is no login.\n"
        "Also Unix sockets, by their path: \"/run/mailstead/lmtp\". Who may enter the folder may deliver.",
        ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.lmtp; }, UnixSockets::kYes}},
    ConfigKey{"listen", "pop3", "Users fetch their mail, STLS.",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.pop3; }}},
    ConfigKey{"listen", "pop3s", "The same over TLS from the start.",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.pop3s; }}},
    ConfigKey{
        "listen", "http",
        "The administration page ([admin] below), and for monitors /metrics (Prometheus), /healthz and\n"
        "/readyz, without a login. Nothing is encrypted: keep it to this machine, a network that you\n"
        "trust, or a proxy that speaks HTTPS.",
        ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.http; }}},
    ConfigKey{"listen", "web",
              "Mail programs find their settings here, over HTTP and over HTTPS, at the names that\n"
              "'mailstead dns records' tells: [\"[::]:80\"] and [\"[::]:443\"]. Nothing else is there.",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.web; }}},
    ConfigKey{"listen", "webs", "",
              ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.webs; }}},
    ConfigKey{
        "listen", "acme",
        "Where an authority looks whether the host is ours ([acme] below), over HTTP; it gets there by\n"
        "port 80. listen.web does for it, too. With [acme] and without both: [\"[::]:80\"].",
        ListenKey{[](Config& c) -> std::vector<ListenAddress>& { return c.listen.acme; }}},
    ConfigKey{
        "listen", "proxy_protocol_from",
        "Networks of proxies, such as [\"192.0.2.1\", \"10.0.0.0/8\"]: a connection from there must begin\n"
        "with a PROXY header (version 1 or 2), and is its client's from then on. Name nobody else:\n"
        "who is in the list can pass for anybody.",
        NetworksKey{[](Config& c) -> std::vector<IpNetwork>& { return c.listen.proxy_protocol_from; }}},

    ConfigKey{"tls", "certificate",
              "PEM files: the certificate with its chain, and its key. Read again when they change.\n"
              "Default: a self-signed pair, made at the first start.",
              PathKey{[](Config& c) -> std::string& { return c.tls.certificate; }}},
    ConfigKey{"tls", "key", "", PathKey{[](Config& c) -> std::string& { return c.tls.key; }}},

    ConfigKey{"tls", "more_certificates",
              "Further pairs for other host names, in the same order; the name a client asks for chooses.",
              PathsKey{[](Config& c) -> std::vector<std::string>& { return c.tls.more_certificates; }}},
    ConfigKey{"tls", "more_keys", "",
              PathsKey{[](Config& c) -> std::vector<std::string>& { return c.tls.more_keys; }}},

    // RFC 8555
    ConfigKey{"acme", "directory",
              "A certificate that others trust, got and renewed by the server itself: \"letsencrypt\", "
              "\"staging\"\n"
              "(for experiments: nobody trusts those), or the URL of another authority's directory. "
              "accept_terms =\n"
              "true says that you agree to its terms. The self-signed pair serves until there is one.",
              TextKey{[](Config& c) -> std::string& { return c.acme.directory; }}},
    ConfigKey{"acme", "accept_terms", "", SwitchKey{[](Config& c) -> bool& { return c.acme.accept_terms; }}},
    ConfigKey{"acme", "contact", "A mail address that the authority may write to; it need not have one.",
              TextKey{[](Config& c) -> std::string& { return c.acme.contact; }}},
    ConfigKey{"acme", "names",
              "Further names in the certificate besides hostname: [\"autoconfig.example.org\", "
              "\"autodiscover.example.org\"].\n"
              "Each has to lead to this server.",
              NamesKey{[](Config& c) -> std::vector<std::string>& { return c.acme.names; }}},
    ConfigKey{
        "acme", "challenge",
        "How the authority looks: \"http-01\", at port 80 (listen.acme), or \"tls-alpn-01\", at port 443\n"
        "(listen.webs).",
        ChoiceKey{kMethodWords, [](const Config& c) { return place_of(kMethodValues, c.acme.challenge); },
                  [](Config& c, std::size_t i) { c.acme.challenge = kMethodValues[i]; }}},
    ConfigKey{"acme", "authorities",
              "Of an authority of your own: a PEM file with who signs for the directory's host.\n"
              "Default: those that the machine trusts.",
              PathKey{[](Config& c) -> std::string& { return c.acme.authorities; }}},
    ConfigKey{"acme", "key_id",
              "What an authority gives its customers (external account binding); the file holds the key as\n"
              "the authority wrote it, in base64url.",
              TextKey{[](Config& c) -> std::string& { return c.acme.key_id; }}},
    ConfigKey{"acme", "key_file", "", PathKey{[](Config& c) -> std::string& { return c.acme.key_file; }}},

    // RFC 5321 2.3.8: neither stands alone in a message.
    ConfigKey{"smtp", "bare_newline",
              "A message with a CR or LF alone: \"reject\" it, or \"normalise\" it to CR LF.",
              ChoiceKey{kNewlineWords,
                        [](const Config& c) { return place_of(kNewlineValues, c.smtp.bare_newline); },
                        [](Config& c, std::size_t i) { c.smtp.bare_newline = kNewlineValues[i]; }}},

    ConfigKey{"smtp", "greeting_delay",
              "So long the greeting of port 25 waits; who speaks before it is a spammer's program. Who has\n"
              "brought mail lately, and this machine, do not wait. \"0 s\": nobody waits.",
              DurationKey{[](Config& c) -> std::chrono::seconds& { return c.smtp.greeting_delay; },
                          std::chrono::seconds(0), std::chrono::seconds(60)}},

    ConfigKey{
        "smtp", "sender_checks",
        "Whether mail from other servers is from whom it says (SPF, DKIM, ARC, DMARC): \"note\" writes it "
        "into\n"
        "the header, where mail programs and filters find it (Authentication-Results); \"reject\" refuses,\n"
        "too, what the author's domain wants rejected (some mailing lists and forwarded mail are among "
        "that),\n"
        "and mail that does not say who its author is.",
        ChoiceKey{kCheckWords, [](const Config& c) { return place_of(kCheckValues, c.smtp.sender_checks); },
                  [](Config& c, std::size_t i) { c.smtp.sender_checks = kCheckValues[i]; }}},

    // RFC 6409 6.1
    ConfigKey{"submission", "check_from",
              "A user's mail is refused when its From field names an address that is not the user's.",
              SwitchKey{[](Config& c) -> bool& { return c.submission.check_from; }}},

    ConfigKey{
        "submission", "recipients_per_hour",
        "To how many recipients a user may send in an hour and in a day; 0: to any number. It limits what\n"
        "somebody can do who has found a password.",
        CountKey{[](Config& c) -> std::uint32_t& { return c.submission.recipients_per_hour; }, 0, 10000000}},
    ConfigKey{
        "submission", "recipients_per_day", "",
        CountKey{[](Config& c) -> std::uint32_t& { return c.submission.recipients_per_day; }, 0, 10000000}},

    ConfigKey{"auth", "plaintext",
              "From where a password is taken without TLS: \"loopback\", \"never\", \"always\".",
              ChoiceKey{kPlaintextWords,
                        [](const Config& c) { return place_of(kPlaintextValues, c.auth.plaintext); },
                        [](Config& c, std::size_t i) { c.auth.plaintext = kPlaintextValues[i]; }}},

    ConfigKey{"auth", "ban_after",
              "Different wrong passwords after which a network may not log in for a while; 0: any number.",
              CountKey{[](Config& c) -> std::uint32_t& { return c.auth.ban_after; }, 0, 1000}},
    ConfigKey{"auth", "ban_time", "How long, the first time; each next time twice as long, up to a day.",
              DurationKey{[](Config& c) -> std::chrono::seconds& { return c.auth.ban_time; },
                          std::chrono::seconds(60), std::chrono::hours(24)}},

    // RFC 5321 4.5.3.1.7 and 4.5.3.1.8 set the least of these two.
    ConfigKey{
        "limits", "message_size", "The largest message, as it arrives.",
        SizeKey{[](Config& c) -> std::uint64_t& { return c.limits.message_size; }, 64ull << 10, 16ull << 30}},
    ConfigKey{"limits", "recipients", "Of one message.",
              CountKey{[](Config& c) -> std::uint32_t& { return c.limits.recipients; }, 100, 100000}},
    ConfigKey{"limits", "data_rate",
              "The least octets a second that a message comes with, over 64 KiB; 0: as slow as it likes.",
              SizeKey{[](Config& c) -> std::uint64_t& { return c.limits.data_rate; }, 0, 1ull << 20}},
    ConfigKey{"limits", "connections", "At one time, in all; each needs two open files (ulimit -n).",
              CountKey{[](Config& c) -> std::uint32_t& { return c.limits.connections; }, 1, 1000000}},
    ConfigKey{
        "limits", "connections_per_address", "At one time; loopback is not limited by it.",
        CountKey{[](Config& c) -> std::uint32_t& { return c.limits.connections_per_address; }, 1, 1000000}},
    ConfigKey{
        "limits", "mailbox_size",
        "The most that a mailbox may hold: \"none\", or a size. 'mailstead mailbox quota' sets another one\n"
        "for one mailbox. Mail for a full mailbox is asked to come later.",
        LimitKey{[](Config& c) -> std::uint64_t& { return c.limits.mailbox_size; }, kMostQuota}},
    ConfigKey{"limits", "free_space", "With less than this free on the disk, mail is asked to come later.",
              SizeKey{[](Config& c) -> std::uint64_t& { return c.limits.free_space; }, 0, 1ull << 50}},

    // RFC 1939 3: at least 10 minutes.
    ConfigKey{"pop3", "idle_timeout",
              "A POP3 session that says nothing for so long ends, and deletes nothing.",
              DurationKey{[](Config& c) -> std::chrono::seconds& { return c.pop3.idle_timeout; },
                          std::chrono::minutes(10), std::chrono::hours(24)}},

    ConfigKey{
        "pop3", "language",
        "Of POP3's messages for people, for programs that ask for the server's own: \"en\", \"de\", \"fr\", "
        "\"es\", \"zh\".",
        ChoiceKey{kLanguageWords, [](const Config& c) { return static_cast<std::size_t>(c.pop3.language); },
                  [](Config& c, std::size_t i) { c.pop3.language = static_cast<Pop3Language>(i); }}},

    ConfigKey{"pop3", "deleted_kept_days",
              "Mail that a mail program deleted can be restored for so many days ('mailstead message\n"
              "restore'), unless the disk runs low; 0 deletes it at once.",
              CountKey{[](Config& c) -> std::uint32_t& { return c.pop3.deleted_kept_days; }, 0, 3650}},
    // RFC 2449 6.5.
    ConfigKey{"pop3", "login_delay",
              "So long after a login to a mailbox POP3 refuses the next one; programs are told. \"0 s\": not "
              "at all.",
              DurationKey{[](Config& c) -> std::chrono::seconds& { return c.pop3.login_delay; },
                          std::chrono::seconds(0), std::chrono::hours(24)}},
    // RFC 2449 6.7.
    ConfigKey{
        "pop3", "expire_days",
        "A message that has been here for so many days is deleted; programs are told. \"never\", or days.\n"
        "0: what POP3 has fetched is deleted when the session ends with QUIT, nothing else.",
        DaysKey{[](Config& c) -> std::optional<std::uint32_t>& { return c.pop3.expire_days; }, 36500}},

    // RFC 5321 4.5.4.1: after half an hour at the latest, then rarer; for four to five days.
    ConfigKey{"queue", "retry",
              "Mail that another host does not take now is tried again after so long; the last one repeats.",
              DurationsKey{[](Config& c) -> std::vector<std::chrono::seconds>& { return c.queue.retry; },
                           std::chrono::seconds(10), std::chrono::hours(24)}},
    ConfigKey{"queue", "expire", "After so long its sender is told that it could not be delivered.",
              DurationKey{[](Config& c) -> std::chrono::seconds& { return c.queue.expire; },
                          std::chrono::minutes(1), std::chrono::hours(24 * 30)}},
    ConfigKey{"queue", "delay_warning",
              "After so long its sender is told that it is still on its way; \"0 s\": never.",
              DurationKey{[](Config& c) -> std::chrono::seconds& { return c.queue.delay_warning; },
                          std::chrono::seconds(0), std::chrono::hours(24 * 30)}},
    ConfigKey{"queue", "connections",
              "To other hosts at one time, in all and to each; those that do not answer count apart.",
              CountKey{[](Config& c) -> std::uint32_t& { return c.queue.connections; }, 1, 1000}},
    ConfigKey{"queue", "connections_per_host", "",
              CountKey{[](Config& c) -> std::uint32_t& { return c.queue.connections_per_host; }, 1, 100}},
    ConfigKey{
        "queue", "tls_reports",
        "Domains that ask for it are told once a day how connections to their hosts came out (RFC 8460).",
        SwitchKey{[](Config& c) -> bool& { return c.queue.tls_reports; }}},
    ConfigKey{"queue", "routes",
              "Domains whose mail goes elsewhere than their MX records or the smarthost say: [\"example.net\n"
              "mx.example.net:2525 starttls\", \".example.org [192.0.2.1]\", \"example.com mx\"]. A dot in "
              "front means what\n"
              "is below; \"mx\" is a domain's own hosts; \"starttls\" and \"tls\" want a certificate for the "
              "host's name.",
              RoutesKey{[](Config& c) -> std::vector<MailRoute>& { return c.queue.routes; }}},
    ConfigKey{"queue.smarthost", "host",
              "A server that takes all mail for other hosts and passes it on: where port 25 is blocked. Its\n"
              "name or its address.",
              OtherHostKey{[](Config& c) -> std::string& { return c.queue.smarthost.host; }}},
    ConfigKey{"queue.smarthost", "port", "",
              CountKey{[](Config& c) -> std::uint32_t& { return c.queue.smarthost.port; }, 1, 65535}},
    ConfigKey{"queue.smarthost", "user", "To log in there; the file holds the password and nothing else.",
              TextKey{[](Config& c) -> std::string& { return c.queue.smarthost.user; }}},
    ConfigKey{"queue.smarthost", "password_file", "",
              PathKey{[](Config& c) -> std::string& { return c.queue.smarthost.password_file; }}},
    ConfigKey{
        "queue.smarthost", "tls",
        "\"starttls\", \"tls\" (from the start; the default of port 465): with a certificate for its name.\n"
        "\"opportunistic\": if it is offered, by whoever answers.",
        ChoiceKey{kSmarthostWords,
                  [](const Config& c) { return place_of(kSmarthostValues, c.queue.smarthost.tls); },
                  [](Config& c, std::size_t i) { c.queue.smarthost.tls = kSmarthostValues[i]; }}},

    ConfigKey{"resolver", "servers",
              "DNS servers, such as [\"127.0.0.1\", \"[::1]:5353\"]; [] takes those of the machine.",
              ServersKey{[](Config& c) -> std::vector<ListenAddress>& { return c.resolver.servers; }}},
    ConfigKey{
        "resolver", "dnssec",
        "Whose word is believed that an answer was validated (DNSSEC), as DANE needs it: \"loopback\", "
        "servers\non this machine; \"always\", where the way to them is safe; \"never\".",
        ChoiceKey{kDnssecWords, [](const Config& c) { return place_of(kDnssecValues, c.resolver.dnssec); },
                  [](Config& c, std::size_t i) { c.resolver.dnssec = kDnssecValues[i]; }}},

    ConfigKey{"admin", "page",
              "The administration page: listen.http, /admin/. 'mailstead web-link' lets a browser in.",
              SwitchKey{[](Config& c) -> bool& { return c.admin.page; }}},
    ConfigKey{"admin", "names",
              "Host names that browsers call it by, besides hostname, localhost and IP addresses: those of\n"
              "a proxy in front of it. Any other name is refused: somebody has made it lead here. So it is\n"
              "with /metrics, but that a name without dots (a container's) needs no mention.",
              NamesKey{[](Config& c) -> std::vector<std::string>& { return c.admin.names; }}},

    ConfigKey{"alerts", "mail",
              "Tell the postmaster by mail when the disk fills, no mail is taken or none goes out, a backup "
              "fails,\n"
              "or a certificate expires or cannot be used.",
              SwitchKey{[](Config& c) -> bool& { return c.alerts.mail; }}},
    ConfigKey{"alerts", "to", "Whom instead, such as \"anna@example.org\".",
              TextKey{[](Config& c) -> std::string& { return c.alerts.to; }}},

    ConfigKey{"log", "level", "\"debug\", \"info\", \"warning\", \"error\".",
              ChoiceKey{kLevelWords, [](const Config& c) { return place_of(kLevelValues, c.log.level); },
                        [](Config& c, std::size_t i) { c.log.level = kLevelValues[i]; }}},
    ConfigKey{"log", "format", "\"text\", \"json\".",
              ChoiceKey{kFormatWords, [](const Config& c) { return place_of(kFormatValues, c.log.format); },
                        [](Config& c, std::size_t i) { c.log.format = kFormatValues[i]; }}},
};

}  // namespace

std::span<const ConfigKey> config_keys() {
  return kKeys;
}

Config default_config() {
  Config config;
  config.listen.smtp = {{"::", 25}};
  config.listen.submission = {{"::", 587}};
  config.listen.submissions = {{"::", 465}};
  config.listen.pop3 = {{"::", 110}};
  config.listen.pop3s = {{"::", 995}};
  config.listen.http = {{"127.0.0.1", 8025}};
  return config;
}

}  // namespace mailstead::admin
