#include "admin/commands/message_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

std::string_view standing_word(Standing standing) {
  switch (standing) {
    case Standing::kPresent:
      return "present";
    case Standing::kMissing:
      return "missing";
    case Standing::kDeleted:
      return "deleted";
    case Standing::kGone:
      return "gone";
  }
  return "unknown";
}

std::string_view event_word(MessageEventKind kind) {
  switch (kind) {
    case MessageEventKind::kFetched:
      return "fetched";
    case MessageEventKind::kDeleted:
      return "deleted";
    case MessageEventKind::kRestored:
      return "restored";
  }
  return "unknown";
}

std::string event_text(const MessageEvent& event) {
  switch (event.kind) {
    case MessageEventKind::kFetched:
      return event.last_at == event.at ? fmt::format("fetched by {}", device_text(event.device))
                                       : fmt::format("fetched by {}, the last time {}",
                                                     device_text(event.device), time_text(event.last_at));
    case MessageEventKind::kDeleted:
      return fmt::format("deleted by {}", device_text(event.device));
    case MessageEventKind::kRestored:
      return "restored";
  }
  return {};
}

Value text_value(const std::string& text) {
  return text.empty() ? Value(nullptr) : Value(text);
}

}  // namespace

std::int64_t restorable_until(const KnownMessage& message, const Config& config, std::int64_t now) {
  if (message.standing != Standing::kDeleted) return 0;
  const std::int64_t kept = std::int64_t{config.pop3.deleted_kept_days} * 24 * 3600;
  return now + std::max<std::int64_t>(0, kept - message.deleted_for);
}

std::string standing_text(const KnownMessage& message, const Config& config, std::int64_t now) {
  switch (message.standing) {
    case Standing::kPresent:
      return "in the mailbox";
    case Standing::kMissing:
      return "its file is missing; the next login looks for it again";
    case Standing::kDeleted:
      return fmt::format("deleted; it can be restored until {}, or until the disk runs low",
                         time_text(restorable_until(message, config, now)));
    case Standing::kGone:
      return "deleted for good";
  }
  return {};
}

std::string restore_command(const KnownMessage& message) {
  return fmt::format("mailstead message restore {} {}", shell_word(message.address.text()),
                     shell_word(message.uidl));
}

std::string device_text(const std::string& device) {
  return device.empty() ? "somebody (not noted)" : printable(device);
}

void add_history(const KnownMessage& message, Table& table) {
  table.add({time_text(message.received_at), "received and stored"});
  for (const MessageEvent& event : message.events) table.add({time_text(event.at), event_text(event)});
}

Value message_value(const KnownMessage& message, const MessageHead& head, const Config& config,
                    std::int64_t now, History history) {
  Value::Array events;
  for (const MessageEvent& event : message.events) {
    Value::Object object{{"what", event_word(event.kind)}, {"at", time_value(event.at)}};
    if (event.kind == MessageEventKind::kFetched) object.emplace_back("last_at", time_value(event.last_at));
    if (event.kind != MessageEventKind::kRestored) object.emplace_back("device", text_value(event.device));
    events.push_back(std::move(object));
  }
  const bool deleted = message.standing == Standing::kDeleted;
  Value::Array checks;
  for (const ToldResult& check : head.checks) checks.push_back(text_value(check.text));
  Value::Object value{{"address", message.address.text()},
                      {"uidl", message.uidl},
                      {"message_id", text_value(message.message_id)},
                      {"from", text_value(head.from)},
                      {"subject", text_value(head.subject)},
                      {"checks", std::move(checks)},
                      {"octets", message.size},
                      {"state", standing_word(message.standing)},
                      {"received_at", time_value(message.received_at)},
                      {"deleted_at", time_value(message.deleted_at)},
                      {"deleted_by", text_value(message.deleted_by)},
                      {"restorable_until", time_value(restorable_until(message, config, now))},
                      {"restore_command", deleted ? Value(restore_command(message)) : Value(nullptr)}};
  if (history == History::kTold) value.emplace_back("events", std::move(events));
  return value;
}

std::string checks_text(const std::vector<ToldResult>& checks) {
  std::string text;
  for (const ToldResult& check : checks) {
    if (!text.empty()) text += ", ";
    for (const char c : check.method) text += ascii::upper(c);
    text += ' ' + check.result;
    if (!check.domain.empty()) text += fmt::format(" ({})", check.domain);
  }
  return printable(text);
}

std::string doubt_of(const std::vector<ToldResult>& checks) {
  const auto dmarc = std::ranges::find(checks, "dmarc", &ToldResult::method);
  if (dmarc == checks.end()) return {};
  if (dmarc->result == "fail") {
    return "The domain that it says it is from does not vouch for it (DMARC): it may be forged, or a mailing "
           "list has changed it.";
  }
  // A record that cannot be read names its domain.
  const bool has_author = dmarc->text.find(" header.from=") != std::string::npos;
  return dmarc->result == "permerror" && !has_author
             ? "Nobody can tell who its author is (From names none, or several): it may be forged."
             : "";
}

MessageHead message_head(CommandContext& context, const KnownMessage& message) {
  const Result<std::string> beginning = context.store.read_beginning(message, kHeadOctets);
  return beginning ? read_head(*beginning, context.config.hostname) : MessageHead{};
}

Value devices_value(const std::vector<DeviceFacts>& devices) {
  Value::Array array;
  for (const DeviceFacts& device : devices) {
    array.push_back(Value::Object{{"name", device.name},
                                  {"first_seen_at", time_value(device.first_seen_at)},
                                  {"last_seen_at", time_value(device.last_seen_at)},
                                  {"messages_taken", device.taken}});
  }
  return array;
}

std::string devices_text(const std::vector<DeviceFacts>& devices) {
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight});
  table.add({"DEVICE", "FIRST SEEN", "LAST SEEN", "MESSAGES TAKEN"});
  for (const DeviceFacts& device : devices) {
    table.add({printable(device.name), time_text(device.first_seen_at), time_text(device.last_seen_at),
               std::to_string(device.taken)});
  }
  return table.text();
}

}  // namespace mailstead::admin
