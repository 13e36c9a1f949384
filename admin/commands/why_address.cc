#include "admin/commands/why_address.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <tuple>

#include "admin/commands/mailbox_report.h"
#include "admin/commands/queue_report.h"
#include "admin/commands/timeline.h"
#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

// Of a larger mailbox the newest messages are not looked for: all of its list would have to be read.
constexpr std::uint64_t kMostRows = 50'000;

constexpr std::size_t kMostOpened = 500;  // messages whose header is read for their sender

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
                  address_word(address.text())));
  return finding;
}

enum class OtherPasswords { kNone, kSome };

// What could be the reason why somebody asks.
void advise(const MailboxSummary& mailbox, const std::vector<DeviceFacts>& devices, const Config& config,
            OtherPasswords app_passwords, std::vector<std::string>& advice) {
  const std::string address = mailbox.address.text();
  const std::string word = address_word(address);  // in commands
  if (!mailbox.enabled) {
    advice.push_back(
        fmt::format("{0} is disabled: it takes no mail and lets nobody log in. 'mailstead mailbox "
                    "enable {1}' ends that.",
                    address, word));
  }
  if (is_full(mailbox)) {
    advice.push_back(
        fmt::format("{0} is full: mail for it is asked to come later (452), and its senders try again for "
                    "some days. Somebody has to delete mail, or 'mailstead mailbox quota {1} SIZE' gives it "
                    "more room.",
                    address, word));
  }
  if (!mailbox.has_password && app_passwords == OtherPasswords::kSome) {
    advice.push_back(fmt::format(
        "{0} has no password of its own: only devices with an app password can log in, see 'mailstead "
        "app-password list {1}'.",
        address, word));
  } else if (!mailbox.has_password) {
    advice.push_back(
        fmt::format("{0} has no password, so nobody can log in: 'mailstead mailbox password {1}' sets one.",
                    address, word));
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
    advice.push_back(fmt::format("{0} of {1} can be restored: 'mailstead message list {2} --deleted'.",
                                 counted(mailbox.deleted_messages, "deleted message"), address, word));
  }
  const bool taken =
      std::any_of(devices.begin(), devices.end(), [](const auto& one) { return one.taken > 0; });
  if (mailbox.messages == 0 && mailbox.last_delivery_at != 0 && taken) {
    advice.push_back(
        config.pop3.expire_days
            ? fmt::format("{} is empty: its mail was deleted by the devices above, or because its time was "
                          "over (pop3.expire_days); 'mailstead message list {} --deleted' tells which.",
                          address, word)
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

Value mailbox_value(const MailboxSummary& mailbox, const std::vector<DeviceFacts>& devices, Value received) {
  Value::Object value = mailbox_facts(mailbox);
  value.emplace_back("last_delivery_at", time_value(mailbox.last_delivery_at));
  value.emplace_back("last_login_at", time_value(mailbox.last_login_at));
  value.emplace_back("devices", devices_value(devices));
  value.emplace_back("received", std::move(received));
  return value;
}

// The mailboxes that mail to the address is kept in, disabled ones too when it is one itself.
std::vector<Address> kept_in(const Directory& directory, const Address& address) {
  if (const MailboxEntry* entry = directory.find(address)) return {entry->address};
  std::vector<Address> addresses;
  for (const MailboxId id : directory.resolve(address)) addresses.push_back(directory.find(id)->address);
  return addresses;
}

// Messages of the queue, a line for each recipient.
std::string queue_lines(const std::vector<QueuedMessage>& queued) {
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"RECEIVED", "ID", "FROM", "TO"});
  std::size_t shown = 0;
  for (const QueuedMessage& message : queued) {
    if (shown++ == kMostShown) break;
    bool first = true;
    for (const QueuedRecipient& each : message.recipients) {
      table.add({first ? moment_text(message.received_at) : "", first ? message.id : "",
                 first ? known_sender_text(message) : "", fate_text(message, each)});
      first = false;
    }
  }
  std::string text = table.text();
  if (queued.size() > kMostShown)
    text += fmt::format("{} older ones are not shown; --json tells up to 100.\n", queued.size() - kMostShown);
  return text;
}

// What the mail of an address needs: somebody's attention, or nobody's.
void advise(const std::vector<QueuedMessage>& queued, std::vector<std::string>& advice) {
  const QueuedRecipient* waits = nullptr;
  const QueuedRecipient* failed = nullptr;
  std::size_t waiting = 0;
  std::size_t held = 0;
  std::size_t failures = 0;
  for (const QueuedMessage& message : queued) {
    if (message.held && message.finished_at == 0) ++held;
    for (const QueuedRecipient& each : message.recipients) {
      if (each.state == QueueState::kWaiting && !message.held) {
        ++waiting;
        if (waits == nullptr) waits = &each;
      } else if (each.state == QueueState::kFailed) {
        ++failures;
        if (failed == nullptr) failed = &each;
      }
    }
  }
  const auto why = [](const QueuedRecipient& recipient) {
    return recipient.last.reply.empty() ? std::string("no attempt yet") : printable(recipient.last.reply);
  };
  if (waiting > 0) {
    advice.push_back(
        fmt::format("Mail waits for {}, the newest for {}: {}. It is tried again by itself; 'mailstead queue "
                    "retry' tries now.",
                    counted(waiting, "recipient"), waits->recipient.address.text(), why(*waits)));
  }
  if (held > 0)
    advice.push_back(fmt::format("{} held by hand: 'mailstead queue release ID' lets it go.",
                                 held == 1 ? "1 message is" : fmt::format("{} messages are", held)));
  if (failures > 0) {
    advice.push_back(fmt::format(
        "Mail for {} could not be delivered, the newest for {}: {}. Its sender has been told, if he can be.",
        counted(failures, "recipient"), failed->recipient.address.text(), why(*failed)));
  }
}

// UIDLs are sorted by time, too.
void newest_first(std::vector<KnownMessage>& messages) {
  std::ranges::sort(messages, [](const KnownMessage& one, const KnownMessage& other) {
    return std::tie(one.received_at, one.uidl) > std::tie(other.received_at, other.uidl);
  });
}

// The newest messages that came into a mailbox, those that were deleted, too.
Result<Recent> recent_messages(const MailboxSummary& mailbox, CommandContext& context) {
  Recent recent;
  recent.too_many = mailbox.messages + mailbox.deleted_messages > kMostRows;
  if (recent.too_many) return recent;
  auto listed = context.store.list_messages(mailbox.address, MessageListing::kPresent);
  if (!listed) return listed.error();
  const auto deleted = context.store.list_messages(mailbox.address, MessageListing::kDeleted);
  if (!deleted) return deleted.error();
  listed->insert(listed->end(), deleted->begin(), deleted->end());
  newest_first(*listed);
  for (const KnownMessage& message : *listed) {
    if (recent.messages.size() == kMostShown) break;
    auto all = context.store.show_message(mailbox.address, message.uidl);
    if (!all) continue;
    recent.heads.push_back(message_head(context, *all));
    recent.messages.push_back(*std::move(all));
  }
  return recent;
}

void advise(const std::vector<RefusedMail>& refused, std::vector<std::string>& advice) {
  if (refused.empty()) return;
  const RefusedMail& newest = refused.front();
  advice.push_back(fmt::format("Mail to or from it was refused{}, the newest from {} at {}: {}",
                               refused.size() > 1 ? fmt::format(" {} times", refused.size()) : "",
                               printable(newest.peer), moment_text(newest.at), printable(newest.reply)));
  const auto full = std::ranges::find_if(
      refused, [](const RefusedMail& mail) { return mail.reply.starts_with("452 4.3.1 "); });
  if (full != refused.end()) {
    advice.push_back(
        fmt::format("At {} there was no room on the disk of the data folder. 'mailstead status' tells how "
                    "much is free: make "
                    "room, and the senders' next tries bring the mail; they try for days.",
                    moment_text(full->at)));
  }
}

}  // namespace

std::string fate_text(const QueuedMessage& message, const QueuedRecipient& recipient) {
  std::string text = fmt::format("{}: {}", recipient.recipient.address.text(), state_text(recipient.state));
  if (recipient.state == QueueState::kWaiting)
    text += message.held ? ", held" : fmt::format(", next attempt {}", moment_text(recipient.next_at));
  if (recipient.last.at != 0 && !recipient.last.reply.empty())
    text += fmt::format("; {}: {}", recipient.last.host.empty() ? "here" : printable(recipient.last.host),
                        printable(recipient.last.reply));
  return text;
}

Value queue_values(const std::vector<QueuedMessage>& queued, Store& store) {
  Value::Array values;
  for (const QueuedMessage& message : queued) values.push_back(queued_history(message, store));
  return values;
}

Value recent_values(const Recent& recent, const Config& config) {
  Value::Array values;
  for (std::size_t i = 0; i < recent.messages.size(); ++i)
    values.push_back(message_value(recent.messages[i], recent.heads[i], config, std::time(nullptr)));
  return values;
}

std::string recent_text(const Recent& recent, const std::string& which) {
  if (recent.too_many) return "\nIts newest messages: 'mailstead message list' tells them.\n";
  if (recent.messages.empty()) return {};
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"RECEIVED", "UIDL", "FROM", "SUBJECT", "STATE"});
  for (std::size_t i = 0; i < recent.messages.size(); ++i) {
    const KnownMessage& message = recent.messages[i];
    std::string state = message.standing == Standing::kPresent   ? "in the mailbox"
                        : message.standing == Standing::kMissing ? "its file is missing"
                                                                 : "";
    for (const MessageEvent& event : message.events) {
      const bool fetched = event.kind == MessageEventKind::kFetched;
      const bool deleted = event.kind == MessageEventKind::kDeleted && message.standing == Standing::kDeleted;
      if (!fetched && !deleted) continue;
      if (!state.empty()) state += ", ";
      state += fmt::format("{} by {}", fetched ? "fetched" : "deleted", device_text(event.device));
    }
    table.add({moment_text(message.received_at), message.uidl, recent.heads[i].from, recent.heads[i].subject,
               std::move(state)});
  }
  return fmt::format("\nThe newest mail that {}:\n{}", which, table.text());
}

std::vector<RefusedMail> refused_mail(const Address& address, const CommandContext& context) {
  return context.refusals == nullptr ? std::vector<RefusedMail>() : context.refusals->about(address);
}

std::vector<RefusedMail> refused_as(const std::string& message_id, const CommandContext& context) {
  return context.refusals == nullptr ? std::vector<RefusedMail>() : context.refusals->of_message(message_id);
}

namespace {

std::string refused_table(const std::vector<RefusedMail>& refused) {
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"REFUSED", "CLIENT", "FROM", "TO", "REPLY"});
  for (std::size_t i = 0; i < std::min(refused.size(), kMostShown); ++i) {
    const RefusedMail& mail = refused[i];
    table.add({moment_text(mail.at), printable(fmt::format("{} ({})", mail.peer, mail.helo)),
               printable(mail.from), printable(fmt::format("{}", fmt::join(mail.to, ", "))),
               printable(mail.reply)});
  }
  return table.text();
}

}  // namespace

std::string refused_text(const std::vector<RefusedMail>& refused) {
  if (refused.empty()) return {};
  return "\nMail to or from it that was refused, the newest:\n" + refused_table(refused);
}

Value refused_values(const std::vector<RefusedMail>& refused) {
  Value::Array array;
  for (const RefusedMail& mail : refused) {
    array.push_back(Value::Object{{"at", time_value(mail.at)},
                                  {"service", mail.service},
                                  {"peer", mail.peer},
                                  {"helo", mail.helo},
                                  {"user", mail.user},
                                  {"command", mail.command},
                                  {"from", mail.from},
                                  {"to", Value::Array(mail.to.begin(), mail.to.end())},
                                  {"message_id", mail.message_id},
                                  {"reply", mail.reply}});
  }
  return array;
}

Result<Recent> delivered_from(const Address& address, CommandContext& context) {
  Recent recent;
  std::uint64_t rows = kMostRows;
  std::vector<KnownMessage> messages;
  const auto directory = context.store.directory();
  for (const MailboxEntry& mailbox : directory->mailboxes()) {
    const auto summary = context.store.show_mailbox(mailbox.address);
    if (!summary) return summary.error();
    const std::uint64_t more = summary->messages + summary->deleted_messages;
    if (more > rows) continue;
    rows -= more;
    for (const MessageListing which : {MessageListing::kPresent, MessageListing::kDeleted}) {
      auto listed = context.store.list_messages(mailbox.address, which);
      if (!listed) return listed.error();
      std::ranges::move(*listed, std::back_inserter(messages));
    }
  }
  newest_first(messages);
  if (messages.size() > kMostOpened) messages.resize(kMostOpened);
  for (const KnownMessage& message : messages) {
    if (recent.messages.size() == kMostShown) break;
    MessageHead head = message_head(context, message);
    if (!names_address(head.return_path, address) && !names_address(head.from, address)) continue;
    auto all = context.store.show_message(message.address, message.uidl);
    if (!all) continue;
    recent.messages.push_back(*std::move(all));
    recent.heads.push_back(std::move(head));
  }
  return recent;
}

Report about_stranger(const std::string& asked, const Recent& delivered,
                      const std::vector<RefusedMail>& refused, const Config& config) {
  std::string text = recent_text(delivered, "was received from " + asked) + refused_text(refused);
  return done(text.substr(1), Value::Object{{"kind", delivered.messages.empty() ? "refused" : "sender"},
                                            {"asked", asked},
                                            {"received", recent_values(delivered, config)},
                                            {"refused", refused_values(refused)}});
}

Report about_refused(const std::string& asked, const std::vector<RefusedMail>& refused) {
  return done(
      fmt::format("{} was refused{}:\n{}", asked,
                  refused.size() > 1 ? fmt::format(" {} times, the newest first", refused.size()) : "",
                  refused_table(refused)),
      Value::Object{{"kind", "refused"}, {"asked", asked}, {"refused", refused_values(refused)}});
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
    const auto recent = recent_messages(*summary, context);
    if (!recent) return failed(recent.error());
    text += mailbox_text(*summary, *devices) + recent_text(*recent, mailbox.text() + " received");
    mailboxes.push_back(mailbox_value(*summary, *devices, recent_values(*recent, context.config)));
    const MailboxEntry* entry = context.store.directory()->find(summary->address);
    advise(*summary, *devices, context.config,
           entry != nullptr && !entry->app_passwords.empty() ? OtherPasswords::kSome : OtherPasswords::kNone,
           finding.advice);
  }
  const auto queued = context.store.search_queue(address.text());
  if (!queued) return failed(queued.error());
  if (!queued->empty()) {
    text += fmt::format("\nThe newest mail from it, or passed on by it, to other hosts:\n{}",
                        queue_lines(*queued));
  }
  advise(*queued, finding.advice);
  const std::vector<RefusedMail> refused = refused_mail(address, context);
  text += refused_text(refused);
  advise(refused, finding.advice);
  const auto forwards = directory->forwards(address);
  if (!forwards.empty()) {
    std::vector<std::string> targets;
    for (const Forward& forward : forwards) targets.push_back(forward.target.text());
    finding.advice.push_back(fmt::format("Mail for it is passed on to another host, for {}.{}",
                                         fmt::join(targets, ", "),
                                         queued->empty() ? " None has been in the last 30 days." : ""));
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
                            {"says", finding.says},
                            {"mailboxes", std::move(mailboxes)},
                            {"queue", queue_values(*queued, context.store)},
                            {"refused", refused_values(refused)},
                            {"advice", Value::Array(finding.advice.begin(), finding.advice.end())}});
}

}  // namespace mailstead::admin
