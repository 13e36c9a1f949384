// restore DIR

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "admin/config/config.h"
#include "admin/owner.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/store_access.h"
#include "admin/transfer/transfer.h"
#include "storage/backup/backup_restore.h"
#include "storage/backup/restore_place.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMostLostTold = 20;
constexpr std::uint64_t kRoomBeside = 16u << 20;  // octets that a restored store needs to start

struct RestoreReport {
  std::string data;
  RestoreSummary summary = {};
  std::string replaced = {};
  bool kept_configuration = false;
  RestoredQueue queue = RestoredQueue::kSent;
};

Result<void> as_who_called(const std::function<Result<void>()>& work) {
  const CallersRights rights;
  return work();
}

std::string facts_line(const BackupFacts& facts) {
  return fmt::format("{} in {}, {}, {} on their way out", counted(facts.messages, "message"),
                     counted(facts.mailboxes, "mailbox"), size_text(facts.octets), facts.queued);
}

Value facts_value(const BackupFacts& facts) {
  return Value::Object{{"backup", facts.generation},   {"at", time_value(facts.at)},
                       {"mailboxes", facts.mailboxes}, {"messages", facts.messages},
                       {"octets", facts.octets},       {"queued", facts.queued},
                       {"schema", facts.schema}};
}

Report list_backups(const BackupFolder& folder) {
  const auto names = folder.generations();
  if (!names) return failed(names.error());
  Table table({Align::kLeft, Align::kLeft});
  Value::Array array;
  for (const std::string& name : *names) {
    const auto facts = folder.facts_of(name);
    table.add({name, facts ? facts_line(*facts) : facts.error().message});
    if (facts) array.emplace_back(facts_value(*facts));
  }
  return done(names->empty() ? "there is no backup\n" : table.text(), std::move(array));
}

RestoredQueue queue_of(const Request& request) {
  if (has_flag(request, "without-queue")) return RestoredQueue::kLeftOut;
  return has_flag(request, "hold-queue") ? RestoredQueue::kHeld : RestoredQueue::kSent;
}

Result<void> check_restore_room(const BackupFacts& facts, const RestorePlace& place) {
  const auto free = place.free_space();
  if (!free) return free.error();
  if (*free >= facts.octets + kRoomBeside) return {};
  return Error{
      ErrorKind::kNoSpace,
      fmt::format("the backup needs {}, and {} are free on the disk of the data folder; make room first",
                  size_text(facts.octets + kRoomBeside), size_text(*free))};
}

// The end of a restore that was broken off is finished before another one begins.
Result<void> fill_place(const CommandLine& line, const BackupFolder& folder, const std::string& generation,
                        RestorePlace& place, RestoreReport& report) {
  Progress progress("restore:", 0, speech_of(line));
  RestoreTerms terms;
  terms.as_caller = as_who_called;
  terms.queue = report.queue;
  terms.tell = [&progress](const BackupProgress& now) {
    progress.expect(now.total);
    progress.show(now.done, fmt::format("{}, {}", counted(now.done, "message"), size_text(now.octets)));
    return !Interruption::happened();
  };
  BackupFacts facts;
  auto read = as_who_called([&]() -> Result<void> {
    auto found = folder.facts_of(generation);
    if (!found) return found.error();
    facts = *std::move(found);
    return {};
  });
  if (!read) return read;
  if (auto room = check_restore_room(facts, place); !room) return room;
  auto filled = fill_from_backup(folder, generation, place.fd(), place.path(), terms);
  if (!filled) return filled.error();
  report.summary = *std::move(filled);
  return {};
}

std::string queue_words(const RestoreReport& report) {
  const std::uint64_t queued = report.summary.queued;
  if (report.queue == RestoredQueue::kLeftOut) return "left out";
  if (queued == 0) return "nothing";
  if (report.queue == RestoredQueue::kHeld)
    return fmt::format("{}, held: see 'mailstead queue list', 'mailstead queue release ID' sends one",
                       counted(queued, "message"));
  return fmt::format("{}; what was sent after the backup was made goes out once more",
                     counted(queued, "message"));
}

Report report_of_restore(const RestoreReport& report) {
  const RestoreSummary& summary = report.summary;
  Table table({Align::kLeft, Align::kLeft});
  table.add({"restored", fmt::format("the backup of {}", time_text(summary.facts.at))});
  table.add({"into", report.data});
  table.add({"mailboxes", std::to_string(summary.facts.mailboxes)});
  table.add({"messages", fmt::format("{} ({})", summary.facts.messages, size_text(summary.facts.octets))});
  table.add({"on their way out", queue_words(report)});
  if (!report.replaced.empty())
    table.add({"moved aside", fmt::format("what was there is in {}/{}", report.data, report.replaced)});
  std::string text = table.text();
  if (report.kept_configuration) text += "The mailstead.toml that was there stays; the backup has its own.\n";
  if (::geteuid() == 0)
    text += "The data folder belongs to root; a server that runs as another user cannot use it: chown -R\n";
  if (summary.lost > 0) {
    text += fmt::format("{} of the backup cannot be restored whole:\n", counted(summary.lost, "message"));
  }
  for (std::size_t i = 0; i < summary.troubles.size() && i < kMostLostTold; ++i)
    text += fmt::format("  {}\n", printable(summary.troubles[i]));
  text += "Start the server now: it takes everything in.\n";
  Value::Array troubles;
  for (const std::string& trouble : summary.troubles) troubles.emplace_back(trouble);
  Report told = done(std::move(text), Value::Object{{"backup", summary.facts.generation},
                                                    {"at", time_value(summary.facts.at)},
                                                    {"mailboxes", summary.facts.mailboxes},
                                                    {"messages", summary.facts.messages},
                                                    {"octets", summary.facts.octets},
                                                    {"files", summary.files},
                                                    {"queued", summary.queued},
                                                    {"lost", summary.lost},
                                                    {"replaced", report.replaced},
                                                    {"troubles", std::move(troubles)}});
  if (summary.lost > 0) {
    told.exit_code = 1;
    told.error = "not everything could be restored";
  }
  return told;
}

Report finish_earlier(RestorePlace& place) {
  if (auto finished = place.put_in_place(); !finished) return failed(finished.error());
  std::string text =
      "An earlier restore had been broken off at its end: it is finished now. Start the server: it takes "
      "everything in.\n";
  if (!place.replaced().empty())
    text += fmt::format("What was in the data folder before is in {} there.\n", place.replaced());
  return done(std::move(text), Value::Object{{"finished_earlier", true}, {"replaced", place.replaced()}});
}

Report restore_into(const CommandLine& line, const BackupFolder& folder, const std::string& generation) {
  if (auto entered = enter_folder(line.data, MissingFolder::kToBeMade, Rights::kLent); !entered)
    return failed(entered.error());
  const auto config = load_config({line.data, line.config_file});
  const std::string host = config ? config->hostname : "restore";
  const auto old_data = has_flag(line.request, "replace") ? OldData::kMoveAside : OldData::kRefuse;
  auto place = RestorePlace::open(line.data, host, old_data);
  if (!place) return failed(place.error());
  if ((*place)->is_whole()) return finish_earlier(**place);
  RestoreReport report{line.data};
  report.queue = queue_of(line.request);
  if (auto filled = fill_place(line, folder, generation, **place, report); !filled) {
    if (Interruption::happened()) return failed("interrupted; the data folder is as it was");
    return failed(filled.error().message + "; the data folder is as it was");
  }
  const bool has_own = ::access((line.data + "/mailstead.toml").c_str(), F_OK) == 0;
  if (auto placed = (*place)->put_in_place(); !placed) return failed(placed.error());
  report.replaced = (*place)->replaced();
  report.kept_configuration = has_own && (*place)->keeps_configuration();
  return report_of_restore(report);
}

}  // namespace

Report restore(const CommandLine& line) {
  if (has_flag(line.request, "hold-queue") && has_flag(line.request, "without-queue"))
    return misused("give either '--hold-queue' or '--without-queue'");
  const Interruption interruption;
  // Of who called, before this process takes the data folder's owner's part.
  auto folder = BackupFolder::open(line.request.arguments[0], BackupFolder::Use::kRead);
  if (!folder) return failed(folder.error());
  if (has_flag(line.request, "list")) return list_backups(**folder);
  const auto generation = (*folder)->choose(option_of(line.request, "from").value_or(""));
  if (!generation) return failed(generation.error());
  if (is_inside(line.data, (*folder)->path())) {
    return failed(fmt::format("the data folder {} is inside the folder of the backups: give another --data",
                              line.data));
  }
  return restore_into(line, **folder, *generation);
}

}  // namespace mailstead::admin
