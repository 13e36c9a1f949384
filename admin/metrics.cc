// metrics: what a monitor wants to know of the running server, in Prometheus' text form (version 0.0.4).
//
// Names, units and types follow what Prometheus advises: base units, "_total" on what only grows. Labels have
// few values, all of our own making: nothing of a message or a stranger becomes one. What is known to come is
// there from the start as 0, since rate() and alerts do not see a counter's first step out of nothing; of
// gateways nobody knows which will be seen.

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "admin/acme_facts.h"
#include "admin/cli.h"
#include "admin/command_table.h"
#include "admin/mail_intake.h"
#include "admin/refusal_reason.h"
#include "admin/report.h"
#include "admin/value.h"

namespace mailstead::admin {
namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Exposition {
 public:
  enum class Type { kCounter, kGauge };

  // The samples of one name follow each other.
  void family(std::string_view name, Type type, std::string_view help) {
    name_ = name;
    add("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type == Type::kCounter ? "counter" : "gauge");
  }
  template <class Number>
  void sample(Number value, Labels labels = {}) {
    text_ += name_;
    char separator = '{';
    for (const auto& [label, its_value] : labels) {
      add("{}{}=\"{}\"", separator, label, escaped(its_value));
      separator = ',';
    }
    if (labels.size() > 0) text_ += '}';
    add(" {}\n", value);
  }
  template <class Number>
  void counter(std::string_view name, Number value, std::string_view help) {
    family(name, Type::kCounter, help);
    sample(value);
  }
  template <class Number>
  void gauge(std::string_view name, Number value, std::string_view help) {
    family(name, Type::kGauge, help);
    sample(value);
  }
  using Counts = std::map<std::string, std::uint64_t>;
  // The values in `known` are there also when nothing was counted.
  void counters(std::string_view name, std::string_view label, Counts counts, std::string_view help,
                std::initializer_list<std::string_view> known = {}) {
    for (const std::string_view value : known) counts[std::string(value)];
    family(name, Type::kCounter, help);
    for (const auto& [value, count] : counts) sample(count, {{label, value}});
  }
  using CountsOfTwo = std::map<std::pair<std::string, std::string>, std::uint64_t>;
  void counters(std::string_view name, std::pair<std::string_view, std::string_view> labels,
                const CountsOfTwo& counts, std::string_view help) {
    family(name, Type::kCounter, help);
    for (const auto& [values, count] : counts)
      sample(count, {{labels.first, values.first}, {labels.second, values.second}});
  }

  std::string take() { return std::move(text_); }

 private:
  template <class... Arguments>
  void add(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(text_), form, std::forward<Arguments>(arguments)...);
  }
  static std::string escaped(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
      if (c == '\\' || c == '"') escaped += '\\';
      if (c == '\n') {
        escaped += "\\n";
      } else {
        escaped += c;
      }
    }
    return escaped;
  }

  std::string name_;
  std::string text_;
};

using Type = Exposition::Type;

// The names that Prometheus' own client libraries use. The folder that is read is one more open file.
void add_files(Exposition& text) {
  std::error_code failed;
  std::filesystem::directory_iterator files("/proc/self/fd", failed);
  std::int64_t open = -1;
  for (; !failed && files != std::filesystem::directory_iterator(); files.increment(failed)) ++open;
  if (!failed) text.gauge("process_open_fds", open, "Files and connections that are open.");
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  text.gauge("process_max_fds", limit.rlim_cur, "Files and connections that may be open.");
}

void add_process(Exposition& text, const ServerFacts& server) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  text.counter("process_cpu_seconds_total", seconds(used.ru_utime) + seconds(used.ru_stime),
               "Processor time, in user mode and the kernel.");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  text.gauge("process_resident_memory_bytes", resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
             "Memory in use.");
  add_files(text);
  text.gauge("process_start_time_seconds", server.started_at, "When the server was started, Unix seconds.");
}

// A service that listens has been there from the start, whoever has come.
Exposition::Counts of_listeners(Exposition::Counts counts, const ServerFacts& server) {
  for (const auto& listener : server.listeners) counts[listener.service];
  return counts;
}

bool takes_messages(std::string_view service) {
  return service == "smtp" || service == "lmtp" || service.starts_with("submission");
}

void add_connections(Exposition& text, const ServerFacts& server) {
  const Counters& counters = server.counters;
  std::map<std::string, std::uint64_t> open;
  for (const auto& listener : server.listeners) open[listener.service] += listener.connections;
  text.family("mailstead_connections", Type::kGauge, "Connections that are open, by service.");
  for (const auto& [service, count] : open) text.sample(count, {{"service", service}});
  text.counters("mailstead_connections_total", "service", of_listeners(counters.connections, server),
                "Connections that were admitted, by service.");
  text.counters(
      "mailstead_connections_hidden_total", "gateway", counters.connections_hidden,
      "Connections whose clients cannot be told apart, since they come from this gateway, or from this "
      "machine's own address.");
  text.counters("mailstead_connections_denied_total", "limit", counters.connections_denied,
                "Connections that were not: too many in all, of one address, or a ban.",
                {"all", "address", "ban"});
  text.counters("mailstead_tls_handshakes_total", "version", counters.tls_handshakes,
                "TLS handshakes with clients, by version; failed ones.", {"TLSv1.2", "TLSv1.3", "failed"});
  text.family("mailstead_logins_total", Type::kCounter, "Logins, right and wrong.");
  text.sample(server.logins, {{"result", "right"}});
  text.sample(server.failed_logins, {{"result", "wrong"}});
  text.gauge("mailstead_bans", server.bans, "Networks that may not log in for a while.");
}

Exposition::CountsOfTwo refusals_of(const Counters& counters) {
  Exposition::CountsOfTwo counts = counters.refused_because;
  for (const std::string_view lasts : kRefusalClasses) {
    for (const std::string_view reason : kRefusalReasons) counts[{std::string(lasts), std::string(reason)}];
  }
  return counts;
}

// RFC 8601 2.7. Results that neither check comes to are not among them.
Exposition::CountsOfTwo sender_checks_of(const Counters& counters) {
  Exposition::CountsOfTwo counts = counters.sender_checks;
  const auto add = [&counts](const char* check, std::initializer_list<const char*> results) {
    for (const char* result : results) counts[{check, result}];
  };
  add("spf", {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror", "not checked"});
  add("dkim", {"none", "pass", "fail", "neutral", "temperror", "permerror"});
  add("arc", {"none", "pass", "fail"});
  add("dmarc", {"none", "pass", "fail", "temperror", "permerror", "not checked"});
  return counts;
}

void add_mail(Exposition& text, const ServerFacts& server) {
  const Counters& counters = server.counters;
  Exposition::Counts accepted = of_listeners(counters.accepted_by, server);
  std::erase_if(accepted, [](const auto& each) { return !takes_messages(each.first); });
  text.counters("mailstead_messages_accepted_total", "service", accepted,
                "Messages that were answered with 250, by service.");
  text.counter("mailstead_messages_accepted_bytes_total", counters.accepted_octets,
               "Octets of these messages.");
  text.counters("mailstead_refusals_total", {"class", "reason"}, refusals_of(counters),
                "Senders, recipients and messages that were answered with 4xx or 5xx, and commands, by the "
                "subject of their status code.");
  text.counter("mailstead_messages_retrieved_total", counters.retrieved,
               "Messages that were sent whole by POP3, counted when a session ends.");
  text.counter("mailstead_messages_retrieved_bytes_total", counters.retrieved_octets,
               "Octets that POP3 sent of messages, likewise.");
  text.counter("mailstead_messages_expired_total", counters.expired,
               "Messages deleted because their time was over (pop3.expire_days).");
  text.counters("mailstead_sender_checks_total", {"check", "result"}, sender_checks_of(counters),
                "Messages of other servers by what SPF, DKIM, ARC and DMARC found.");
  text.gauge("mailstead_queue_recipients", server.recipients_waiting,
             "Recipients that mail to other hosts waits for.");
  text.family("mailstead_queue_recipients_done_total", Type::kCounter,
              "Recipients whose mail other hosts took, or that were given up.");
  text.sample(server.recipients_sent, {{"result", "sent"}});
  text.sample(server.recipients_failed, {{"result", "failed"}});
}

// Against the clock that it came by; set back meanwhile, it tells nothing.
Result<void> add_queue_age(Exposition& text, Store& store) {
  const auto since = store.queue_waits_since();
  if (!since) return since.error();
  const std::int64_t age = *since == 0 ? 0 : std::max<std::int64_t>(std::time(nullptr) - *since, 0);
  text.gauge("mailstead_queue_oldest_age_seconds", age,
             "How long the oldest mail in the queue has waited that nobody wants held; 0: none waits.");
  return {};
}

Result<void> add_store(Exposition& text, const ServerFacts& server, CommandContext& context) {
  auto mailboxes = context.store.list_mailboxes();
  if (!mailboxes) return mailboxes.error();
  MailboxSummary sum;
  for (const MailboxSummary& mailbox : *mailboxes) {
    sum.messages += mailbox.messages;
    sum.octets += mailbox.octets;
    sum.deleted_messages += mailbox.deleted_messages;
    sum.deleted_octets += mailbox.deleted_octets;
  }
  text.gauge("mailstead_mailboxes", mailboxes->size(), "Mailboxes.");
  text.gauge("mailstead_mailboxes_full", context.store.full_mailboxes(),
             "Mailboxes that have no room for any message.");
  text.family("mailstead_stored_messages", Type::kGauge, "Messages in the mailboxes, and deleted ones kept.");
  text.sample(sum.messages, {{"state", "present"}});
  text.sample(sum.deleted_messages, {{"state", "deleted"}});
  text.family("mailstead_stored_bytes", Type::kGauge, "Octets of these messages.");
  text.sample(sum.octets, {{"state", "present"}});
  text.sample(sum.deleted_octets, {{"state", "deleted"}});
  text.gauge("mailstead_messages_unfiled", server.messages_unfiled,
             "Messages that are durable and have no file of their own yet.");
  text.counter("mailstead_commits_total", server.commits, "Commits of the store for mail that came.");
  text.counter("mailstead_commit_messages_total", server.committed, "Messages in these commits.");
  text.counter("mailstead_commit_seconds_total", server.commit_seconds, "Time that these commits took.");
  const Result<std::uint64_t> free = context.store.free_space();
  if (free) text.gauge("mailstead_disk_free_bytes", *free, "Room for messages on the data folder's disk.");
  text.gauge("mailstead_disk_reserve_bytes", context.config.limits.free_space,
             "Below this much free space mail is asked to come later (limits.free_space).");
  text.gauge("mailstead_last_backup_time_seconds", context.store.last_backup_at(),
             "When the last backup was made, Unix seconds; 0: never.");
  const Result<Store::AlertNotes> notes = context.store.alert_notes();
  if (!notes) return notes.error();
  text.gauge("mailstead_backup_failed", notes->backup_failed_at == 0 ? 0 : 1,
             "1: a backup has failed since the last good one.");
  const std::string no_mail = why_no_mail({free, context.config.limits.free_space, server.mail_trouble});
  text.gauge("mailstead_takes_mail", no_mail.empty() ? 1 : 0,
             "0: all mail that comes in is asked to come later; 'mailstead status' says why.");
  return {};
}

void add_certificates(Exposition& text, const ServerFacts& server) {
  const auto first = std::ranges::min_element(
      server.certificates, {}, [](const CertificateInUse& each) { return each.facts.not_after; });
  if (first == server.certificates.end()) return;
  text.gauge("mailstead_certificate_expiry_time_seconds", first->facts.not_after,
             "When the certificate ends, Unix seconds; of several in use the first to end.");
  text.gauge(
      "mailstead_certificate_not_used", server.certificate_trouble.empty() ? 0 : 1,
      "1: what the certificate files hold now cannot be used, and the server goes on with what it had.");
}

void add_acme(Exposition& text, const AcmeFacts& acme) {
  text.gauge("mailstead_acme_failures", acme.failures,
             "Attempts to get a certificate from the authority that failed one after the other.");
  text.gauge("mailstead_acme_next_attempt_time_seconds", acme.next_at,
             "When the next certificate is got, Unix seconds.");
  text.counter("mailstead_acme_renewals_total", acme.renewals, "Certificates got from the authority.");
}

}  // namespace

Report show_metrics(const Request& /*request*/, CommandContext& context) {
  if (context.server == nullptr) return failed(no_server(context.data));
  const ServerFacts& server = *context.server;
  Exposition text;
  text.family("mailstead_build_info", Type::kGauge, "The program's version; always 1.");
  text.sample(1, {{"version", version()}});
  add_process(text, server);
  add_connections(text, server);
  add_mail(text, server);
  if (auto added = add_queue_age(text, context.store); !added) return failed(added.error());
  if (auto added = add_store(text, server, context); !added) return failed(added.error());
  add_certificates(text, server);
  if (server.acme.is_on) add_acme(text, server.acme);
  std::string all = text.take();
  const Value value(all);
  return done(std::move(all), value);
}

}  // namespace mailstead::admin
