// What `doctor` wants to know of the store's side.

#include "admin/cli.h"
#include "admin/command_table.h"
#include "admin/doctor_network.h"
#include "admin/report.h"
#include "admin/served_domains.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMostClients = 50;    // the newest
constexpr std::size_t kMostRefused = 500;   // that are looked through for them
constexpr std::size_t kMostMailboxes = 50;  // whose devices are looked at

// Addresses from which somebody connected lately, as far as the store knows: of refused mail and of mail
// programs. Those of this machine say nothing.
Value::Array clients_of(CommandContext& context) {
  Value::Array clients;
  const auto add = [&](const std::string& text) {
    const auto address = parse_ip(text);
    if (!address || text.starts_with("127.") || text == "::1" || clients.size() == kMostClients) return;
    clients.emplace_back(address->text());
  };
  if (context.refusals != nullptr) {
    for (const RefusedMail& each : context.refusals->newest(kMostRefused)) {
      if (each.helo != kRelayTestHelo) add(each.peer);
    }
  }
  Store& store = context.store;
  std::size_t mailboxes = 0;
  for (const MailboxEntry& mailbox : store.directory()->mailboxes()) {
    if (++mailboxes > kMostMailboxes || clients.size() == kMostClients) break;
    const auto devices = store.list_devices(mailbox.address);
    if (!devices) continue;
    for (const DeviceFacts& device : *devices) add(device.name);
  }
  return clients;
}

}  // namespace

Report tell_doctor(const Request&, CommandContext& context) {
  Request records;
  records.command = "dns records";
  const Report published = show_dns_records(records, context);
  const auto domains = served_domains(*context.store.directory());
  Value::Array listeners;
  if (context.server != nullptr) {
    for (const auto& listener : context.server->listeners)
      listeners.push_back(Value::Object{{"service", listener.service}, {"address", listener.address}});
  }
  return done("", Value::Object{{"version", version()},
                                {"pid", context.server == nullptr ? std::int64_t{0} : context.server->pid},
                                {"listeners", std::move(listeners)},
                                {"domains", Value::Array(domains.begin(), domains.end())},
                                {"records", published.exit_code == 0 ? published.json : ""},
                                {"records_error", published.error},
                                {"last_backup_at", context.store.last_backup_at()},
                                {"mailboxes", context.store.directory()->mailboxes().size()},
                                {"clients", clients_of(context)}});
}

}  // namespace mailstead::admin
