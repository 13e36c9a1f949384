// The table of commands: the command line, its help and completion, the checks before anything is touched,
// and the running of a command all go by it. Constant data and pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/command.h"

namespace mailstead::admin {

enum class ArgumentKind {
  kAddress,  // a mail address
  kAlias,    // a mail address, or "@domain"
  kDevice,   // the name of an app password
  kQuota,    // a size, "none" or "default"
  kNetwork,  // an IP address, or what `ban list` calls a network
  kDomain,   // a domain name
  kWord,     // anything
};

struct Argument {
  std::string_view name;  // "ADDRESS"
  ArgumentKind kind = ArgumentKind::kWord;
};

// Targets of one alias, messages to restore: at most so many arguments, in the help "...".
inline constexpr std::size_t kManyArguments = 1000;

// An option that takes one of a few words: "--only read" goes with the request as the flag "only=read".
// Without values it takes any, and `word` stands for it in the help.
struct Choice {
  std::string_view name = {};
  std::span<const std::string_view> values = {};
  std::string_view word = {};
  // Of one that takes several with commas between: what completion offers. The command itself judges them.
  std::vector<std::string_view> (*listed)() = nullptr;
};

enum class Needs {
  kNothing,   // answered by the command line itself
  kStore,     // the data folder, which must be there
  kFolder,    // the data folder, made when it is missing
  kServer,    // a running server
  kTransfer,  // the data folder; the command line works, and asks the store's side in many requests
};

// What a server does besides, which the command cannot do where it runs.
enum class Besides {
  kNothing,
  kReadCertificates,  // before: the command tells what came of it
  kRenewCertificate,  // when it is done: by `force` in any case
  kTidyRemoved,       // behind it, also when it failed half-way
};

// What a second run of the same request does, when the answer to the first was lost.
enum class Again { kHarmless, kUnsafe };

enum class Secret { kNone, kPassword };

// Whose report has more behind it (Report::next): how the pieces make one.
enum class Pieces {
  kNone,
  kArray,  // JSON arrays, one behind the other; the text of the first is for people
  kSteps,  // the last one tells of all
  kParts,  // texts one behind the other, and JSON objects whose arrays go on; the rest as the last one says
};

// What has to hold of the address, as far as somebody should hear of it before he thinks of a password.
enum class Mailbox { kAny, kNew, kThere };

struct Command {
  std::string_view name = {};  // "mailbox add"
  std::span<const Argument> arguments = {};
  std::size_t least = 0;  // arguments
  std::size_t most = 0;
  std::span<const std::string_view> flags = {};  // without the dashes, sent with the request
  std::span<const Choice> choices = {};
  Needs needs = Needs::kStore;
  Again again = Again::kHarmless;
  Secret secret = Secret::kNone;
  Mailbox mailbox = Mailbox::kAny;
  Pieces pieces = Pieces::kNone;
  Besides besides = Besides::kNothing;
  std::string_view summary = {};                             // one line
  std::string_view detail = {};                              // more for `help COMMAND`; may be empty
  Report (*run)(const Request&, CommandContext&) = nullptr;  // null: Needs::kNothing and kTransfer
};

// In the order of the help.
std::span<const Command> commands();
const Command* find_command(std::string_view name);
// What commands that are Needs::kTransfer ask for (transfer_wire.h); nobody types it.
const Command* find_transfer_request(std::string_view name);

// Counts, flags and the form of each argument. exit_code 2 with what is wrong, or 0.
Report check_request(const Command& command, const Request& request);

// "mailbox add ADDRESS", "alias add ALIAS TARGET..."
std::string usage(const Command& command);

// Why there is no status: no server runs on this data folder, and how to start it.
std::string no_server(const std::string& data);

// The commands' functions, one file for each family. The request has been checked.
Report add_mailbox(const Request& request, CommandContext& context);
Report list_mailboxes(const Request& request, CommandContext& context);
Report show_mailbox(const Request& request, CommandContext& context);
Report remove_mailbox(const Request& request, CommandContext& context);
Report set_password(const Request& request, CommandContext& context);
Report disable_mailbox(const Request& request, CommandContext& context);
Report enable_mailbox(const Request& request, CommandContext& context);
Report set_quota(const Request& request, CommandContext& context);
Report add_app_password(const Request& request, CommandContext& context);
Report list_app_passwords(const Request& request, CommandContext& context);
Report revoke_app_password(const Request& request, CommandContext& context);
Report list_messages(const Request& request, CommandContext& context);
Report show_message(const Request& request, CommandContext& context);
Report restore_messages(const Request& request, CommandContext& context);
Report explain(const Request& request, CommandContext& context);
Report begin_in_folder(const Request& request, CommandContext& context);
Report judge_suspicions(const Request& request, CommandContext& context);
Report mend_database(const Request& request, CommandContext& context);
Report list_queue(const Request& request, CommandContext& context);
Report show_queued(const Request& request, CommandContext& context);
Report retry_queue(const Request& request, CommandContext& context);
Report hold_queued(const Request& request, CommandContext& context);
Report release_queued(const Request& request, CommandContext& context);
Report drop_queued(const Request& request, CommandContext& context);
Report add_alias(const Request& request, CommandContext& context);
Report list_aliases(const Request& request, CommandContext& context);
Report remove_alias(const Request& request, CommandContext& context);
Report list_domains(const Request& request, CommandContext& context);
Report remove_domain(const Request& request, CommandContext& context);
Report make_web_link(const Request& request, CommandContext& context);
Report show_status(const Request& request, CommandContext& context);
Report tell_doctor(const Request& request, CommandContext& context);
Report show_metrics(const Request& request, CommandContext& context);
Report show_client_card(const Request& request, CommandContext& context);
Report list_bans(const Request& request, CommandContext& context);
Report lift_ban(const Request& request, CommandContext& context);
Report show_dns_records(const Request& request, CommandContext& context);
Report show_dkim(const Request& request, CommandContext& context);
Report rotate_dkim(const Request& request, CommandContext& context);
Report show_tls(const Request& request, CommandContext& context);
Report reload_tls(const Request& request, CommandContext& context);
Report renew_tls(const Request& request, CommandContext& context);
Report show_tls_of_others(const Request& request, CommandContext& context);
Report begin_transfer(const Request& request, CommandContext& context);
Report tell_known_imports(const Request& request, CommandContext& context);
Report spool_import(const Request& request, CommandContext& context);
Report import_batch(const Request& request, CommandContext& context);
Report export_batch(const Request& request, CommandContext& context);
Report export_piece(const Request& request, CommandContext& context);
Report note_backup(const Request& request, CommandContext& context);
Report note_backup_failure(const Request& request, CommandContext& context);

}  // namespace mailstead::admin
