#include "admin/command_table.h"

#include <algorithm>
#include <array>

#include "admin/doctor/doctor.h"

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

constexpr std::string_view kPasswordHelp =
    "On a terminal the password is asked for twice and not shown; an empty one, or no\n"
    "terminal, makes a new password that is printed once.\n"
    "  --password-stdin  take the password from the first line of the standard input";

constexpr std::array kAddressAndWords = {Argument{"ADDRESS", ArgumentKind::kAddress}, Argument{"WORD"}};
constexpr std::array kFolderAndAddress = {Argument{"FOLDER"}, Argument{"ADDRESS", ArgumentKind::kAddress}};
constexpr std::array kFileAndAddress = {Argument{"FILE"}, Argument{"ADDRESS", ArgumentKind::kAddress}};
constexpr std::array kHostAndAddress = {Argument{"HOST"}, Argument{"ADDRESS", ArgumentKind::kAddress}};
constexpr std::array kAddressAndFolder = {Argument{"ADDRESS", ArgumentKind::kAddress}, Argument{"FOLDER"}};
constexpr std::array kAddressAndFile = {Argument{"ADDRESS", ArgumentKind::kAddress}, Argument{"FILE"}};
constexpr std::array kWord = {Argument{"WORD"}};
constexpr std::array<std::string_view, 2> kVerifyFlags = {"all", "repair"};
constexpr std::array<std::string_view, 1> kDryRun = {"dry-run"};
constexpr std::array kBackupFolder = {Argument{"DIR"}};
constexpr std::array kBackupMade = {Argument{"TIME"}, Argument{"DIR"}};
constexpr std::array kBackupFailed = {Argument{"WHY"}, Argument{"DIR"}};
constexpr std::array<std::string_view, 1> kTest = {"test"};
constexpr std::array kApple = {std::string_view("apple")};
constexpr std::array<std::string_view, 2> kWebLinkFlags = {"sessions", "end-sessions"};
constexpr std::array kNewest = {Choice{"newest", {}, "NUMBER"}};
constexpr std::array kKeep = {Choice{"keep", {}, "NUMBER"}};
constexpr std::array<std::string_view, 1> kStrict = {"strict"};
constexpr std::array kDoctorOptions = {Choice{"only", {}, "CHECK,...", doctor_check_ids},
                                       Choice{"probe", {}, "HOST:PORT,..."},
                                       Choice{"time-server", {}, "HOST"}};
constexpr std::array<std::string_view, 4> kRestoreFlags = {"list", "replace", "hold-queue", "without-queue"};
constexpr std::array kFrom = {Choice{"from", {}, "TIME"}};
constexpr std::array kMaildirOptions = {Choice{"folder", {}, "NAME"}, Choice{"uidl-format", {}, "FORMAT"}};
constexpr std::array<std::string_view, 4> kPop3Flags = {"dry-run", "delete", "insecure", "apop"};
constexpr std::array<std::string_view, 1> kForce = {"force"};
constexpr std::array<std::string_view, 3> kTlsChoices = {"implicit", "stls", "none"};
constexpr std::array kPop3Options = {Choice{"user", {}, "USER"}, Choice{"password-file", {}, "FILE"},
                                     Choice{"port", {}, "PORT"}, Choice{"tls", kTlsChoices}};

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
    Command{
        .name = "mailbox remove",
        .arguments = kAddress,
        .least = 1,
        .most = 1,
        .flags = kKeepMail,
        .again = Again::kUnsafe,
        .pieces = Pieces::kSteps,
        .besides = Besides::kTidyRemoved,
        .summary = "remove a mailbox with its mail",
        .detail =
            "  --keep-mail  its messages stay on the disk, in mail/DOMAIN/.kept-USER of the data folder.\n"
            "               Adding the address again brings them back, also for another person: who\n"
            "               does not want that moves this folder away first",
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
            .choices = kNewest,
            .pieces = Pieces::kArray,
            .summary = "list the messages of a mailbox",
            .detail =
                "  --deleted  those that were deleted and can be restored: when, by which device, and how\n"
                "             long they are kept ([pop3] deleted_kept_days)\n"
                "  --newest   only so many, the newest first; at most 500",
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
            .most = kManyArguments,
            .flags = kAllOrLast,
            .again = Again::kUnsafe,
            .pieces = Pieces::kParts,
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
            .most = kManyArguments,
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
    Command{.name = "domain remove",
            .arguments = kDomain,
            .least = 1,
            .most = 1,
            .again = Again::kUnsafe,
            .summary = "take no more mail for a domain: remove its aliases",
            .detail = "Its mailboxes are removed one by one before, by 'mailstead mailbox remove'.",
            .run = remove_domain},
    Command{.name = "queue list",
            .pieces = Pieces::kArray,
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
            .pieces = Pieces::kSteps,
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
    Command{
        .name = "web-link",
        .flags = kWebLinkFlags,
        .needs = Needs::kServer,
        .summary = "print a link into the administration page, for a browser",
        .detail =
            "It works once, within ten minutes. The page is at the listener listen.http; where that is\n"
            "another machine's loopback, lead its port to yours by ssh first.\n"
            "  --sessions      make none, and list who is in the page: since when, from where, when last\n"
            "                  used\n"
            "  --end-sessions  make none, and end all that others have opened",
        .run = make_web_link},
    Command{
        .name = "doctor",
        .flags = kStrict,
        .choices = kDoctorOptions,
        .needs = Needs::kNothing,
        .summary = "say whether the machine, the DNS and the network are as mail needs them",
        .detail =
            "Before the first start and after, with a server and without. It looks at the server's name, the "
            "DNS\n"
            "both ways, IPv6, port 25 out and in, the certificate, the clock, the disk, limits, DNS servers, "
            "DNS\n"
            "records, the data folder, and tries to send strangers' mail through the server. For each it "
            "says\n"
            "what was found, and what to do. It changes nothing, and takes a minute at most. The exit code "
            "is 1\n"
            "when there is a problem.\n"
            "  --only         some checks: configuration, server, data-folder, disk, file-limits, memory, "
            "clock,\n"
            "                 backup, hostname, dns-forward, dns-reverse, ipv6, resolver, dns-lists, "
            "dns-records,\n"
            "                 tls, ports, port-25-out, port-25-in, open-relay, client-addresses\n"
            "  --probe        mail servers to be reached on port 25, in place of Google's, Microsoft's and\n"
            "                 Yahoo's: domains, or HOST:PORT\n"
            "  --time-server  who is asked for the time (SNTP), in place of time.cloudflare.com\n"
            "  --strict       the exit code is 1 for warnings, too"},
    Command{.name = "client-card",
            .arguments = kAddress,
            .least = 1,
            .most = 1,
            .flags = kApple,
            .summary = "say how a mail program or a phone is set up for a mailbox",
            .detail = "  --apple  print a configuration profile for iPhone, iPad and Mac instead\n",
            .run = show_client_card},
    Command{.name = "metrics",
            .needs = Needs::kServer,
            .summary = "print what a monitor wants to know, in Prometheus' form",
            .detail = "The server gives the same to who asks for /metrics by HTTP ([listen] http).\n",
            .run = show_metrics},
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
    Command{.name = "tls show",
            .summary = "show the TLS certificate",
            .detail = "What its files hold, and whether that is what the running server shows.",
            .run = show_tls},
    Command{.name = "tls reload",
            .needs = Needs::kServer,
            .besides = Besides::kReadCertificates,
            .summary = "have the server read the certificates now",
            .detail =
                "It does so by itself within a minute of a change. This tells at once which one is in\n"
                "use, or why the new one cannot be used; the exit code is 1 then, and the server goes on\n"
                "with what it had.",
            .run = reload_tls},
    Command{
        .name = "tls renew",
        .flags = kForce,
        .needs = Needs::kServer,
        .again = Again::kUnsafe,
        .besides = Besides::kRenewCertificate,
        .summary = "get a new certificate from the authority now",
        .detail =
            "With [acme] the server does so by itself when a third of the certificate's time is left, and\n"
            "tries again by itself after a failure, later each time; this tries at once. 'mailstead tls "
            "show'\n"
            "tells how it went. Authorities limit how often they may be asked.\n"
            "  --force  also while the certificate is still good",
        .run = renew_tls},
    Command{.name = "tls others",
            .summary = "show how connections to other hosts came out, of the last month",
            .detail = "What their domains demand of encryption (MTA-STS, DANE), and whether it was there.",
            .run = show_tls_of_others},
    Command{
        .name = "import maildir",
        .arguments = kFolderAndAddress,
        .least = 2,
        .most = 2,
        .flags = kDryRun,
        .choices = kMaildirOptions,
        .needs = Needs::kTransfer,
        .summary = "bring the mail of a maildir into a mailbox",
        .detail =
            "FOLDER holds new/ and cur/: the maildir of Dovecot, Courier or another server. It is only "
            "read.\n"
            "Messages keep their order and time, and the UIDLs by which mail programs know them, so that\n"
            "none is fetched again: those of Dovecot's dovecot-uidlist, or without one the file names.\n"
            "It may be broken off at any time: given again it goes on where it stopped, and brings nothing\n"
            "twice; given once more later, it brings what is new. What was deleted here meanwhile does not\n"
            "come back. It works while the server runs, and no quota is in the way.\n"
            "  --dry-run      only say what would be brought\n"
            "  --folder       a subfolder of it, such as Sent, in place of the inbox\n"
            "  --uidl-format  Dovecot's pop3_uidl_format, where it was not %08Xu%08Xv: with %u %v %f %g",
    },
    Command{
        .name = "import mbox",
        .arguments = kFileAndAddress,
        .least = 2,
        .most = 2,
        .flags = kDryRun,
        .needs = Needs::kTransfer,
        .summary = "bring the mail of an mbox file into a mailbox",
        .detail =
            "FILE is one file with many messages, each behind a line \"From sender date\". It is only\n"
            "read. Messages keep their order, their time, and a UIDL that stands in an X-UIDL field.\n"
            "Another program's lock is waited for; of a file that grows meanwhile the last message is left\n"
            "out, since it may be cut off.\n"
            "It may be broken off at any time: given again it goes on where it stopped, and brings nothing\n"
            "twice; given once more later, it brings what is new. What was deleted here meanwhile does not\n"
            "come back. It works while the server runs, and no quota is in the way.\n"
            "  --dry-run  only say what would be brought"},
    Command{
        .name = "import pop3",
        .arguments = kHostAndAddress,
        .least = 2,
        .most = 2,
        .flags = kPop3Flags,
        .choices = kPop3Options,
        .needs = Needs::kTransfer,
        .summary = "fetch the mail of a mailbox on another server, by POP3",
        .detail =
            "Messages keep the UIDLs that the other server gave them, so that mail programs, when they are\n"
            "told of this server, fetch none again. They stay there unless --delete is given.\n"
            "It may be broken off at any time: given again it goes on where it stopped, and brings nothing\n"
            "twice; given once more later, it brings what is new. What was deleted here meanwhile does not\n"
            "come back. It works while the server runs, and no quota is in the way.\n"
            "The password is asked for on the terminal, unless it stands in the environment as\n"
            "MAILSTEAD_IMPORT_PASSWORD or in a file.\n"
            "  --user           the name to log in with there; default: ADDRESS\n"
            "  --password-file  its first line is the password; - is the standard input\n"
            "  --tls            implicit: from the start, port 995 (default); stls: after STLS, port 110;\n"
            "                   none: everybody on the way can read the password and the mail\n"
            "  --port           another port; what is there counts as another server\n"
            "  --insecure       do not check the server's certificate\n"
            "  --apop           log in with APOP, for an old server that offers it\n"
            "  --delete         delete there what is safely here, or was deleted here\n"
            "  --dry-run        only say what would be brought"},
    Command{
        .name = "export maildir",
        .arguments = kAddressAndFolder,
        .least = 2,
        .most = 2,
        .needs = Needs::kTransfer,
        .summary = "write the mail of a mailbox into a new maildir",
        .detail =
            "FOLDER is made, or holds an earlier export of the same mailbox, which then gets what is new.\n"
            "Its dovecot-uidlist tells Dovecot the UIDLs that mail programs know. Line ends become LF."},
    Command{.name = "export mbox",
            .arguments = kAddressAndFile,
            .least = 2,
            .most = 2,
            .needs = Needs::kTransfer,
            .summary = "write the mail of a mailbox into an mbox file",
            .detail = "FILE is made, or holds an earlier export of the same mailbox, which then gets what is "
                      "new; what\n"
                      "it holds stands in FILE.exported beside it. The form is mboxrd, with the UIDL in a "
                      "field X-UIDL."},
    Command{
        .name = "backup",
        .arguments = kBackupFolder,
        .least = 1,
        .most = 1,
        .flags = kTest,
        .choices = kKeep,
        .needs = Needs::kTransfer,
        .summary = "write a backup of everything into a folder",
        .detail =
            "DIR is made, or holds earlier backups of the same server: it gets what is new, and each\n"
            "backup in it is whole. It shows one moment: mailboxes, passwords, aliases, mail with its\n"
            "UIDLs, mail on its way out, keys and settings. It works while the server runs, and holds\n"
            "nobody's mail up. It may be broken off at any time: given again it goes on where it stopped.\n"
            "DIR holds mail and secrets: keep it on another disk, and from others' eyes.\n"
            "  --keep  how many backups stay in DIR, default 7; the oldest go\n"
            "  --test  restore it beside itself, and read and compare everything\n"
            "The exit code is 1 also when it was made and something is wrong on the server: a line on\n"
            "stderr says so. A DIR that is refused and never held a backup is not told to 'status'."},
    Command{
        .name = "restore",
        .arguments = kBackupFolder,
        .least = 1,
        .most = 1,
        .flags = kRestoreFlags,
        .choices = kFrom,
        .needs = Needs::kTransfer,
        .summary = "bring a backup back into the data folder",
        .detail =
            "The server has to be stopped. The data folder has to be empty or without any mailbox. Mail\n"
            "keeps its UIDLs, and people their passwords; mail programs fetch nothing again.\n"
            "  --list           only show which backups are in DIR\n"
            "  --from           which one, default: the newest\n"
            "  --replace        what is in the data folder is moved aside there; nothing is deleted\n"
            "  --hold-queue     mail on its way out waits until 'mailstead queue release': what was sent\n"
            "                   after the backup was made would be sent once more\n"
            "  --without-queue  mail on its way out is left out"},
    Command{
        .name = "verify",
        .flags = kVerifyFlags,
        .needs = Needs::kTransfer,
        .summary = "check that all mail is there and as it came",
        .detail =
            "Looks through the database, the mailboxes, their files and the queue while the server runs, "
            "and\n"
            "tells what is wrong and what to do. Of more than 10,000 messages it reads about 10,000 whole, "
            "other\n"
            "ones each time; of the rest it looks whether they are there, and how long.\n"
            "  --all     read every message whole\n"
            "  --repair  mend what can be mended. No mail is deleted: what is no mail any more goes to the\n"
            "            folder quarantine of its mailbox. A message that was changed is told by each check, "
            "until\n"
            "            the file that came is put in its place: that one is known"},
    Command{.name = "config show", .needs = Needs::kNothing, .summary = "print the values in force"},
    Command{.name = "config check",
            .needs = Needs::kNothing,
            .summary = "read the configuration and say what is wrong"},
    Command{
        .name = "config default", .needs = Needs::kNothing, .summary = "print every key with its default"},
    Command{.name = "config manual",
            .needs = Needs::kNothing,
            .summary = "print the manual page of the configuration file"},
    Command{.name = "completion",
            .arguments = kShell,
            .least = 1,
            .most = 1,
            .needs = Needs::kNothing,
            .summary = "print the completion script of a shell: bash, fish or zsh"},
    Command{.name = "help",
            .arguments = kHelpTopic,
            .least = 0,
            .most = 2,
            .needs = Needs::kNothing,
            .summary = "explain the commands, or one of them"},
};

constexpr std::array kTransferRequests = {
    Command{.name = "folder begin", .arguments = kWord, .least = 1, .most = 1, .run = begin_in_folder},
    Command{.name = "doctor facts", .run = tell_doctor},
    Command{.name = "verify judge", .run = judge_suspicions},
    Command{.name = "verify mend", .run = mend_database},
    Command{.name = "transfer begin",
            .arguments = kAddressAndWords,
            .least = 2,
            .most = 2,
            .run = begin_transfer},
    Command{.name = "import known",
            .arguments = kAddressAndWords,
            .least = 2,
            .most = 2,
            .run = tell_known_imports},
    Command{
        .name = "import spool", .arguments = kAddressAndWords, .least = 3, .most = 3, .run = spool_import},
    Command{
        .name = "import batch", .arguments = kAddressAndWords, .least = 2, .most = 2, .run = import_batch},
    Command{
        .name = "export batch", .arguments = kAddressAndWords, .least = 2, .most = 2, .run = export_batch},
    Command{
        .name = "export piece", .arguments = kAddressAndWords, .least = 4, .most = 4, .run = export_piece},
    Command{.name = "backup done", .arguments = kBackupMade, .least = 1, .most = 2, .run = note_backup},
    Command{.name = "backup failed",
            .arguments = kBackupFailed,
            .least = 1,
            .most = 2,
            .run = note_backup_failure},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  const auto found =
      std::find_if(kCommands.begin(), kCommands.end(), [name](const Command& c) { return c.name == name; });
  return found == kCommands.end() ? nullptr : &*found;
}

const Command* find_transfer_request(std::string_view name) {
  const auto found = std::find_if(kTransferRequests.begin(), kTransferRequests.end(),
                                  [name](const Command& c) { return c.name == name; });
  return found == kTransferRequests.end() ? nullptr : &*found;
}

}  // namespace mailstead::admin
