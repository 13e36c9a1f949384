// What `doctor` wants to know of the store's side.

#include "admin/cli.h"
#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/served_domains.h"

namespace mailstead::admin {
namespace {

// Connections of the running server, and those of them whose clients cannot be told apart.
Value::Object clients_of(const ServerFacts* server) {
  std::uint64_t connections = 0;
  Value::Object hidden;
  if (server != nullptr) {
    for (const auto& [service, count] : server->counters.connections) connections += count;
    for (const auto& [gateway, count] : server->counters.connections_hidden)
      hidden.emplace_back(gateway, count);
  }
  return {{"connections", connections}, {"hidden", std::move(hidden)}};
}

// Why the certificate was not renewed; nothing where all is well.
Value::Object renewal_of(const ServerFacts* server) {
  if (server == nullptr || !server->acme.is_on || server->acme.failures == 0) return {};
  return {{"problem", server->acme.problem}, {"advice", server->acme.advice}};
}

Value::Array certificates_of(const ServerFacts* server) {
  Value::Array array;
  if (server == nullptr) return array;
  for (const auto& [files, facts] : server->certificates) {
    array.push_back(Value::Object{{"file", files.certificate},
                                  {"subject", facts.subject},
                                  {"issuer", facts.issuer},
                                  {"names", Value::Array(facts.names.begin(), facts.names.end())},
                                  {"not_before", facts.not_before},
                                  {"not_after", facts.not_after},
                                  {"sha256", facts.sha256},
                                  {"self_signed", facts.self_signed}});
  }
  return array;
}

}  // namespace

Report tell_doctor(const Request&, CommandContext& context) {
  Request records;
  records.command = "dns records";
  const Report published = show_dns_records(records, context);
  const auto domains = served_domains(*context.store.directory());
  const Result<Store::AlertNotes> notes = context.store.alert_notes();
  if (!notes) return failed(notes.error());
  Value::Array listeners;
  if (context.server != nullptr) {
    for (const auto& listener : context.server->listeners)
      listeners.push_back(Value::Object{{"service", listener.service}, {"address", listener.address}});
  }
  return done(
      "", Value::Object{
              {"version", version()},
              {"pid", context.server == nullptr ? std::int64_t{0} : context.server->pid},
              {"hostname", context.server == nullptr ? "" : context.config.hostname},
              {"listeners", std::move(listeners)},
              {"domains", Value::Array(domains.begin(), domains.end())},
              {"records", published.exit_code == 0 ? published.json : ""},
              {"records_error", published.error},
              {"last_backup_at", context.store.last_backup_at()},
              {"backup_failed_at", notes->backup_failed_at},
              {"backup_failure", notes->backup_failure},
              {"mail_trouble", context.server == nullptr ? "" : context.server->mail_trouble},
              {"certificates", certificates_of(context.server)},
              {"certificate_trouble", context.server == nullptr ? "" : context.server->certificate_trouble},
              {"mailboxes", context.store.directory()->mailboxes().size()},
              {"acme", renewal_of(context.server)},
              {"clients", clients_of(context.server)}});
}

}  // namespace mailstead::admin
