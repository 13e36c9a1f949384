// The configuration: what the TOML file says, with a default for every key. See contract in admin/README.md.
//
// An unknown key, a wrong type or a value out of range is an error that names the file, the line and what to
// write instead. Plain values; read once, then shared read-only. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/config/mail_route.h"
#include "protocols/acme/acme_advice.h"  // AcmeMethod
#include "protocols/ip_address.h"
#include "protocols/pop3/pop3_texts.h"
#include "protocols/result.h"
#include "protocols/smtp/smtp_session.h"  // PlaintextAuth, BareNewline

namespace mailstead {

// Whose word is believed that an answer of DNS was validated (DNSSEC).
enum class DnssecTrust {
  kLoopback,  // servers on this machine
  kAlways,
  kNever,
};

// What SPF, DKIM, ARC and DMARC say of mail from other hosts.
enum class SenderChecks {
  kOff,
  kNote,    // it is written into the message's header
  kReject,  // and what the author's domain wants rejected is
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct ListenAddress {
  std::string host;        // an IPv4 or IPv6 address without brackets, or the path of a Unix socket
  std::uint16_t port = 0;  // 0: any free port; a Unix socket has none
  bool is_unix() const { return host.starts_with('/'); }
  std::string text() const;  // "127.0.0.1:2525", "[::1]:2525", "/run/mailstead/lmtp"
  bool operator==(const ListenAddress&) const = default;
};

struct Config {
  std::string hostname;  // never empty after load_config(): MAILSTEAD_HOSTNAME, else the file, else the
                         // machine's name

  struct Listen {
    std::vector<ListenAddress> smtp, submission, submissions, lmtp, pop3, pop3s;
    std::vector<ListenAddress> http;             // monitors
    std::vector<ListenAddress> web, webs;        // mail programs that look for their settings
    std::vector<ListenAddress> acme;             // an authority that looks whether a name is ours
    std::vector<IpNetwork> proxy_protocol_from;  // connections from there begin with a PROXY header
  } listen;
  struct Tls {
    std::string certificate, key;  // both empty: the self-signed pair in the data folder
    std::vector<std::string> more_certificates, more_keys;  // further pairs, of equal count; SNI chooses
  } tls;
  struct Acme {
    std::string directory;  // "letsencrypt", "staging" or a URL; empty: certificates are got by nobody
    bool accept_terms = false;
    std::string contact;             // a mail address; may be empty
    std::vector<std::string> names;  // besides the host's
    AcmeMethod challenge = AcmeMethod::kHttp01;
    std::string authorities;  // a file: who signs for the directory's own host; empty: as the machine has it
    std::string key_id, key_file;  // of a customer; both or neither
    bool is_on() const { return !directory.empty(); }
    std::string url() const;  // of the directory
    bool operator==(const Acme&) const = default;
  } acme;
  struct Smtp {
    BareNewline bare_newline = BareNewline::kReject;
    std::chrono::seconds greeting_delay{2};  // on port 25, for who has brought no mail lately
    SenderChecks sender_checks = SenderChecks::kNote;
  } smtp;
  struct Submission {
    bool check_from = true;                    // the From field of what a user sends names addresses of his
    std::uint32_t recipients_per_hour = 1000;  // of a user; 0: any number
    std::uint32_t recipients_per_day = 5000;
  } submission;
  struct Auth {
    PlaintextAuth plaintext = PlaintextAuth::kLoopback;
    std::uint32_t ban_after = 20;  // different wrong logins of one network; 0: never
    std::chrono::seconds ban_time{900};
  } auth;
  struct Limits {
    std::uint64_t message_size = 50ull << 20;    // octets
    std::uint32_t recipients = 1000;             // per message
    std::uint64_t data_rate = 256;               // octets a second that a message comes with; 0: any
    std::uint32_t connections = 20000;           // in all
    std::uint32_t connections_per_address = 50;  // loopback is not limited by it
    std::uint64_t mailbox_size = 0;  // octets, of mailboxes without a quota of their own; 0: any number
    std::uint64_t free_space =
        64ull << 20;  // octets kept free on the disk: below it mail is deferred with 452
  } limits;
  struct Pop3 {
    std::chrono::seconds idle_timeout{600};
    Pop3Language language = Pop3Language::kEnglish;  // of LANG *
    std::uint32_t deleted_kept_days = 7;             // 0: deleted mail is freed at once
    std::chrono::seconds login_delay{0};             // between two logins to a mailbox
    std::optional<std::uint32_t> expire_days;        // nullopt: never
  } pop3;
  struct Queue {
    std::vector<std::chrono::seconds> retry{std::chrono::minutes(5),  std::chrono::minutes(15),
                                            std::chrono::minutes(30), std::chrono::hours(1),
                                            std::chrono::hours(2),    std::chrono::hours(4)};
    std::chrono::seconds expire{5 * 24 * 3600};
    std::chrono::seconds delay_warning{4 * 3600};  // 0: never
    std::uint32_t connections = 50;                // to other hosts, in all
    std::uint32_t connections_per_host = 5;
    bool tls_reports = true;        // to domains that ask for them (RFC 8460)
    std::vector<MailRoute> routes;  // the first that is for a domain decides, before the smarthost
    struct Smarthost {
      std::string host;  // empty: mail goes to its recipients' own hosts
      std::uint32_t port = 587;
      std::string user;  // empty: no login
      std::string password_file;
      SmarthostTls tls = SmarthostTls::kStartTls;
      bool operator==(const Smarthost&) const = default;
    } smarthost;
  } queue;
  struct Resolver {
    std::vector<ListenAddress> servers;  // empty: those of the machine
    DnssecTrust dnssec = DnssecTrust::kLoopback;
  } resolver;
  struct Admin {
    bool page = true;                // the administration page, at listen.http
    std::vector<std::string> names;  // by which a browser may ask for it, besides the host's
  } admin;
  struct Alerts {
    bool mail = true;
    std::string to;  // empty: the postmaster
  } alerts;
  struct Log {
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kText;
  } log;
  std::vector<std::string>
      unknown_variables;  // of the environment: slips (admin/config/config_environment.h)
};

struct ConfigSource {
  std::string data;  // the data folder
  std::string file;  // --config or MAILSTEAD_CONFIG; empty: DATA/mailstead.toml, which may be absent
};

// The file that is read: `file`, else DATA/mailstead.toml.
std::string config_file(const ConfigSource& source);
// Reads the file and the environment. kInvalid: "FILE:LINE: …", "VARIABLE: …".
Result<Config> load_config(const ConfigSource& source);
// The same while a server runs: an empty file is kInvalid, since somebody may be writing it at this moment.
Result<Config> reload_config(const ConfigSource& source);
// The same for a text in memory; `name` stands in messages.
Result<Config> parse_config(std::string_view toml, const std::string& name);

// Every key with its value, as a TOML file that can be read back; `comments` of the defaults included.
std::string print_config(const Config& config);

}  // namespace mailstead
