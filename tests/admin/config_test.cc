#include "admin/config/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <cstdlib>
#include <map>
#include <set>

#include "admin/commands/config_commands.h"
#include "admin/config/config_environment.h"
#include "admin/config/config_keys.h"
#include "tests/admin/folder.h"
#include "tests/catch.h"

using namespace mailstead;
using mailstead::admin_test::Folder;

namespace {

Config parsed(const std::string& toml) {
  const Result<Config> config = parse_config(toml, "t.toml");
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  return *config;
}

std::string error(const std::string& toml) {
  const Result<Config> config = parse_config(toml, "t.toml");
  REQUIRE_FALSE(config);
  CHECK(config.error().kind == ErrorKind::kInvalid);
  CHECK(config.error().message.find('\n') == std::string::npos);
  return config.error().message;
}

class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const std::string name_;
};

}  // namespace

TEST_CASE("an authority is asked only by who has agreed to its terms", "[config]") {
  const std::string on = "[acme]\ndirectory = \"letsencrypt\"\n";
  CHECK_FALSE(parsed("").acme.is_on());
  CHECK(error(on).find("t.toml:2: acme.directory without acme.accept_terms = true") == 0);
  const Config config = parsed(on + "accept_terms = true\nnames = [\"Autoconfig.example.org\"]\n");
  CHECK(config.acme.url() == "https://acme-v02.api.letsencrypt.org/directory");
  CHECK(config.listen.acme == std::vector{ListenAddress{"::", 80}});
  CHECK(parsed("[acme]\ndirectory = \"staging\"\naccept_terms = true\n").acme.url() ==
        "https://acme-staging-v02.api.letsencrypt.org/directory");
  CHECK(parsed(on + "accept_terms = true\n[listen]\nweb = [\":80\"]\n").listen.acme.empty());
  // Behind something that passes port 80 on.
  CHECK(parsed(on + "accept_terms = true\n[listen]\nacme = []\nweb = [\":8080\"]\n").listen.acme.empty());
  CHECK(parsed(on + "accept_terms = true\n[listen]\nweb = [\":8080\"]\n").listen.acme.size() == 1);
  CHECK(error(on + "accept_terms = true\n[listen]\nacme = []\n").find("needs a listener at port 80") !=
        std::string::npos);
  for (const char* wrong :
       {"directory = \"http://a.example/\"\n", "directory = \"lets encrypt\"\n",
        "names = [\"*.example.org\"]\n", "names = [\"[192.0.2.1]\"]\n", "names = [\"192.0.2.1\"]\n",
        "names = [\"_dmarc.example.org\"]\n", "contact = \"nobody\"\n", "key_id = \"a\"\n",
        "directory = \"staging\"\nchallenge = \"tls-alpn-01\"\n", "challenge = \"dns-01\"\n"}) {
    INFO(wrong);
    CHECK_FALSE(error(std::string("[acme]\naccept_terms = true\n") + wrong).empty());
  }
  CHECK(error(on + "accept_terms = true\n[tls]\ncertificate = \"/a\"\nkey = \"/b\"\n")
            .find("keep one of the two") != std::string::npos);
}

TEST_CASE("an empty configuration has every default", "[config]") {
  const Config config = parsed("");
  CHECK_FALSE(config.hostname.empty());
  REQUIRE(config.listen.smtp.size() == 1);
  CHECK(config.listen.smtp[0].text() == "[::]:25");
  CHECK(config.listen.submission[0].text() == "[::]:587");
  CHECK(config.listen.submissions[0].text() == "[::]:465");
  CHECK(config.listen.pop3[0].text() == "[::]:110");
  CHECK(config.listen.pop3s[0].text() == "[::]:995");
  CHECK(config.listen.http == std::vector{ListenAddress{"127.0.0.1", 8025}});
  CHECK(config.listen.web.empty());
  CHECK(config.listen.webs.empty());
  CHECK(config.listen.proxy_protocol_from.empty());
  CHECK(config.tls.certificate.empty());
  CHECK(config.auth.plaintext == PlaintextAuth::kLoopback);
  CHECK(config.limits.message_size == 50u << 20);
  CHECK(config.limits.recipients == 1000);
  CHECK(config.limits.connections == 20000);
  CHECK(config.limits.connections_per_address == 50);
  CHECK(config.limits.mailbox_size == 0);
  CHECK(config.limits.free_space == 64u << 20);
  CHECK(config.pop3.idle_timeout == std::chrono::minutes(10));
  CHECK(config.pop3.language == Pop3Language::kEnglish);
  CHECK(config.log.level == LogLevel::kInfo);
  CHECK(config.log.format == LogFormat::kText);
}

TEST_CASE("every key is read", "[config]") {
  const std::string toml = R"(hostname = "Mail.Example.ORG."
[listen]
smtp = ["127.0.0.1:2525", "[::1]:2525"]
submission = []
submissions = [":465"]
lmtp = ["/run/mailstead/lmtp", "127.0.0.1:24"]
pop3 = ["127.0.0.1:0"]
pop3s = ["127.0.0.1:0"]
http = ["[::1]:8080"]
web = [":80"]
webs = ["192.0.2.1:443"]
acme = ["192.0.2.2:80"]
proxy_protocol_from = ["192.0.2.1", "10.0.0.0/8", "2001:DB8::/32", "::1/128"]
[tls]
certificate = "/etc/c.pem"
key = "/etc/k.pem"
more_certificates = ["/etc/c2.pem"]
more_keys = ["/etc/k2.pem"]
[smtp]
bare_newline = "normalise"
greeting_delay = "5 s"
sender_checks = "reject"
[submission]
check_from = false
recipients_per_hour = 12
recipients_per_day = 0
[auth]
plaintext = "never"
ban_after = 7
ban_time = "2 h"
[limits]
message_size = 65536
recipients = 100
data_rate = "1 KiB"
connections = 7
connections_per_address = 3
mailbox_size = "2 GiB"
free_space = "1 GiB"
[pop3]
idle_timeout = "2 h"
language = "es"
deleted_kept_days = 30
login_delay = "15 min"
expire_days = 30
[queue]
retry = ["1 min", "2 h"]
expire = "2 days"
delay_warning = "0 s"
connections = 9
connections_per_host = 2
tls_reports = false
routes = ["far.example mx.far.example:2525 starttls", ".wide.example mx"]
[queue.smarthost]
host = "smtp.example.net"
port = 465
user = "anna"
password_file = "/etc/p"
tls = "tls"
[resolver]
servers = ["192.0.2.53", "2001:db8::53", "[::1]:5353", "127.0.0.1:5353"]
dnssec = "always"
[admin]
page = false
names = ["Admin.example.org"]
[alerts]
mail = false
to = "anna@example.org"
[log]
level = "debug"
format = "json"
)";
  const Config config = parsed(toml);
  CHECK(config.queue.retry ==
        std::vector<std::chrono::seconds>{std::chrono::minutes(1), std::chrono::hours(2)});
  CHECK(config.queue.expire == std::chrono::hours(48));
  CHECK(config.queue.delay_warning.count() == 0);
  CHECK(config.queue.connections == 9);
  CHECK(config.queue.connections_per_host == 2);
  CHECK(config.queue.routes ==
        std::vector<MailRoute>{{"far.example", "mx.far.example", 2525, SmarthostTls::kStartTls},
                               {".wide.example", "", 25, SmarthostTls::kOpportunistic}});
  CHECK(config.queue.smarthost.host == "smtp.example.net");
  CHECK(config.queue.smarthost.port == 465);
  CHECK(config.queue.smarthost.user == "anna");
  CHECK(config.queue.smarthost.password_file == "/etc/p");
  CHECK(config.queue.smarthost.tls == SmarthostTls::kImplicit);
  CHECK(parsed("[queue]\nsmarthost = { host = \"smtp.example.net\" }\n").queue.smarthost.host ==
        "smtp.example.net");
  CHECK_FALSE(config.queue.tls_reports);
  CHECK(config.resolver.dnssec == DnssecTrust::kAlways);
  CHECK(parsed("").queue.tls_reports);
  CHECK(parsed("").resolver.dnssec == DnssecTrust::kLoopback);
  REQUIRE(config.resolver.servers.size() == 4);
  CHECK(config.resolver.servers[0].text() == "192.0.2.53:53");
  CHECK(config.resolver.servers[1].text() == "[2001:db8::53]:53");
  CHECK(config.resolver.servers[2].text() == "[::1]:5353");
  CHECK(error("[queue]\nroutes = \"x\"\n").find("list of routes") != std::string::npos);
  CHECK(error("[queue]\nroutes = [\"a.example\"]\n").find("'a.example'") != std::string::npos);
  CHECK(error("[queue]\nroutes = [\"a.example mx\", \"A.example b.example\"]\n")
            .find("two routes for a.example") != std::string::npos);
  CHECK(error("[queue]\nretry = []\n").find("list of times") != std::string::npos);
  CHECK(error("[queue]\nretry = [\"1 s\"]\n").find("'1 s'") != std::string::npos);
  CHECK(error("[resolver]\nservers = [\"dns.example\"]\n").find("not an address") != std::string::npos);
  CHECK(error("[resolver]\nservers = [\":53\"]\n").find("not an address") != std::string::npos);
  CHECK(config.hostname == "mail.example.org");
  CHECK(config.listen.smtp.size() == 2);
  CHECK(config.listen.smtp[1] == ListenAddress{"::1", 2525});
  CHECK(config.listen.submission.empty());
  CHECK(config.listen.submissions[0] == ListenAddress{"::", 465});
  CHECK(config.listen.lmtp[0] == ListenAddress{"/run/mailstead/lmtp", 0});
  CHECK(config.listen.lmtp[1] == ListenAddress{"127.0.0.1", 24});
  CHECK(error("[listen]\nsmtp = [\"/run/smtp\"]\n").find("only lmtp") != std::string::npos);
  CHECK(error("[listen]\nlmtp = [\"127.0.0.1:25\"]\n").find("SMTP's port") != std::string::npos);
  CHECK(config.listen.pop3[0].port == 0);
  REQUIRE(config.listen.proxy_protocol_from.size() == 4);
  CHECK(config.listen.proxy_protocol_from[0].text() == "192.0.2.1");
  CHECK(config.listen.proxy_protocol_from[1].text() == "10.0.0.0/8");
  CHECK(config.listen.proxy_protocol_from[2].text() == "2001:db8::/32");
  CHECK(config.listen.proxy_protocol_from[3].text() == "::1");
  CHECK(config.tls.certificate == "/etc/c.pem");
  CHECK(config.tls.key == "/etc/k.pem");
  CHECK(config.tls.more_certificates == std::vector<std::string>{"/etc/c2.pem"});
  CHECK(config.tls.more_keys == std::vector<std::string>{"/etc/k2.pem"});
  CHECK(config.smtp.bare_newline == BareNewline::kNormalise);
  CHECK(config.smtp.greeting_delay == std::chrono::seconds(5));
  CHECK(config.smtp.sender_checks == SenderChecks::kReject);
  CHECK_FALSE(config.submission.check_from);
  CHECK(config.submission.recipients_per_hour == 12);
  CHECK(config.submission.recipients_per_day == 0);
  CHECK(config.auth.plaintext == PlaintextAuth::kNever);
  CHECK(config.auth.ban_after == 7);
  CHECK(config.auth.ban_time == std::chrono::hours(2));
  CHECK(config.limits.message_size == 65536);
  CHECK(config.limits.recipients == 100);
  CHECK(config.limits.data_rate == 1024);
  CHECK(config.limits.connections == 7);
  CHECK(config.limits.connections_per_address == 3);
  CHECK(config.limits.mailbox_size == 2ull << 30);
  CHECK(config.limits.free_space == 1u << 30);
  CHECK(config.pop3.idle_timeout == std::chrono::hours(2));
  CHECK(config.pop3.language == Pop3Language::kSpanish);
  CHECK(config.pop3.deleted_kept_days == 30);
  CHECK(config.pop3.login_delay == std::chrono::minutes(15));
  CHECK(config.pop3.expire_days == 30U);
  CHECK_FALSE(parsed("[pop3]\nexpire_days = \"never\"\n").pop3.expire_days);
  CHECK(parsed("[pop3]\nexpire_days = 0\n").pop3.expire_days == 0U);
  CHECK(error("[pop3]\nexpire_days = -1\n").find("\"never\"") != std::string::npos);
  CHECK(config.log.level == LogLevel::kDebug);
  CHECK_FALSE(config.admin.page);
  CHECK(config.admin.names == std::vector<std::string>{"admin.example.org"});
  CHECK_FALSE(config.alerts.mail);
  CHECK(config.alerts.to == "anna@example.org");
  CHECK(config.log.format == LogFormat::kJson);
  // It has no room beside a certificate of one's own.
  const std::string authority = R"([acme]
directory = "https://ca.example/directory"
accept_terms = true
contact = "anna@example.org"
names = ["autoconfig.example.org"]
challenge = "http-01"
authorities = "/etc/ca.pem"
key_id = "anna"
key_file = "/etc/ca.key"
)";
  const Config::Acme acme = parsed(authority).acme;
  CHECK(acme.url() == "https://ca.example/directory");
  CHECK(acme.contact == "anna@example.org");
  CHECK(acme.names == std::vector<std::string>{"autoconfig.example.org"});
  CHECK(acme.challenge == AcmeMethod::kHttp01);
  CHECK(acme.authorities == "/etc/ca.pem");
  CHECK(acme.key_id == "anna");
  CHECK(acme.key_file == "/etc/ca.key");
  CHECK(config.listen.acme == std::vector{ListenAddress{"192.0.2.2", 80}});
  // No key of the table was left out above.
  for (const admin::ConfigKey& key : admin::config_keys()) {
    INFO(key.name);
    CHECK(("\n" + toml + authority).find(fmt::format("\n{} = ", key.name)) != std::string::npos);
  }
}

TEST_CASE("the manual page has every key, with its default", "[config]") {
  const std::string page = admin::show_config_manual().text;
  for (const admin::ConfigKey& key : admin::config_keys())
    CHECK(page.find(fmt::format("\n.B {}\n", key.name)) != std::string::npos);
  CHECK(page.find(".SH \"[limits]\"\n") != std::string::npos);
  CHECK(page.find("A size, 64 KiB to ") != std::string::npos);
  CHECK(page.find("Default: \"50 MiB\"\n") != std::string::npos);
  CHECK(page.find("\"note\" or ") != std::string::npos);
  // No line begins as one of roff's own that is none.
  CHECK(page.find("\n'") == std::string::npos);
}

TEST_CASE("a wrong key is named with its line and the likely right one", "[config]") {
  CHECK(error("[limits]\nrecipient = 5\n") ==
        "t.toml:2: unknown key 'recipient' in [limits]; did you mean 'recipients'?");
  CHECK(error("\n\nhostnam = \"x\"") == "t.toml:3: unknown key 'hostnam'; did you mean 'hostname'?");
  CHECK(error("[lmits]\n") == "t.toml:1: unknown section [lmits]; did you mean [limits]?");
  CHECK(error("[tls]\nrecipients = 5") ==
        "t.toml:2: unknown key 'recipients' in [tls]; it belongs in [limits]");
  CHECK(error("[limits]\nhostname = 'a'") ==
        "t.toml:2: unknown key 'hostname' in [limits]; it belongs in the top of the file, before the first "
        "section");
  CHECK(error("recipients = 5") == "t.toml:1: unknown key 'recipients'; it belongs in [limits]");
  CHECK(error("[limits]\n\"a\\nb\" = 5") == "t.toml:2: unknown key 'a\\x0ab' in [limits]");
  CHECK(error("limits = 5") == "t.toml:1: [limits] is a section: write its keys below a line [limits]");
  CHECK(error("\n[[limits]]\nrecipients = 100") ==
        "t.toml:2: [limits] is a section: write its keys below a line [limits]");
  CHECK(error("limits.recipient = 5").starts_with("t.toml:1: unknown key 'recipient' in [limits]"));
  CHECK(error("[\"\"]\nhostname = 'a'").starts_with("t.toml:1: unknown section []"));
}

TEST_CASE("keys that nothing serves are not accepted", "[config]") {
  for (const char* toml : {"[queue]\nroute = []", "[journal]\nsmall_message = 5"}) {
    CHECK(error(toml).find("unknown") != std::string::npos);
  }
  CHECK(error("[listen]\nimap = []") == "t.toml:2: unknown key 'imap' in [listen]");
}

TEST_CASE("the size of a mailbox is a size, or none", "[config]") {
  CHECK(parsed("limits.mailbox_size = \"none\"").limits.mailbox_size == 0);
  CHECK(parsed("limits.mailbox_size = 0").limits.mailbox_size == 0);
  CHECK(parsed("limits.mailbox_size = 5000").limits.mailbox_size == 5000);
  CHECK(parsed("limits.mailbox_size = \"1024 TiB\"").limits.mailbox_size == 1ull << 50);
  CHECK(print_config(parsed("limits.mailbox_size = 0")).find("mailbox_size = \"none\"\n") !=
        std::string::npos);
  CHECK(print_config(parsed("limits.mailbox_size = 2048")).find("mailbox_size = \"2 KiB\"\n") !=
        std::string::npos);
}

TEST_CASE("a wrong value is named with its line and what to write", "[config]") {
  const std::map<std::string, std::string> cases = {
      {"hostname = 5", "hostname: must be a host name such as \"mail.example.org\""},
      {"hostname = \"a b\"", "hostname: 'a b' is not a host name"},
      {"hostname = \"\"", "hostname: '' is not a host name"},
      {"listen.smtp = \":25\"",
       "listen.smtp: must be a list of addresses such as [\"[::]:25\", \"127.0.0.1:2525\"]"},
      {"listen.smtp = [25]",
       "listen.smtp: must be a list of addresses such as [\"[::]:25\", \"127.0.0.1:2525\"]"},
      {"listen.smtp = [\"localhost:25\"]",
       "listen.smtp: 'localhost:25' is not an address with a port, such as \"127.0.0.1:2525\", "
       "\"[::1]:2525\" or "
       "\":25\""},
      {"listen.smtp = [\":25\", \":25\"]", "listen.smtp has [::]:25 twice"},
      {"listen.smtp = [\":110\"]", "listen.smtp and listen.pop3 both have [::]:110"},
      {"listen.proxy_protocol_from = \"10.0.0.0/8\"",
       "listen.proxy_protocol_from: must be a list of networks such as [\"192.0.2.1\", \"10.0.0.0/8\"]"},
      {"listen.proxy_protocol_from = [\"::1\", \"10.0.0.0/33\"]",
       "listen.proxy_protocol_from: '10.0.0.0/33' is neither an address nor a network, such as "
       "\"192.0.2.1\", "
       "\"10.0.0.0/8\" or \"2001:db8::/32\""},
      {"listen.proxy_protocol_from = [\"proxy\\n\"]",
       "listen.proxy_protocol_from: 'proxy\\x0a' is neither an address nor a network, such as \"192.0.2.1\", "
       "\"10.0.0.0/8\" or \"2001:db8::/32\""},
      {"listen.proxy_protocol_from = [\"10.1.2.3/8\"]",
       "listen.proxy_protocol_from: '10.1.2.3/8' is an address within a network; write \"10.1.2.3\" for that "
       "address or \"10.0.0.0/8\" for the network"},
      {"tls.certificate = \"c\"", "tls.certificate without tls.key: give both or neither"},
      {"tls.key = \"c\"", "tls.key without tls.certificate: give both or neither"},
      {"tls.key = \"\"", "tls.key: must be the path of a file, in quotes"},
      {"tls.more_keys = 'k'",
       "tls.more_keys: must be a list of paths of files such as [\"/etc/a.pem\", \"/etc/b.pem\"]"},
      {"tls.more_keys = ['']",
       "tls.more_keys: must be a list of paths of files such as [\"/etc/a.pem\", \"/etc/b.pem\"]"},
      {"tls.more_keys = ['k']",
       "tls.more_certificates and tls.more_keys must name as many files as each other"},
      {"submission.check_from = \"yes\"", "submission.check_from: must be true or false"},
      {"submission.check_from = 1", "submission.check_from: must be true or false"},
      {"smtp.sender_checks = true", "smtp.sender_checks: must be \"note\", \"reject\" or \"off\""},
      {"smtp.bare_newline = 'keep'", "smtp.bare_newline: must be \"reject\" or \"normalise\""},
      {"tls.more_keys = \"k\"",
       "tls.more_keys: must be a list of paths of files such as [\"/etc/a.pem\", \"/etc/b.pem\"]"},
      {"tls.more_keys = [\"k\"]",
       "tls.more_certificates and tls.more_keys must name as many files as each other"},
      {"smtp.bare_newline = \"keep\"", "smtp.bare_newline: must be \"reject\" or \"normalise\""},
      {"tls.key = 1", "tls.key: must be the path of a file, in quotes"},
      {"auth.plaintext = true", "auth.plaintext: must be \"loopback\", \"never\" or \"always\""},
      {"auth.plaintext = \"Never\"", "auth.plaintext: must be \"loopback\", \"never\" or \"always\""},
      {"limits.message_size = \"big\"",
       "limits.message_size: must be a size such as \"50 MiB\", or a number of octets"},
      {"limits.message_size = -1",
       "limits.message_size: must be a size such as \"50 MiB\", or a number of octets"},
      {"limits.message_size = 1.5",
       "limits.message_size: must be a size such as \"50 MiB\", or a number of octets"},
      {"limits.message_size = 65535", "limits.message_size: must be from \"64 KiB\" to \"16 GiB\""},
      {"limits.mailbox_size = \"never\"",
       "limits.mailbox_size: must be \"none\", or a size such as \"2 GiB\" up to \"1024 TiB\""},
      {"limits.mailbox_size = -1",
       "limits.mailbox_size: must be \"none\", or a size such as \"2 GiB\" up to \"1024 TiB\""},
      {"limits.mailbox_size = \"1025 TiB\"",
       "limits.mailbox_size: must be \"none\", or a size such as \"2 GiB\" up to \"1024 TiB\""},
      {"limits.mailbox_size = false",
       "limits.mailbox_size: must be \"none\", or a size such as \"2 GiB\" up to \"1024 TiB\""},
      {"limits.recipients = \"many\"", "limits.recipients: must be a whole number from 100 to 100000"},
      {"limits.recipients = 99", "limits.recipients: must be a whole number from 100 to 100000"},
      {"limits.recipients = 4294967396", "limits.recipients: must be a whole number from 100 to 100000"},
      {"limits.connections = 0", "limits.connections: must be a whole number from 1 to 1000000"},
      {"limits.connections_per_address = 0",
       "limits.connections_per_address: must be a whole number from 1 to 1000000"},
      {"limits.free_space = \"2000 TiB\"", "limits.free_space: must be from \"0 B\" to \"1024 TiB\""},
      {"pop3.idle_timeout = 600",
       "pop3.idle_timeout: must be a time such as \"90 s\", \"10 min\" or \"2 h\""},
      {"pop3.idle_timeout = \"599 s\"", "pop3.idle_timeout: must be from \"10 min\" to \"24 h\""},
      {"pop3.idle_timeout = \"25 h\"", "pop3.idle_timeout: must be from \"10 min\" to \"24 h\""},
      {"log.level = \"trace\"", "log.level: must be \"debug\", \"info\", \"warning\" or \"error\""},
      {"log.format = 1979-05-27", "log.format: must be \"text\" or \"json\""},
  };
  for (const auto& [toml, message] : cases) {
    INFO(toml);
    CHECK(error("\n# second line\n" + toml + "\n") == "t.toml:3: " + message);
  }
}

TEST_CASE("two services on one port are an error at the later line", "[config]") {
  CHECK(error("[listen]\npop3 = [\"127.0.0.1:5\"]\nsmtp = [\"127.0.0.1:5\"]") ==
        "t.toml:3: listen.smtp and listen.pop3 both have 127.0.0.1:5");
  CHECK(parsed("[listen]\nsmtp=['127.0.0.1:0', '127.0.0.1:0']").listen.smtp.size() == 2);
}

TEST_CASE("what is no TOML is an error with its line", "[config]") {
  for (const std::string wrong :
       {"x", "= 5", "[a", "a = ", "a = 1\na = 2", "a = \"\xff\"", "\xff", "a = [[[[["}) {
    INFO(wrong);
    CHECK(error("\n" + wrong).starts_with("t.toml:"));
  }
  CHECK(error("\nhostname = \"a\"\nhostname = \"b\"").starts_with("t.toml:3: "));
  CHECK(error(std::string("a\0b = 5", 7)).starts_with("t.toml:1: "));
  CHECK(error("a = " + std::string(100000, '[')).starts_with("t.toml:1: "));
}

TEST_CASE("what is printed reads back the same", "[config]") {
  const Config defaults = parsed("hostname = 'a.example'");
  const std::string printed = print_config(defaults);
  CHECK(print_config(parsed(printed)) == printed);
  CHECK(printed.find("smtp = [\"[::]:25\"]") != std::string::npos);

  Config config = defaults;
  config.listen.smtp = {{"127.0.0.1", 2525}, {"::1", 0}};
  config.listen.pop3 = {};
  config.listen.proxy_protocol_from = {*parse_ip_network("192.0.2.1"), *parse_ip_network("2001:db8::/32")};
  config.tls.certificate = "/a \"quoted\"\\ file\n.pem";
  config.tls.key = "/k";
  config.tls.more_certificates = {"/c2", "/c3"};
  config.tls.more_keys = {"/k2", "/k3"};
  config.smtp.bare_newline = BareNewline::kNormalise;
  config.tls.more_certificates = {"/a.pem", "/b.pem"};
  config.tls.more_keys = {"/a.key", "/b.key"};
  config.smtp.bare_newline = BareNewline::kNormalise;
  config.auth.plaintext = PlaintextAuth::kAlways;
  config.limits.message_size = 65537;
  config.limits.free_space = 0;
  config.pop3.idle_timeout = std::chrono::seconds(601);
  config.log.level = LogLevel::kError;
  config.log.format = LogFormat::kJson;
  const Config back = parsed(print_config(config));
  CHECK(print_config(back) == print_config(config));
  CHECK(back.tls.certificate == config.tls.certificate);
  CHECK(back.tls.more_keys == config.tls.more_keys);
  CHECK(back.smtp.bare_newline == BareNewline::kNormalise);
  CHECK(back.listen.smtp == config.listen.smtp);
  CHECK(back.listen.proxy_protocol_from == config.listen.proxy_protocol_from);
  CHECK(back.limits.message_size == 65537);
  CHECK(back.limits.free_space == 0);
}

TEST_CASE("the environment's host name comes before the file's", "[config]") {
  {
    const Variable environment("MAILSTEAD_HOSTNAME", "other.example");
    CHECK(parsed("hostname = 'a.example'").hostname == "other.example");
  }
  {
    const Variable environment("MAILSTEAD_HOSTNAME", "");
    CHECK(parsed("hostname = 'a.example'").hostname == "a.example");
  }
  const Variable environment("MAILSTEAD_HOSTNAME", "no\nname");
  CHECK(error("") == "MAILSTEAD_HOSTNAME: 'no\\x0aname' is not a host name");
}

TEST_CASE("each key can be set by the environment, which comes before the file", "[config]") {
  std::set<std::string> names;
  for (const admin::ConfigKey& key : admin::config_keys()) {
    const std::string name = admin::variable_of(key);
    INFO(name);
    CHECK(names.insert(name).second);
    // What the defaults are as text reads back as themselves.
    const Config defaults = admin::default_config();
    std::string text = admin::config_key_toml(key, defaults);
    if (text.empty() || text == "[]" || text == "\"\"" || text.find('{') != std::string::npos) continue;
    std::erase_if(text, [](char c) { return c == '"' || c == '[' || c == ']'; });
    if (const auto* listen = std::get_if<admin::ListenKey>(&key.kind); listen != nullptr)
      text = ":" + std::to_string(2000 + names.size());
    const Variable variable(name, text);
    const Config config = parsed("");
    if (std::holds_alternative<admin::ListenKey>(key.kind)) {
      CHECK(admin::config_key_toml(key, config).find(text) != std::string::npos);
    } else {
      CHECK(admin::config_key_toml(key, config) == admin::config_key_toml(key, defaults));
    }
  }
}

TEST_CASE("variables have values of all kinds, and say what is wrong with them", "[config]") {
  {
    const Variable size("MAILSTEAD_LIMITS_MESSAGE_SIZE", "100 MiB");
    const Variable count("MAILSTEAD_LIMITS_RECIPIENTS", " 123 ");
    const Variable list("MAILSTEAD_RESOLVER_SERVERS", "192.0.2.53, 192.0.2.54");
    const Variable none("MAILSTEAD_LISTEN_POP3", "none");
    const Variable nothing("MAILSTEAD_LOG_LEVEL", "");
    const Variable deep("MAILSTEAD_QUEUE_SMARTHOST_HOST", "smtp.isp.example");
    const Variable deeper("MAILSTEAD_QUEUE_SMARTHOST_PORT", "465");
    const Variable yes("MAILSTEAD_SUBMISSION_CHECK_FROM", "false");
    const Config config = parsed("[limits]\nrecipients = 105\n[log]\nlevel = \"debug\"");
    CHECK(config.limits.message_size == 100u << 20);
    CHECK(config.limits.recipients == 123);
    CHECK(config.resolver.servers.size() == 2);
    CHECK(config.listen.pop3.empty());
    CHECK(config.log.level == LogLevel::kDebug);
    CHECK(config.queue.smarthost.host == "smtp.isp.example");
    CHECK(config.queue.smarthost.tls == SmarthostTls::kImplicit);
    CHECK_FALSE(config.submission.check_from);
    CHECK(config.unknown_variables.empty());
  }
  {
    const Variable wrong("MAILSTEAD_LIMITS_RECIPIENTS", "many");
    CHECK(error("").starts_with("MAILSTEAD_LIMITS_RECIPIENTS: "));
  }
  {
    const Variable names("MAILSTEAD_ACME_NAMES", "autoconfig.example.org, mta-sts.example.org\r");
    CHECK(parsed("").acme.names.size() == 2);
  }
  {
    const Variable blank("MAILSTEAD_LISTEN_SMTP", " \r");
    CHECK(parsed("").listen.smtp.size() == 1);
  }
  {
    const Variable commas("MAILSTEAD_LISTEN_SMTP", " , ");
    CHECK(error("").starts_with("MAILSTEAD_LISTEN_SMTP: "));
  }
  {
    const Variable half("MAILSTEAD_TLS_CERTIFICATE", "/etc/c.pem");
    CHECK(error("") == "MAILSTEAD_TLS_CERTIFICATE: tls.certificate without tls.key: give both or neither");
    CHECK(parsed("[tls]\nkey = \"/etc/k.pem\"").tls.certificate == "/etc/c.pem");
  }
  {
    const Variable slip("MAILSTEAD_LIMITS_MESSAGE_SIZ", "1");
    const Variable other("MAILSTEAD_TEST_TIMEOUT", "1");
    CHECK(parsed("").unknown_variables == std::vector<std::string>{"MAILSTEAD_LIMITS_MESSAGE_SIZ"});
  }
}

TEST_CASE("every variable that is no key is told, with the likely one", "[config]") {
  for (const auto& [typed, meant] : std::vector<std::pair<std::string, std::string>>{
           {"MAILSTEAD_HOSTNAM", "MAILSTEAD_HOSTNAME"},
           {"MAILSTEAD_HOST_NAME", "MAILSTEAD_HOSTNAME"},
           {"MAILSTEAD_ACCEPT_TERMS", "MAILSTEAD_ACME_ACCEPT_TERMS"},
           {"MAILSTEAD_ACCEPT_TERM", "MAILSTEAD_ACME_ACCEPT_TERMS"},
           {"MAILSTEAD_SMTP", "MAILSTEAD_LISTEN_SMTP"},
           {"MAILSTEAD_LISTEN_HTP", "MAILSTEAD_LISTEN_HTTP"},
           {"MAILSTEAD_PORT", ""},
           {"MAILSTEAD_SOMETHING_QUITE_DIFFERENT", ""}}) {
    CAPTURE(typed);
    CHECK(admin::unknown_variables({{typed, "25"}}) == std::vector{typed});
    if (!meant.empty()) CHECK(admin::likely_variable(typed) == meant);
  }
  CHECK(admin::likely_variable("MAILSTEAD_SOMETHING_QUITE_DIFFERENT").empty());
  CHECK(admin::likely_variable_hint("MAILSTEAD_HOSTNAM") == "; did you mean MAILSTEAD_HOSTNAME?");
}

TEST_CASE("variables of the program and of a container's platform are no slips", "[config]") {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"MAILSTEAD_DATA", "/data"},
                                                        {"MAILSTEAD_CONFIG", "/c.toml"},
                                                        {"MAILSTEAD_IMPORT_PASSWORD", "x"},
                                                        {"MAILSTEAD_TEST_JOBS", "2"},
                                                        {"MAILSTEAD_HOSTNAME", "a.example"},
                                                        {"MAILSTEAD_NAME", "/web/mailstead"},
                                                        {"MAILSTEAD_ENV_TZ", "UTC"},
                                                        {"MAILSTEAD_PORT", "tcp://10.0.0.1:25"},
                                                        {"MAILSTEAD_PORT_25_TCP", "tcp://10.0.0.1:25"},
                                                        {"MAILSTEAD_PORT_25_TCP_ADDR", "10.0.0.1"},
                                                        {"MAILSTEAD_PORT_53_UDP_PROTO", "udp"},
                                                        {"MAILSTEAD_SERVICE_HOST", "10.0.0.1"},
                                                        {"MAILSTEAD_SERVICE_PORT", "25"},
                                                        {"MAILSTEAD_SERVICE_PORT_SUBMISSION", "587"},
                                                        {"MAILSTEAD_WEB_SERVICE_HOST", "10.0.0.1"},
                                                        {"MAILSTEAD_WEB_PORT_80_TCP_PORT", "80"}}) {
    CAPTURE(name);
    CHECK(admin::unknown_variables({{name, value}}).empty());
  }
}

TEST_CASE("only the data folder's own file may be absent", "[config]") {
  const Folder folder;
  CHECK(load_config({folder.path(), ""}));

  const Result<Config> missing = load_config({folder.path(), folder / "other.toml"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "cannot read " + (folder / "other.toml") + ": No such file or directory");

  admin_test::write(folder / "mailstead.toml", "[log]\nlevel = 'loud'\n");
  const Result<Config> wrong = load_config({folder.path(), ""});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.starts_with((folder / "mailstead.toml") + ":2: log.level: must be "));

  admin_test::write(folder / "other.toml", "[log]\nlevel = 'error'\n");
  CHECK(load_config({folder.path(), folder / "other.toml"})->log.level == LogLevel::kError);

  CHECK_FALSE(load_config({folder.path(), folder.path()}));
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK_FALSE(load_config({folder.path(), folder / "fifo"}));
  admin_test::write(folder / "large.toml", std::string((1u << 20) + 1, '\n'));
  CHECK_FALSE(load_config({folder.path(), folder / "large.toml"}));
}

TEST_CASE("a smarthost is one line, and a slip in it is told", "[config]") {
  const auto smarthost = [](const std::string& words) {
    return parsed("[queue]\nsmarthost = { " + words + " }\n").queue.smarthost;
  };
  const auto wrong = [](const std::string& words) { return error("[queue]\nsmarthost = " + words + "\n"); };
  CHECK(smarthost("host = \"192.0.2.1\"").host == "[192.0.2.1]");
  CHECK(smarthost("host = \"[192.0.2.1]\"").host == "[192.0.2.1]");
  CHECK(smarthost("host = \"2001:db8::1\"").host == "[IPv6:2001:db8::1]");
  CHECK(smarthost("host = \"[IPv6:2001:db8::1]\"").host == "[IPv6:2001:db8::1]");
  CHECK(smarthost("host = \"smtp.isp.example\"").tls == SmarthostTls::kStartTls);
  CHECK(smarthost("host = \"smtp.isp.example\", port = 465").tls == SmarthostTls::kImplicit);
  CHECK(smarthost("host = \"smtp.isp.example\", port = 465, tls = \"starttls\"").tls ==
        SmarthostTls::kStartTls);
  CHECK(wrong("\"smtp.isp.example\"").find("smarthost = { host = \"smtp.isp.example\" }") !=
        std::string::npos);
  CHECK(wrong("{ host = \"smtp.isp.example:587\" }").find("port = 587") != std::string::npos);
  CHECK(wrong("{ host = \"a b\" }").find("port = 587") == std::string::npos);
  CHECK(wrong("{ user = \"a\", password_file = \"/p\" }").find("without queue.smarthost.host") !=
        std::string::npos);
  CHECK(wrong("{ host = \"a.example\", user = \"a\" }").find("both or neither") != std::string::npos);
}
