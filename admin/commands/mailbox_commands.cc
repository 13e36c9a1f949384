// mailbox add | list | show | remove | password | disable | enable | quota

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "admin/client_settings.h"
#include "admin/command_table.h"
#include "admin/commands/mailbox_report.h"
#include "admin/commands/message_report.h"
#include "admin/config/quantity.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"
#include "storage/mailbox/mailbox_tree.h"

namespace mailstead::admin {
namespace {

// Deleted messages that are put aside before others have the store again.
constexpr std::size_t kTidiedTogether = 200;

Value value_of(const MailboxSummary& mailbox) {
  Value::Object value = mailbox_facts(mailbox);
  value.emplace_back("created_at", time_value(mailbox.created_at));
  value.emplace_back("last_delivery_at", time_value(mailbox.last_delivery_at));
  value.emplace_back("last_login_at", time_value(mailbox.last_login_at));
  return value;
}

std::string quota_line(const MailboxSummary& mailbox) {
  std::string line = mailbox.quota == 0 ? "none" : use_text(mailbox);
  if (is_full(mailbox)) line += ": full, mail is asked to come later";
  return mailbox.own_quota ? line : line + " (default)";
}

Report change_enabled(const Request& request, CommandContext& context, bool enabled) {
  const Address address = address_of(request);
  if (Result<void> changed = context.store.set_enabled(address, enabled); !changed)
    return failed(changed.error());
  return done(fmt::format("{} is {}.\n", address.text(), enabled ? "enabled" : "disabled"),
              Value::Object{{"address", address.text()}, {"enabled", enabled}});
}

}  // namespace

Report add_mailbox(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  if (Result<void> added = context.store.add_mailbox(address, request.secret); !added)
    return failed(added.error());

  const Config& config = context.config;
  Table settings({Align::kLeft, Align::kLeft});
  settings.add({"user name", address.text()});
  for (const auto& [use, title] : {std::pair{ClientService::Use::kIncoming, "incoming mail, POP3"},
                                   {ClientService::Use::kOutgoing, "outgoing mail, SMTP"}}) {
    const std::string ports = ports_text(use, config);
    if (!ports.empty()) settings.add({title, fmt::format("{}, {}", config.hostname, ports)});
  }
  return done(
      fmt::format("The mailbox {} is ready. For a mail program:\n{}", address.text(), settings.text(2)),
      Value::Object{{"address", address.text()},
                    {"host", config.hostname},
                    {"pop3", ports_value(ClientService::Use::kIncoming, config)},
                    {"submission", ports_value(ClientService::Use::kOutgoing, config)}});
}

Report list_mailboxes(const Request&, CommandContext& context) {
  const Result<std::vector<MailboxSummary>> mailboxes = context.store.list_mailboxes();
  if (!mailboxes) return failed(mailboxes.error());
  if (mailboxes->empty()) {
    return done("No mailboxes yet: 'mailstead mailbox add ADDRESS' makes one.\n", Value::Array{});
  }
  Table table(
      {Align::kLeft, Align::kRight, Align::kRight, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"ADDRESS", "MESSAGES", "SIZE", "QUOTA", "STATE", "LAST DELIVERY", "LAST LOGIN"});
  Value::Array array;
  for (const MailboxSummary& mailbox : *mailboxes) {
    table.add({mailbox.address.text(), std::to_string(mailbox.messages), size_text(mailbox.octets),
               quota_text(mailbox), state_of(mailbox), time_text(mailbox.last_delivery_at),
               time_text(mailbox.last_login_at)});
    array.push_back(value_of(mailbox));
  }
  return done(table.text(), array);
}

Report show_mailbox(const Request& request, CommandContext& context) {
  const Result<MailboxSummary> mailbox = context.store.show_mailbox(address_of(request));
  if (!mailbox) return failed(mailbox.error());

  const auto directory = context.store.directory();
  std::vector<std::string> aliases;
  for (const AliasEntry& alias : directory->aliases()) {
    for (const Address& target : alias.targets) {
      if (target.key() != mailbox->address.key()) continue;
      aliases.push_back(alias.name);
      break;
    }
  }
  Table table({Align::kLeft, Align::kLeft});
  table.add({"address", mailbox->address.text()});
  table.add({"state", state_of(*mailbox)});
  table.add({"messages", fmt::format("{} ({})", mailbox->messages, size_text(mailbox->octets))});
  table.add({"quota", quota_line(*mailbox)});
  table.add({"deleted, kept",
             fmt::format("{} ({})", mailbox->deleted_messages, size_text(mailbox->deleted_octets))});
  table.add({"aliases", aliases.empty() ? "none" : fmt::format("{}", fmt::join(aliases, ", "))});
  table.add({"made", time_text(mailbox->created_at)});
  table.add({"last delivery", time_text(mailbox->last_delivery_at)});
  table.add({"last login", time_text(mailbox->last_login_at)});

  const Result<std::vector<DeviceFacts>> devices = context.store.list_devices(mailbox->address);
  if (!devices) return failed(devices.error());
  Value value = value_of(*mailbox);
  Value::Array names(aliases.begin(), aliases.end());
  std::get<Value::Object>(value.data).emplace_back("aliases", std::move(names));
  std::get<Value::Object>(value.data).emplace_back("devices", devices_value(*devices));
  return done(devices->empty() ? table.text() : table.text() + "\n" + devices_text(*devices), value);
}

Report remove_mailbox(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  const Result<MailboxSummary> mailbox = context.store.show_mailbox(address);
  if (!mailbox) return failed(mailbox.error());
  const KeepMail keep = request.flags.empty() ? KeepMail::kNo : KeepMail::kYes;
  if (keep == KeepMail::kYes) {
    // What was deleted has to be out of the way of what stays. The removal does that, too, but in one go;
    // what resists here it tells of.
    const auto left = context.store.purge_deleted(mailbox->id, kTidiedTogether);
    if (left && *left > 0) {
      Report step = done("", Value::Object{{"address", address.text()}});
      step.next = "tidy";
      return step;
    }
  }
  if (Result<void> removed = context.store.remove_mailbox(address, keep); !removed)
    return failed(removed.error());

  std::string mail =
      fmt::format("{} ({})", counted(mailbox->messages, "message"), size_text(mailbox->octets));
  if (mailbox->deleted_messages > 0) {
    mail += fmt::format(" and {} that could be restored ({})",
                        counted(mailbox->deleted_messages, "deleted message"),
                        size_text(mailbox->deleted_octets));
  }
  return done(
      keep == KeepMail::kYes
          ? fmt::format("{} is removed; its {} stay on the disk, in {} of the data folder. Adding the "
                        "address again brings them back, also for another person.\n",
                        address.text(), mail, kept_folder(address))
          : fmt::format("{} is removed with {}.\n", address.text(), mail),
      Value::Object{{"address", address.text()},
                    {"messages", mailbox->messages},
                    {"octets", mailbox->octets},
                    {"deleted_messages", mailbox->deleted_messages},
                    {"deleted_octets", mailbox->deleted_octets},
                    {"mail_kept", keep == KeepMail::kYes},
                    {"kept_in", keep == KeepMail::kYes ? Value(kept_folder(address)) : Value(nullptr)}});
}

Report set_password(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  if (Result<void> set = context.store.set_password(address, request.secret); !set)
    return failed(set.error());
  return done(fmt::format("{} has a new password.\n", address.text()),
              Value::Object{{"address", address.text()}});
}

Report disable_mailbox(const Request& request, CommandContext& context) {
  return change_enabled(request, context, false);
}

Report enable_mailbox(const Request& request, CommandContext& context) {
  return change_enabled(request, context, true);
}

Report set_quota(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  const std::string& size = request.arguments[1];
  const std::optional<std::uint64_t> octets =
      size == "default" ? std::nullopt : parse_limit(size, kMostQuota);
  if (Result<void> set = context.store.set_quota(address, octets); !set) return failed(set.error());
  const Result<MailboxSummary> mailbox = context.store.show_mailbox(address);
  if (!mailbox) return failed(mailbox.error());
  const std::string what = mailbox->quota == 0
                               ? fmt::format("{} may hold any number of messages", address.text())
                               : fmt::format("{} may hold {}", address.text(), print_size(mailbox->quota));
  return done(fmt::format("{}{}; it holds {}.\n", what,
                          mailbox->own_quota ? "" : ", the default of the configuration", use_text(*mailbox)),
              mailbox_facts(*mailbox));
}

}  // namespace mailstead::admin
