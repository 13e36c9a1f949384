#include "admin/command_table.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "admin/quantity.h"
#include "admin/report.h"
#include "admin/text.h"
#include "protocols/address.h"
#include "storage/app_passwords.h"

namespace mailstead::admin {
namespace {

constexpr std::array kAddress = {Argument{"ADDRESS", ArgumentKind::kAddress}};
constexpr std::array kDevice = {Argument{"ADDRESS", ArgumentKind::kAddress},
                                Argument{"NAME", ArgumentKind::kDevice}};
constexpr std::array kAddressAndSize = {Argument{"ADDRESS", ArgumentKind::kAddress},
                                        Argument{"SIZE", ArgumentKind::kQuota}};
constexpr std::array<std::string_view, 1> kApop = {"apop"};
constexpr std::array<std::string_view, 2> kScopes = {"send", "read"};
constexpr std::array kOnly = {Choice{"only", kScopes}};
constexpr std::array kAlias = {Argument{"ALIAS", ArgumentKind::kAlias}};
constexpr std::array kAliasAndTargets = {Argument{"ALIAS", ArgumentKind::kAlias},
                                         Argument{"TARGET", ArgumentKind::kAddress}};
constexpr std::array kNetwork = {Argument{"IP", ArgumentKind::kNetwork}};
constexpr std::array kDomain = {Argument{"DOMAIN", ArgumentKind::kDomain}};
constexpr std::array<std::string_view, 1> kActivate = {"activate"};
constexpr std::array<std::string_view, 1> kZone = {"zone"};
constexpr std::array kAddressAndUidl = {Argument{"ADDRESS", ArgumentKind::kAddress},
                                        Argument{"UIDL", ArgumentKind::kWord}};
constexpr std::array kAddressOrMessage = {Argument{"ADDRESS-OR-MESSAGE-ID", ArgumentKind::kWord}};
constexpr std::array kQueueId = {Argument{"ID", ArgumentKind::kWord}};
constexpr std::array kHelpTopic = {Argument{"COMMAND", ArgumentKind::kWord}};
constexpr std::array kShell = {Argument{"SHELL", ArgumentKind::kWord}};
constexpr std::array<std::string_view, 1> kKeepMail = {"keep-mail"};
constexpr std::array<std::string_view, 1> kDeleted = {"deleted"};
constexpr std::array<std::string_view, 2> kAllOrLast = {"all", "last"};
constexpr std::size_t kMany = 1000;  // targets of one alias, messages to restore

constexpr std::string_view kPasswordHelp =
    "On a terminal the password is asked for twice and not shown; an empty one, or no\n"
    "terminal, makes a new password that is printed once.\n"
    "  --password-stdin  take the password from the first line of the standard input";

constexpr std::array kCommands = {
    Command{.name = "serve",
            .needs = Needs::kNothing,
            .summary = "run the server in the foreground",
            .detail = "Logs go to stderr. SIGTERM ends it cleanly, SIGHUP reads the configuration and the\n"
                      "certificates again."},
    Command{.name = "mailbox add",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .needs = Needs::kFolder,
            .again = Again::kUnsafe,
            .secret = Secret::kPassword,
            .mailbox = Mailbox::kNew,
            .summary = "make a mailbox",
            .detail = kPasswordHelp,
            .run = add_mailbox},
    Command{.name = "mailbox list", .summary = "list the mailboxes", .run = list_mailboxes},
    Command{.name = "mailbox show",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .summary = "show one mailbox",
            .run = show_mailbox},
    Command{.name = "mailbox remove",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .flags = kKeepMail,
            .again = Again::kUnsafe,
            .summary = "remove a mailbox with its mail",
            .detail = "  --keep-mail  leave the messages where they are",
            .run = remove_mailbox},
    Command{.name = "mailbox password",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .secret = Secret::kPassword,
            .mailbox = Mailbox::kThere,
            .summary = "give a mailbox another password",
            .detail = kPasswordHelp,
            .run = set_password},
    Command{.name = "mailbox disable",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .summary = "take no mail for it and let nobody log in",
            .run = disable_mailbox},
    Command{.name = "mailbox enable",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .summary = "end what 'mailbox disable' began",
            .run = enable_mailbox},
    Command{
        .name = "mailbox quota",
        .arguments = kAddressAndSize,
        .least = 2,
        .most = 2,
        .summary = "set how much a mailbox may hold",
        .detail =
            "SIZE is a size such as 2GiB or '500 MiB', or one of two words:\n"
            "  none     it may hold any number of messages\n"
            "  default  it may hold what the configuration says ([limits] mailbox_size)\n"
            "Mail for a full mailbox is asked to come later; what it would never fit in, is refused. What\n"
            "is there stays, also when the mailbox holds more than SIZE. Deleted messages that can be\n"
            "restored do not count.",
        .run = set_quota},
    Command{.name = "app-password add",
            .arguments = kDevice,
            .least = 2,
            .most = 2,
            .flags = kApop,
            .choices = kOnly,
            .again = Again::kUnsafe,
            .summary = "make a password for one device or program",
            .detail =
                "It is printed once. The device logs in with it and the mailbox's address, also by SCRAM,\n"
                "and can be shut out by itself.\n"
                "  --apop  it is good for APOP too; then the server keeps it so that it can read it\n"
                "  --only  it is good for sending (SMTP) or reading (POP3) only",
            .run = add_app_password},
    Command{.name = "app-password list",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .summary = "list the app passwords of a mailbox",
            .run = list_app_passwords},
    Command{.name = "app-password revoke",
            .arguments = kDevice,
            .least = 2,
            .most = 2,
            .again = Again::kUnsafe,
            .summary = "shut out a device; its sessions end",
            .run = revoke_app_password},
    Command{.name = "message list",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .flags = kDeleted,
            .summary = "list the messages of a mailbox",
            .detail =
                "  --deleted  those that were deleted and can be restored: when, by which device, and how\n"
                "             long they are kept ([pop3] deleted_kept_days)",
            .run = list_messages},
    Command{.name = "message show",
            .arguments = kAddressAndUidl,
            .least = 2,
            .most = 2,
            .summary = "show one message: who fetched it, who deleted it, and when",
            .run = show_message},
    Command{.name = "message restore",
            .arguments = kAddressAndUidl,
            .least = 1,
            .most = kMany,
            .flags = kAllOrLast,
            .again = Again::kUnsafe,
            .summary = "put deleted messages back into the mailbox",
            .detail =
                "They come back with the same UIDL and in their old place. A mail program that keeps a list\n"
                "of what it has fetched may not fetch them again; others do at their next login.\n"
                "  --last  all that was deleted last, by one mail program in one session\n"
                "  --all   everything that can be restored",
            .run = restore_messages},
    Command{.name = "why",
            .arguments = kAddressOrMessage,
            .least = 1,
            .most = 1,
            .summary = "tell what is known of an address or a message, and what to do",
            .detail = "A message is named by its queue id, its UIDL, or the Message-ID of its header. Mail\n"
                      "that arrived before this command existed is found by queue id and UIDL only.",
            .run = explain},
    Command{.name = "alias add",
            .arguments = kAliasAndTargets,
            .least = 2,
            .most = kMany,
            .again = Again::kUnsafe,
            .summary = "have mail to ALIAS go to other mailboxes, or to other hosts",
            .detail =
                "Targets are mailboxes or aliases of this server, or addresses elsewhere that its mail is\n"
                "passed on to. '@domain' as ALIAS takes what is for no other mailbox or alias of the domain.",
            .run = add_alias},
    Command{.name = "alias list", .summary = "list the aliases", .run = list_aliases},
    Command{.name = "alias remove",
            .arguments = kAlias,
            .least = 1,
            .most = 1,
            .again = Again::kUnsafe,
            .summary = "remove an alias",
            .run = remove_alias},
    Command{.name = "domain list",
            .summary = "list the domains that mail is taken for",
            .detail = "A domain is served as soon as a mailbox or an alias is in it.",
            .run = list_domains},
    Command{.name = "queue list",
            .summary = "list the mail that waits to be sent to other hosts",
            .run = list_queue},
    Command{.name = "queue show",
            .arguments = kQueueId,
            .least = 1,
            .most = 1,
            .summary = "show one message of the queue: each attempt, and what the other side said",
            .detail = "Also what was sent in the last 30 days. ID is what the sender was told: \"id=...\".",
            .run = show_queued},
    Command{.name = "queue retry",
            .arguments = kQueueId,
            .most = 1,
            .summary = "try to send a message now, or all that are not held",
            .run = retry_queue},
    Command{.name = "queue hold",
            .arguments = kQueueId,
            .least = 1,
            .most = 1,
            .summary = "keep a message from being sent until it is released",
            .run = hold_queued},
    Command{.name = "queue release",
            .arguments = kQueueId,
            .least = 1,
            .most = 1,
            .summary = "let a held message be sent",
            .run = release_queued},
    Command{.name = "queue drop",
            .arguments = kQueueId,
            .least = 1,
            .most = 1,
            .again = Again::kUnsafe,
            .summary = "take a message out of the queue; nobody is told",
            .run = drop_queued},
    Command{.name = "status",
            .needs = Needs::kServer,
            .summary = "say what the running server does; fails when none runs",
            .run = show_status},
    Command{.name = "ban list",
            .needs = Needs::kServer,
            .summary = "list the networks that may not log in for a while",
            .detail =
                "A network that tried too many wrong passwords is banned (auth.ban_after, auth.ban_time).\n"
                "Each ban ends by itself.",
            .run = list_bans},
    Command{.name = "ban remove",
            .arguments = kNetwork,
            .least = 1,
            .most = 1,
            .needs = Needs::kServer,
            .again = Again::kUnsafe,
            .summary = "end the ban of an address",
            .run = lift_ban},
    Command{
        .name = "dns records",
        .arguments = kDomain,
        .least = 0,
        .most = 1,
        .flags = kZone,
        .summary = "show what to publish in the DNS",
        .detail =
            "For one domain or for all, and for the server itself: name, type and value of each record, as\n"
            "web forms ask for them, and what it is for.\n"
            "  --zone  as lines of a zone file",
        .run = show_dns_records},
    Command{
        .name = "dns check",
        .arguments = kDomain,
        .least = 0,
        .most = 1,
        .summary = "compare the DNS with what is to be published",
        .detail =
            "For one domain or for all, and for the server itself: asks the name servers for each record of\n"
            "'dns records'. The exit code is 1 when one that is needed is missing or another.",
        .run = show_dns_records},
    Command{
        .name = "dkim show",
        .arguments = kDomain,
        .least = 0,
        .most = 1,
        .summary = "show the DNS records of the keys that sign mail",
        .detail =
            "Of one domain or of all. A domain's keys are made when they are first asked for. Each record\n"
            "is shown as a value to type in, and as a line for a zone file.",
        .run = show_dkim},
    Command{.name = "dkim rotate",
            .arguments = kDomain,
            .least = 1,
            .most = 1,
            .flags = kActivate,
            .again = Again::kUnsafe,
            .summary = "make new keys that sign the mail of a domain",
            .detail =
                "The new keys are made and their records shown, and nothing else: the present ones go on\n"
                "signing until the new records are published.\n"
                "  --activate  the new records are published: the new keys sign from now on. The old\n"
                "              records have to stay for a week",
            .run = rotate_dkim},
    Command{.name = "tls show", .summary = "show the TLS certificate", .run = show_tls},
    Command{.name = "tls others",
            .summary = "show how connections to other hosts came out, of the last month",
            .detail = "What their domains demand of encryption (MTA-STS, DANE), and whether it was there.",
            .run = show_tls_of_others},
    Command{.name = "config show", .needs = Needs::kNothing, .summary = "print the values in force"},
    Command{.name = "config check",
            .needs = Needs::kNothing,
            .summary = "read the configuration and say what is wrong"},
    Command{
        .name = "config default", .needs = Needs::kNothing, .summary = "print every key with its default"},
    Command{.name = "completion",
            .arguments = kShell,
            .least = 1,
            .most = 1,
            .needs = Needs::kNothing,
            .summary = "print the completion script of a shell: bash"},
    Command{.name = "help",
            .arguments = kHelpTopic,
            .least = 0,
            .most = 2,
            .needs = Needs::kNothing,
            .summary = "explain the commands, or one of them"},
};

// Empty when the argument is what it should be, else what is wrong with it.
std::string fault(const Argument& argument, const std::string& text) {
  if (argument.kind == ArgumentKind::kWord) return {};
  if (argument.kind == ArgumentKind::kDevice) {
    const Result<void> checked = check_device_name(text);
    return checked ? "" : checked.error().message;
  }
  if (argument.kind == ArgumentKind::kQuota) {
    const auto limit = parse_limit(text, kMostQuota);
    if (limit == 0U && text != "none") return "a quota of nothing would refuse all mail; 'none' is no quota";
    if (text == "default" || limit) return {};
    return fmt::format("'{}' is not a size such as '2 GiB' (up to '{}'), 'none' or 'default'",
                       printable(text), print_size(kMostQuota));
  }
  if (argument.kind == ArgumentKind::kNetwork) {
    const std::string address = text.ends_with("/64") ? text.substr(0, text.size() - 3) : text;
    in6_addr parsed{};
    if (inet_pton(AF_INET, text.c_str(), &parsed) == 1 || inet_pton(AF_INET6, address.c_str(), &parsed) == 1)
      return {};
    return fmt::format("'{}' is not an IP address", printable(text));
  }
  if (argument.kind == ArgumentKind::kDomain) {
    const auto domain = parse_mail_domain(text);
    return domain && !domain->starts_with('[') ? "" : fmt::format("'{}' is not a domain", printable(text));
  }
  if (argument.kind == ArgumentKind::kAlias && text.starts_with('@')) {
    if (parse_mail_domain(std::string_view(text).substr(1))) return {};
    return fmt::format("'{}' is not '@' and a domain", text);
  }
  const Result<Address> address = parse_address(text);
  if (address) return {};
  constexpr std::size_t kShown = 60;
  const std::string shown = text.size() > kShown ? text.substr(0, kShown) + "..." : text;
  return fmt::format("'{}': {}", shown, address.error().message);
}

// The same for a flag: "keep-mail", or "only=read" for a choice.
std::string flag_fault(const Command& command, std::string_view flag) {
  if (std::find(command.flags.begin(), command.flags.end(), flag) != command.flags.end()) return {};
  const std::string_view name = flag.substr(0, flag.find('='));
  for (const Choice& choice : command.choices) {
    if (choice.name != name) continue;
    const std::string_view value = flag.substr(std::min(name.size() + 1, flag.size()));
    if (std::find(choice.values.begin(), choice.values.end(), value) != choice.values.end()) return {};
    return fmt::format("'--{}' is one of: {}", choice.name, fmt::join(choice.values, ", "));
  }
  return fmt::format("'{}' has no option '--{}'", command.name, name);
}

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  const auto found =
      std::find_if(kCommands.begin(), kCommands.end(), [name](const Command& c) { return c.name == name; });
  return found == kCommands.end() ? nullptr : &*found;
}

std::string usage(const Command& command) {
  std::string text(command.name);
  if (command.secret == Secret::kPassword) text += " [--password-stdin]";
  for (const std::string_view flag : command.flags) text += fmt::format(" [--{}]", flag);
  for (const Choice& choice : command.choices)
    text += fmt::format(" [--{} {}]", choice.name, fmt::join(choice.values, "|"));
  for (const Argument& argument : command.arguments) {
    text += command.least == 0 ? fmt::format(" [{}]", argument.name) : fmt::format(" {}", argument.name);
  }
  if (command.most == kMany) text += "...";
  return text;
}

Report check_request(const Command& command, const Request& request) {
  const std::size_t count = request.arguments.size();
  if (count < command.least || count > command.most) {
    return misused(fmt::format("{} arguments: usage is 'mailstead {}'",
                               count < command.least ? "too few" : "too many", usage(command)));
  }
  for (const std::string& flag : request.flags) {
    if (const std::string wrong = flag_fault(command, flag); !wrong.empty()) return misused(wrong);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Argument& argument = command.arguments[std::min(i, command.arguments.size() - 1)];
    const std::string wrong = fault(argument, request.arguments[i]);
    if (!wrong.empty()) return misused(wrong);
  }
  return {};
}

}  // namespace mailstead::admin
