// status: what the running server does. The container's health check asks it every few seconds, so it touches
// no mailbox and no message.

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "admin/acme_facts.h"
#include "admin/certificate.h"
#include "admin/cli.h"
#include "admin/command_table.h"
#include "admin/mail_intake.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

Value listeners_value(const ServerFacts& server) {
  Value::Array array;
  for (const auto& listener : server.listeners) {
    array.push_back(Value::Object{
        {"service", listener.service}, {"address", listener.address}, {"connections", listener.connections}});
  }
  return array;
}

std::string listeners_text(const ServerFacts& server) {
  Table table({Align::kLeft, Align::kLeft, Align::kRight});
  table.add({"SERVICE", "ADDRESS", "CONNECTIONS"});
  for (const auto& listener : server.listeners) {
    table.add({listener.service, listener.address, std::to_string(listener.connections)});
  }
  return server.listeners.empty() ? std::string() : "\n" + table.text();
}

std::string backup_text(std::int64_t at, std::int64_t now) {
  if (at == 0) return "never: see 'mailstead help backup'";
  return fmt::format("{}, {} ago", time_text(at), span_text(now - at));
}

std::string failed_backup_text(const Store::AlertNotes& notes) {
  return fmt::format("{}: {}", time_text(notes.backup_failed_at), printable(notes.backup_failure));
}

Value hidden_value(const Counters& counters) {
  Value::Object object;
  for (const auto& [gateway, connections] : counters.connections_hidden)
    object.emplace_back(gateway, connections);
  return object;
}

// Doctor says what can be done.
std::string hidden_text(const Counters& counters) {
  std::string text;
  for (const auto& [gateway, connections] : counters.connections_hidden)
    text +=
        fmt::format("{}{} from {}", text.empty() ? "" : ", ", counted(connections, "connection"), gateway);
  return text.empty() ? text : text + ": who it was cannot be told; 'mailstead doctor' says what to do";
}

std::string certificate_text(const CertificateFacts& facts, std::int64_t now) {
  return fmt::format("{}, {} {}", facts.self_signed ? "self-signed" : "by " + facts.issuer,
                     facts.not_after < now ? "expired" : "good until", time_text(facts.not_after));
}

// Those that the server shows, which need not be what their files hold by now.
void add_certificates(Table& table, const ServerFacts& server, std::int64_t now) {
  for (const CertificateInUse& each : server.certificates) {
    const bool is_default = &each == &server.certificates.front();
    table.add({is_default ? "certificate" : "one more",
               certificate_text(each.facts, now) +
                   (is_default ? "" : fmt::format(" ({})", each.files.certificate))});
  }
  if (!server.certificate_trouble.empty())
    table.add({"not in use", fmt::format("a new certificate: {}", printable(server.certificate_trouble))});
}

Value certificates_value(const ServerFacts& server) {
  Value::Array array;
  for (const auto& [files, facts] : server.certificates) {
    array.push_back(Value::Object{{"file", files.certificate},
                                  {"names", Value::Array(facts.names.begin(), facts.names.end())},
                                  {"self_signed", facts.self_signed},
                                  {"expires_at", time_value(facts.not_after)}});
  }
  return array;
}

Value expiry_value(const ServerFacts& server) {
  const auto first = std::ranges::min_element(
      server.certificates, {}, [](const CertificateInUse& each) { return each.facts.not_after; });
  return first == server.certificates.end() ? Value(nullptr) : time_value(first->facts.not_after);
}

Value text_or_null(const std::string& text) {
  return text.empty() ? Value(nullptr) : Value(text);
}

}  // namespace

std::string no_server(const std::string& data) {
  return fmt::format("no server runs on {}; start it with 'mailstead --data {} serve' or as a system service",
                     data, data);
}

Report show_status(const Request&, CommandContext& context) {
  if (context.server == nullptr) return failed(no_server(context.data));
  const ServerFacts& server = *context.server;
  const std::int64_t now = std::time(nullptr);
  const auto directory = context.store.directory();
  const Result<std::uint64_t> space = context.store.free_space();
  const bool full = space && *space < context.config.limits.free_space;
  const std::string no_mail = why_no_mail({space, context.config.limits.free_space, server.mail_trouble});
  const Result<Store::AlertNotes> notes = context.store.alert_notes();
  if (!notes) return failed(notes.error());

  Table table({Align::kLeft, Align::kLeft});
  table.add({"server", fmt::format("{}, {}, process {}", context.config.hostname, version(), server.pid)});
  table.add({"running for", span_text(now - server.started_at)});
  table.add({"data folder", context.data});
  table.add(
      {"free space", !space ? space.error().message
                            : size_text(*space) + (full ? ", too little: mail is asked to come later" : "")});
  if (!full && !no_mail.empty()) table.add({"takes no mail", no_mail});
  const std::size_t full_mailboxes = context.store.full_mailboxes();
  table.add({"mailboxes", std::to_string(directory->mailboxes().size()) +
                              (full_mailboxes == 0 ? "" : fmt::format(", {} full", full_mailboxes))});
  table.add({"aliases", std::to_string(directory->aliases().size())});
  const DeletedTotals deleted = context.store.deleted_totals();
  table.add({"deleted, kept",
             fmt::format("{} ({})", counted(deleted.messages, "message"), size_text(deleted.octets))});
  table.add({"last backup", backup_text(context.store.last_backup_at(), now)});
  if (notes->backup_failed_at != 0) table.add({"failed backup", failed_backup_text(*notes)});
  table.add({"messages accepted", std::to_string(server.counters.accepted)});
  table.add({"messages refused", std::to_string(server.counters.refused())});
  table.add({"messages retrieved", std::to_string(server.counters.retrieved)});
  table.add({"messages expired", std::to_string(server.counters.expired)});
  table.add(
      {"to other hosts", fmt::format("{} sent, {} failed, {} waiting{}", server.recipients_sent,
                                     server.recipients_failed, server.recipients_waiting,
                                     server.recipients_waiting > 0 ? ": see 'mailstead queue list'" : "")});
  table.add({"logins", fmt::format("{}, {} failed", server.logins, server.failed_logins)});
  if (server.bans > 0)
    table.add({"banned", fmt::format("{}, see 'mailstead ban list'", counted(server.bans, "network"))});
  if (const std::string hidden = hidden_text(server.counters); !hidden.empty())
    table.add({"hidden clients", hidden});
  add_certificates(table, server, now);
  if (server.acme.is_on) {
    for (const auto& [name, text] : acme_lines(server.acme)) table.add({name, text});
  }

  return done(table.text() + listeners_text(server),
              Value::Object{{"hostname", context.config.hostname},
                            {"version", version()},
                            {"pid", server.pid},
                            {"started_at", time_value(server.started_at)},
                            {"data", context.data},
                            {"free_octets", space ? Value(*space) : Value(nullptr)},
                            {"takes_mail", no_mail.empty()},
                            {"takes_no_mail_because", text_or_null(no_mail)},
                            {"mailboxes", directory->mailboxes().size()},
                            {"full_mailboxes", full_mailboxes},
                            {"aliases", directory->aliases().size()},
                            {"deleted_messages", deleted.messages},
                            {"deleted_octets", deleted.octets},
                            {"last_backup_at", time_value(context.store.last_backup_at())},
                            {"backup_failed_at", time_value(notes->backup_failed_at)},
                            {"backup_failure", text_or_null(notes->backup_failure)},
                            {"messages_accepted", server.counters.accepted},
                            {"messages_refused", server.counters.refused()},
                            {"messages_retrieved", server.counters.retrieved},
                            {"messages_expired", server.counters.expired},
                            {"recipients_sent", server.recipients_sent},
                            {"recipients_failed", server.recipients_failed},
                            {"recipients_waiting", server.recipients_waiting},
                            {"logins", server.logins},
                            {"failed_logins", server.failed_logins},
                            {"bans", server.bans},
                            {"hidden_connections", hidden_value(server.counters)},
                            {"certificate_expires_at", expiry_value(server)},
                            {"certificates", certificates_value(server)},
                            {"certificate_problem", text_or_null(server.certificate_trouble)},
                            {"acme", acme_value(server.acme)},
                            {"listeners", listeners_value(server)}});
}

}  // namespace mailstead::admin
