// why: what the store knows of a message or an address, told as a story with an end: what to do next.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>

#include "admin/command_table.h"
#include "admin/mailbox_report.h"
#include "admin/message_report.h"
#include "admin/queue_report.h"
#include "admin/report.h"
#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMostQueued = 10;  // messages of the queue that are shown to people

// What was found out about an address.
struct Finding {
  std::string kind;  // "mailbox", "alias", "catch-all", "postmaster", "unknown"
  std::string says;  // a sentence
  std::vector<std::string> advice;
  std::vector<MailboxSummary> mailboxes;  // that its mail is kept in
};

const AliasEntry* alias_of(const Directory& directory, const std::string& key) {
  for (const AliasEntry& alias : directory.aliases()) {
    const bool catch_all = alias.name.starts_with('@');
    const auto name = catch_all ? Result<Address>(Error{}) : parse_address(alias.name);
    if (catch_all ? ascii::lower(alias.name) == key : name && name->key() == key) return &alias;
  }
  return nullptr;
}

std::string targets_text(const AliasEntry& alias) {
  std::vector<std::string> targets;
  for (const Address& target : alias.targets) targets.push_back(target.text());
  return fmt::format("{}", fmt::join(targets, ", "));
}

Finding look_up(const Directory& directory, const Address& address) {
  Finding finding;
  if (directory.find(address) != nullptr) {
    finding.kind = "mailbox";
    finding.says = fmt::format("{} is a mailbox of this server.", address.text());
    return finding;
  }
  const AliasEntry* alias = alias_of(directory, address.key());
  finding.kind = "alias";
  const Address plain = without_detail(address);
  if (alias == nullptr && plain != address) {
    if (directory.find(plain) != nullptr || alias_of(directory, plain.key()) != nullptr) {
      finding.kind = "sub-address";
      finding.says = fmt::format("{} is a sub-address: its mail goes where that of {} goes.", address.text(),
                                 plain.text());
      return finding;
    }
  }
  if (alias == nullptr) {
    alias = alias_of(directory, "@" + address.domain);
    finding.kind = "catch-all";
  }
  if (alias != nullptr) {
    finding.says =
        finding.kind == "alias"
            ? fmt::format("{} is an alias: its mail goes to {}.", address.text(), targets_text(*alias))
            : fmt::format("{} has no mailbox of its own: the catch-all {} takes its mail, for {}.",
                          address.text(), alias->name, targets_text(*alias));
    return finding;
  }
  if (!directory.resolve(address).empty()) {
    finding.kind = "postmaster";
    finding.says = fmt::format(
        "{} is nobody's own address: a postmaster has to be reachable, so the mail goes to "
        "the mailbox below.",
        address.text());
    return finding;
  }
  finding.kind = "unknown";
  finding.says = fmt::format("{} is unknown here: mail for it is refused, and its sender is told so (550).",
                             address.text());
  std::vector<std::string> known;
  for (const MailboxEntry& mailbox : directory.mailboxes()) known.push_back(mailbox.address.text());
  for (const AliasEntry& entry : directory.aliases()) known.push_back(entry.name);
  if (const std::string near = nearest(address.text(), known); !near.empty()) {
    finding.advice.push_back(fmt::format("Perhaps {} is meant.", near));
  }
  finding.advice.push_back(
      fmt::format("To take its mail: 'mailstead mailbox add {0}', or 'mailstead alias add {0} "
                  "TARGET' to keep it in another mailbox.",
                  address.text()));
  return finding;
}

enum class OtherPasswords { kNone, kSome };

// What could be the reason why somebody asks.
void advise(const MailboxSummary& mailbox, const std::vector<DeviceFacts>& devices, const Config& config,
            OtherPasswords app_passwords, std::vector<std::string>& advice) {
  const std::string address = mailbox.address.text();
  if (!mailbox.enabled) {
    advice.push_back(
        fmt::format("{0} is disabled: it takes no mail and lets nobody log in. 'mailstead mailbox "
                    "enable {0}' ends that.",
                    address));
  }
  if (is_full(mailbox)) {
    advice.push_back(
        fmt::format("{0} is full: mail for it is asked to come later (452), and its senders try again for "
                    "some days. Somebody has to delete mail, or 'mailstead mailbox quota {0} SIZE' gives it "
                    "more room.",
                    address));
  }
  if (!mailbox.has_password && app_passwords == OtherPasswords::kSome) {
    advice.push_back(fmt::format(
        "{0} has no password of its own: only devices with an app password can log in, see 'mailstead "
        "app-password list {0}'.",
        address));
  } else if (!mailbox.has_password) {
    advice.push_back(fmt::format(
        "{0} has no password, so nobody can log in: 'mailstead mailbox password {0}' sets one.", address));
  }
  if (mailbox.last_delivery_at == 0) {
    advice.push_back(
        fmt::format("No mail ever arrived in {}. Look whether the domain's MX record names this server "
                    "({}), and in the server's log for 'refused'.",
                    address, config.hostname));
  }
  if (mailbox.last_login_at == 0 && mailbox.enabled) {
    advice.push_back(
        fmt::format("No mail program has logged in to {0} by POP3 yet: the user name is {0}, the server {1}.",
                    address, config.hostname));
  }
  if (mailbox.deleted_messages > 0) {
    advice.push_back(fmt::format("{0} of {1} can be restored: 'mailstead message list {1} --deleted'.",
                                 counted(mailbox.deleted_messages, "deleted message"), address));
  }
  const bool taken =
      std::any_of(devices.begin(), devices.end(), [](const auto& one) { return one.taken > 0; });
  if (mailbox.messages == 0 && mailbox.last_delivery_at != 0 && taken) {
    advice.push_back(
        config.pop3.expire_days
            ? fmt::format("{} is empty: its mail was deleted by the devices above, or because its time was "
                          "over (pop3.expire_days); 'mailstead message list {} --deleted' tells which.",
                          address, address)
            : fmt::format(
                  "{} is empty: its mail was fetched and then deleted by the devices above. A mail program "
                  "that should leave it for others has a setting 'leave messages on the server'.",
                  address));
  }
}

std::string mailbox_text(const MailboxSummary& mailbox, const std::vector<DeviceFacts>& devices) {
  Table table({Align::kLeft, Align::kLeft});
  table.add({"mailbox", mailbox.address.text()});
  table.add({"state", state_of(mailbox)});
  table.add({"messages", fmt::format("{} ({})", mailbox.messages, size_text(mailbox.octets))});
  if (mailbox.quota != 0) table.add({"quota", use_text(mailbox)});
  table.add(
      {"deleted, kept", fmt::format("{} ({})", mailbox.deleted_messages, size_text(mailbox.deleted_octets))});
  table.add({"last delivery", time_text(mailbox.last_delivery_at)});
  table.add({"last login", time_text(mailbox.last_login_at)});
  std::string text = "\n" + table.text();
  if (!devices.empty()) text += "\n" + devices_text(devices);
  return text;
}

Value mailbox_value(const MailboxSummary& mailbox, const std::vector<DeviceFacts>& devices) {
  Value::Object value = mailbox_facts(mailbox);
  value.emplace_back("last_delivery_at", time_value(mailbox.last_delivery_at));
  value.emplace_back("last_login_at", time_value(mailbox.last_login_at));
  value.emplace_back("devices", devices_value(devices));
  return value;
}

// The mailboxes that mail to the address is kept in, disabled ones too when it is one itself.
std::vector<Address> kept_in(const Directory& directory, const Address& address) {
  if (const MailboxEntry* entry = directory.find(address)) return {entry->address};
  std::vector<Address> addresses;
  for (const MailboxId id : directory.resolve(address)) addresses.push_back(directory.find(id)->address);
  return addresses;
}

Report about_address(const Address& address, CommandContext& context) {
  const auto directory = context.store.directory();
  Finding finding = look_up(*directory, address);
  std::string text = finding.says + "\n";
  Value::Array mailboxes;
  const auto addresses = kept_in(*directory, address);
  for (const Address& mailbox : addresses) {
    const auto summary = context.store.show_mailbox(mailbox);
    if (!summary) return failed(summary.error());
    const auto devices = context.store.list_devices(mailbox);
    if (!devices) return failed(devices.error());
    text += mailbox_text(*summary, *devices);
    mailboxes.push_back(mailbox_value(*summary, *devices));
    const MailboxEntry* entry = context.store.directory()->find(summary->address);
    advise(*summary, *devices, context.config,
           entry != nullptr && !entry->app_passwords.empty() ? OtherPasswords::kSome : OtherPasswords::kNone,
           finding.advice);
  }
  const auto forwards = directory->forwards(address);
  if (!forwards.empty()) {
    std::vector<std::string> targets;
    for (const Forward& forward : forwards) targets.push_back(forward.target.text());
    finding.advice.push_back(fmt::format(
        "Mail for it is passed on to another host, for {}: 'mailstead queue list' shows what that "
        "host has not taken yet.",
        fmt::join(targets, ", ")));
  }
  if (addresses.empty() && forwards.empty() && finding.kind != "unknown") {
    finding.advice.push_back(
        "None of the mailboxes that it leads to takes mail: they are disabled or gone. "
        "'mailstead mailbox list' shows them.");
  }
  if (finding.advice.empty()) finding.advice.push_back("Nothing is wrong as far as the store knows.");
  text += "\n";
  for (const std::string& line : finding.advice) text += line + "\n";
  return done(std::move(text),
              Value::Object{{"kind", finding.kind},
                            {"asked", address.text()},
                            {"mailboxes", std::move(mailboxes)},
                            {"advice", Value::Array(finding.advice.begin(), finding.advice.end())}});
}

// What the queue knows of it: a text for each message, one behind the other.
std::string queue_text(const std::vector<QueuedMessage>& queued, CommandContext& context,
                       Value::Array& values) {
  std::string text;
  for (const QueuedMessage& message : queued) {
    values.push_back(queued_value(message));
    if (values.size() > kMostQueued) continue;
    if (!text.empty()) text += '\n';
    text += queued_text(message, context.store);
  }
  if (values.size() > kMostQueued)
    text += fmt::format("\n{} older ones are not shown; --json tells all.\n", values.size() - kMostQueued);
  return text;
}

Report about_queued(const std::string& asked, const std::vector<QueuedMessage>& queued,
                    CommandContext& context) {
  Value::Array values;
  std::string text = queue_text(queued, context, values);
  return done(std::move(text),
              Value::Object{{"kind", "queued"}, {"asked", asked}, {"queue", std::move(values)}});
}

Report about_messages(const std::string& asked, const std::vector<KnownMessage>& messages,
                      const std::vector<QueuedMessage>& queued, CommandContext& context) {
  const std::int64_t now = std::time(nullptr);
  const MessageHead head = message_head(context.store, messages.front());
  Table facts({Align::kLeft, Align::kLeft});
  facts.add({"from", head.from});
  facts.add({"subject", head.subject});
  const std::string& message_id = messages.front().message_id;
  facts.add({"Message-ID", message_id.empty() ? "not known" : printable("<" + message_id + ">")});
  facts.add({"size", size_text(messages.front().size)});
  std::string text = facts.text();
  Value::Array copies;
  for (const KnownMessage& message : messages) {
    Table history({Align::kLeft, Align::kLeft});
    add_history(message, history);
    history.add({"now", standing_text(message, context.config, now)});
    text +=
        fmt::format("\n{}, UIDL and queue id {}:\n{}", message.address.text(), message.uidl, history.text(2));
    if (message.standing == Standing::kDeleted)
      text += fmt::format("  To bring it back: {}\n", restore_command(message));
    copies.push_back(message_value(message, head, context.config, now));
  }
  Value::Array values;
  if (!queued.empty()) text += "\nIt was for other hosts, too:\n\n" + queue_text(queued, context, values);
  return done(std::move(text), Value::Object{{"kind", "message"},
                                             {"asked", asked},
                                             {"copies", std::move(copies)},
                                             {"queue", std::move(values)}});
}

}  // namespace

Report explain(const Request& request, CommandContext& context) {
  const std::string& asked = request.arguments[0];
  const auto directory = context.store.directory();
  const auto address = parse_address(asked);
  const bool ours = address && directory->is_ours(address->domain);
  // A Message-ID may look like an address. One of ours is meant as an address, unless there is such a
  // message.
  if (ours && directory->classify(*address) != RecipientKind::kUnknown)
    return about_address(*address, context);
  const auto messages = context.store.find_messages(asked);
  if (!messages) return failed(messages.error());
  const auto queued = context.store.search_queue(asked);
  if (!queued) return failed(queued.error());
  if (!messages->empty()) return about_messages(asked, *messages, *queued, context);
  if (!queued->empty()) return about_queued(asked, *queued, context);
  if (ours) return about_address(*address, context);
  return failed(
      fmt::format("'{}' is no address of this server and no message that it has now: check the spelling; a "
                  "queue id has 15 "
                  "characters and stands in the server's log and in the sender's, a Message-ID in the "
                  "message's header; a deleted "
                  "message is known for {} days",
                  asked, context.config.pop3.deleted_kept_days));
}

}  // namespace mailstead::admin
