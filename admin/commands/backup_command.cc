// backup DIR

#include "storage/backup/backup.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "admin/file.h"
#include "admin/owner.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/store_access.h"
#include "admin/transfer/transfer.h"
#include "storage/accounts/secret_key.h"
#include "storage/backup/backup_prune.h"
#include "storage/backup/backup_trial.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kKeptByDefault = 7;
constexpr std::size_t kMostKept = 1000;
using BackupClock = std::chrono::steady_clock;

// What was done, for the report.
struct BackupReport {
  std::string folder;
  BackupSummary summary = {};
  Pruned pruned = {};
  std::optional<BackupTrial> trial = {};
  std::vector<std::string> remarks = {};
  BackupClock::time_point began = BackupClock::now();
  bool is_refused = false;  // the folder, before anything was tried

  // Of the backup that was made; what is wrong with earlier ones is said beside it. One that lacks what the
  // server has lost is as good as a backup can be.
  bool is_good() const { return summary.holds_what_there_is() && (!trial || trial->troubles.empty()); }
};

Result<void> with_callers_rights(const std::function<Result<void>()>& work) {
  const CallersRights rights;
  return work();
}

// nullopt: it is none.
std::optional<std::size_t> backups_to_keep(const Request& request) {
  const auto text = option_of(request, "keep");
  if (!text) return kKeptByDefault;
  std::size_t keep = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), keep);
  const bool is_number = problem == std::errc() && end == text->data() + text->size();
  return is_number && keep >= 1 && keep <= kMostKept ? std::optional(keep) : std::nullopt;
}

// One of the two would grow by itself, and a lost disk would lose both.
Result<void> check_apart(const std::string& data, const std::string& folder) {
  if (!is_inside(folder, data)) return {};
  return Error{ErrorKind::kInvalid,
               fmt::format("{} is inside the data folder {}: give a folder outside, best on "
                           "another disk",
                           folder, data)};
}

// "12 messages looked at, 3.1 MiB new"
TellProgress progress_on(Progress& progress, const std::string& done_with_them,
                         const std::string& octets_are) {
  return [&progress, done_with_them, octets_are](const BackupProgress& now) {
    progress.expect(now.total);
    progress.show(now.done, fmt::format("{} {}, {}{}", counted(now.done, "message"), done_with_them,
                                        size_text(now.octets), octets_are));
    return !Interruption::happened();
  };
}

// The store is open, or its server runs, for as long as the copy of the database takes.
Result<std::unique_ptr<Backup>> begin_with_store(const CommandLine& line, BackupFolder& folder,
                                                 const TellProgress& tell) {
  Request begin;
  begin.command = "folder begin";
  begin.arguments = {"backup"};
  auto store = StoreAccess::open(line, begin);
  if (!store && store.error().message.starts_with("unknown command")) {
    return Error{ErrorKind::kUnavailable,
                 "the running server is an older version of Mailstead; restart it, then make "
                 "the backup"};
  }
  if (!store) return store.error();
  BackupTerms terms;
  terms.data = line.data;
  terms.configuration = line.config_file;
  const std::string real = real_path_of(line.data);
  if (!real.empty() && real_path_of(line.config_file).starts_with(real + "/")) terms.configuration.clear();
  terms.as_caller = with_callers_rights;
  terms.tell = tell;
  return Backup::begin(folder, terms);
}

// The same for a folder also while its disk is not there, when nobody can say what its links lead to.
std::string whole_path(const std::string& folder) {
  std::error_code problem;
  const auto whole = std::filesystem::absolute(folder, problem);
  if (problem) return folder;
  std::string path = whole.lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// For `status`. That it could not be noted makes the backup no worse.
void note_in_store(const CommandLine& line, BackupReport& report) {
  Request done;
  done.command = "backup done";
  done.arguments = {std::to_string(report.summary.facts.at), whole_path(report.folder)};
  auto store = StoreAccess::open(line, done);
  if (!store)
    report.remarks.push_back("the server could not be told of the backup: " + store.error().message);
}

// So that the postmaster hears of it: a cron job's own mail may go nowhere. `refused` is a folder that no
// backup can go to; empty: it is none.
void tell_of_failure(const CommandLine& line, const std::string& why, const std::string& refused = {}) {
  Request failure;
  failure.command = "backup failed";
  failure.arguments = {why};
  if (!refused.empty()) failure.arguments.push_back(whole_path(refused));
  static_cast<void>(StoreAccess::open(line, failure));
}

// A backup that somebody believes to be whole is worse than none.
void note_missing_key(const BackupFolder& folder, BackupReport& report) {
  auto generation = open_folder(folder.fd(), report.summary.facts.generation);
  if (!generation || !stat_name(generation->fd(), kCredentialMark) ||
      stat_name(generation->fd(), kSecretKeyFile))
    return;
  report.remarks.push_back(fmt::format(
      "{} is a credential of the service and not in the backup: keep it elsewhere, too", kSecretKeyFile));
}

Result<void> make_backup(const CommandLine& line, std::size_t keep, BackupReport& report) {
  report.is_refused = true;
  if (auto apart = check_apart(line.data, report.folder); !apart) return apart;
  // Of who called, before this process takes the data folder's owner's part.
  auto opened = BackupFolder::open(report.folder, BackupFolder::Use::kWrite);
  if (!opened) return opened.error();
  report.is_refused = false;
  const std::unique_ptr<BackupFolder> folder = std::move(*opened);
  Progress progress("backup:", 0, speech_of(line));
  {
    auto backup = begin_with_store(line, *folder, progress_on(progress, "looked at", " new"));
    // Another server's: as if it had been seen at once.
    report.is_refused = !backup && backup.error().kind == ErrorKind::kExists;
    if (!backup) return backup.error();
    if (auto done = (*backup)->finish(); !done) return done;
    report.summary = (*backup)->summary();
  }
  const CallersRights rights;
  note_missing_key(*folder, report);
  auto pruned = prune_backups(*folder, keep, [] { return !Interruption::happened(); });
  if (pruned) {
    report.pruned = *pruned;
  } else if (pruned.error().kind == ErrorKind::kUnavailable) {
    report.remarks.push_back("older backups could not be removed: " + pruned.error().message);
  } else {
    report.pruned.troubles.push_back("older backups could not be removed: " + pruned.error().message);
  }
  if (!has_flag(line.request, "test")) return {};
  auto trial = try_backup(*folder, report.summary.facts.generation, progress_on(progress, "tested", ""));
  if (!trial) {
    Error error = trial.error();
    error.message = "the backup was made, but it could not be tested: " + error.message;
    return error;
  }
  report.trial = std::move(*trial);
  return {};
}

std::int64_t seconds_since(BackupClock::time_point began) {
  return std::chrono::duration_cast<std::chrono::seconds>(BackupClock::now() - began).count();
}

std::string sum_text(const MailSum& sum) {
  return fmt::format("{} ({})", sum.messages, size_text(sum.octets));
}

// "3 deleted (1.2 MiB), "; nothing where there are none.
std::string part_text(const MailSum& sum, std::string_view what) {
  if (sum.messages == 0) return {};
  return fmt::format("{} {} ({}), ", sum.messages, what, size_text(sum.octets));
}

std::string text_of(const BackupReport& report) {
  const BackupSummary& summary = report.summary;
  const BackupFacts& facts = summary.facts;
  Table table({Align::kLeft, Align::kLeft});
  table.add({"backup", report.folder + "/" + facts.generation});
  table.add({"mailboxes", std::to_string(facts.mailboxes)});
  table.add({"messages", fmt::format("{} ({})", facts.messages, size_text(facts.octets))});
  if (summary.deleted.messages > 0) table.add({"deleted", sum_text(summary.deleted) + ", can be restored"});
  if (summary.kept.messages > 0) table.add({"of removed mailboxes", sum_text(summary.kept)});
  const bool has_more = summary.deleted.messages > 0 || summary.kept.messages > 0;
  table.add({"new", fmt::format("{} ({}){}", counted(summary.new_messages, "message"),
                                size_text(summary.new_octets), has_more ? " of all these" : "")});
  table.add({"on their way out", counted(facts.queued, "message")});
  table.add({"time", span_text(seconds_since(report.began))});
  if (report.pruned.generations > 0) {
    table.add({"removed", fmt::format("{}, {} that no other one needs",
                                      counted(report.pruned.generations, "older backup"),
                                      counted(report.pruned.files, "message"))});
  }
  if (report.trial) {
    table.add(
        {"test",
         fmt::format("restored and read: {} ({}) of {}, {}{}{} on their way out",
                     counted(report.trial->messages, "message"), size_text(report.trial->octets),
                     counted(report.trial->mailboxes, "mailbox"), part_text(report.trial->deleted, "deleted"),
                     part_text(report.trial->kept, "of removed mailboxes"), report.trial->queued)});
  }
  std::string text = table.text();
  for (const std::string& remark : report.remarks) text += printable(remark) + '\n';
  text += lines_of("Left out, being no files", summary.left_out, summary.left_out.size());
  text +=
      lines_of("Something is wrong with the mail on the server", summary.troubles, summary.troubles.size());
  text += lines_of("Something is wrong with earlier backups", report.pruned.troubles,
                   report.pruned.troubles.size());
  if (report.trial) text += lines_of("The test found", report.trial->troubles, report.trial->troubles.size());
  return text;
}

// What the server itself has lost, and what to do.
std::string lost_text(const BackupSummary& summary) {
  std::string what;
  if (summary.lost > 0) what = fmt::format("of {}", counted(summary.lost, "message"));
  if (summary.lost_deleted > 0) {
    what +=
        fmt::format("{}of {}", what.empty() ? "" : " and ", counted(summary.lost_deleted, "deleted message"));
  }
  return fmt::format(
      "the backup was made and holds all that is there, but the files {} are gone from the server: "
      "'mailstead verify' names them, and with --repair counts them as gone",
      what);
}

Value trial_value(const std::optional<BackupTrial>& trial) {
  if (!trial) return {};
  return Value::Object{{"mailboxes", trial->mailboxes},
                       {"messages", trial->messages},
                       {"octets", trial->octets},
                       {"deleted_messages", trial->deleted.messages},
                       {"deleted_octets", trial->deleted.octets},
                       {"kept_messages", trial->kept.messages},
                       {"kept_octets", trial->kept.octets},
                       {"queued", trial->queued},
                       {"troubles", array_of(trial->troubles)}};
}

Value value_of(const BackupReport& report) {
  const BackupSummary& summary = report.summary;
  return Value::Object{{"backup", summary.facts.generation},
                       {"folder", report.folder},
                       {"at", time_value(summary.facts.at)},
                       {"mailboxes", summary.facts.mailboxes},
                       {"messages", summary.facts.messages},
                       {"octets", summary.facts.octets},
                       {"deleted_messages", summary.deleted.messages},
                       {"deleted_octets", summary.deleted.octets},
                       {"kept_messages", summary.kept.messages},
                       {"kept_octets", summary.kept.octets},
                       {"new_messages", summary.new_messages},
                       {"new_octets", summary.new_octets},
                       {"queued", summary.facts.queued},
                       {"deleted_meanwhile", summary.gone},
                       {"missing_before", summary.missing},
                       {"lost", summary.lost},
                       {"lost_deleted", summary.lost_deleted},
                       {"seconds", seconds_since(report.began)},
                       {"removed_backups", report.pruned.generations},
                       {"removed_files", report.pruned.files},
                       {"left_out", array_of(summary.left_out)},
                       {"troubles", array_of(summary.troubles)},
                       {"remarks", array_of(report.remarks)},
                       {"earlier_troubles", array_of(report.pruned.troubles)},
                       {"test", trial_value(report.trial)}};
}

}  // namespace

Report back_up(const CommandLine& line) {
  const auto keep = backups_to_keep(line.request);
  if (!keep) return misused(fmt::format("'--keep' is a number from 1 to {}", kMostKept));
  const Interruption interruption;
  BackupReport report{line.request.arguments[0]};
  if (auto made = make_backup(line, *keep, report); !made) {
    if (made.error().kind == ErrorKind::kUnavailable && Interruption::happened())
      return failed("interrupted; the same command goes on where it stopped");
    tell_of_failure(line, made.error().message, report.is_refused ? report.folder : std::string());
    return failed(made.error());
  }
  if (report.is_good()) {
    note_in_store(line, report);
    // The backup is made, and the postmaster hears all the same: each generation that goes from now on may be
    // the last one to hold this mail.
    if (report.summary.lost > 0) tell_of_failure(line, lost_text(report.summary));
  } else {
    const bool is_the_trials = report.summary.holds_what_there_is();
    const auto& troubles = is_the_trials ? report.trial->troubles : report.summary.troubles;
    tell_of_failure(line, troubles.front());
  }
  Report told = done(text_of(report), value_of(report));
  if (!report.is_good()) {
    const bool is_the_servers = !report.summary.holds_what_there_is();
    told.error = fmt::format("the backup was made, and not everything in it is as it should be: {}",
                             is_the_servers ? "'mailstead verify' tells what is wrong on the server, and "
                                              "mends it with --repair"
                                            : report.trial->troubles.front());
  } else if (!report.summary.troubles.empty()) {
    told.error = lost_text(report.summary);
  } else if (!report.pruned.troubles.empty()) {
    told.error = "the backup was made and is good; " + report.pruned.troubles.front();
  }
  if (!told.error.empty()) {
    told.exit_code = 1;
    // Beside the report: who sees only stderr hears why.
    std::fprintf(stderr, "mailstead: %s\n", printable(told.error).c_str());
  }
  return told;
}

}  // namespace mailstead::admin
