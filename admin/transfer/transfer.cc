#include "admin/transfer/transfer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "admin/file.h"
#include "admin/request.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMostLinesTold = 20;

std::string sentences(const ImportSummary& summary) {
  const ImportCounts& counts = summary.counts;
  std::string text = fmt::format(
      "{} {} ({}) from {} into {}.\n", summary.dry_run ? "Would import" : "Imported",
      counted(counts.brought, "message"), size_text(counts.octets), printable(summary.from), summary.address);
  if (counts.there > 0) {
    text += fmt::format("{} {} imported before.\n", counted(counts.there, "message"),
                        counts.there == 1 ? "was" : "were");
  }
  if (counts.renamed > 0) {
    text += fmt::format(
        "{} got another UIDL, since a message in the mailbox has, or had, the same one: mail programs\n"
        "fetch {} once more.\n",
        counted(counts.renamed, "message"), counts.renamed == 1 ? "it" : "them");
  }
  for (const std::string& remark : summary.remarks) text += printable(remark) + '\n';
  text += lines_of(fmt::format("{} left out", counted(summary.skipped.size(), "file")), summary.skipped,
                   summary.skipped.size());
  text += lines_of(fmt::format("{} could not be imported", counted(counts.failed, "message")),
                   summary.troubles, counts.failed);
  if (summary.stopped) text += fmt::format("Stopped: {}.\n", printable(summary.stopped->message));
  return text;
}

}  // namespace

Value::Array array_of(const std::vector<std::string>& lines) {
  Value::Array array;
  for (const std::string& line : lines) array.emplace_back(line);
  return array;
}

std::string lines_of(std::string_view title, const std::vector<std::string>& lines, std::uint64_t count) {
  if (lines.empty()) return {};
  std::string text = fmt::format("{}:\n", title);
  const std::size_t shown = std::min(lines.size(), kMostLinesTold);
  for (std::size_t i = 0; i < shown; ++i) text += fmt::format("  {}\n", printable(lines[i]));
  if (count > shown) text += fmt::format("  and {} more\n", count - shown);
  return text;
}

Report run_transfer(const CommandLine& line) {
  const std::string_view name = line.command->name;
  if (name == "import maildir") return import_maildir(line);
  if (name == "import mbox") return import_mbox(line);
  if (name == "import pop3") return import_pop3(line);
  if (name == "export maildir") return export_maildir(line);
  if (name == "verify") return verify(line);
  if (name == "backup") return back_up(line);
  if (name == "restore") return restore(line);
  return export_mbox(line);
}

std::optional<std::string> option_of(const Request& request, std::string_view name) {
  const std::string start = std::string(name) + '=';
  for (const std::string& flag : request.flags) {
    if (flag.starts_with(start)) return flag.substr(start.size());
  }
  return std::nullopt;
}

// What is not there yet will be in what is.
bool is_inside(const std::string& place, const std::string& folder) {
  const std::string real = real_path_of(folder);
  std::string there = place;
  while (real_path_of(there).empty()) {
    const std::size_t slash = there.find_last_of('/');
    there = slash == std::string::npos || slash == 0 ? (slash == 0 ? "/" : ".") : there.substr(0, slash);
  }
  return !real.empty() && (real_path_of(there) + "/").starts_with(real + "/");
}

Result<void> check_export_place(const std::string& place, const std::string& data) {
  if (!is_inside(place, data)) return {};
  return Error{ErrorKind::kInvalid, printable(place) + " is inside the data folder: give a place outside"};
}

Progress::Speech speech_of(const CommandLine& line) {
  return line.form == OutputForm::kJson ? Progress::Speech::kQuiet : Progress::Speech::kAloud;
}

Report report_of(const ImportSummary& summary) {
  const ImportCounts& counts = summary.counts;
  Report report =
      done(sentences(summary),
           Value::Object{{"dry_run", summary.dry_run},
                         {"imported", counts.brought},
                         {"octets", counts.octets},
                         {"imported_before", counts.there},
                         {"other_uidl", counts.renamed},
                         {"failed", counts.failed},
                         {"skipped", array_of(summary.skipped)},
                         {"troubles", array_of(summary.troubles)},
                         {"remarks", array_of(summary.remarks)},
                         {"complete", !summary.stopped.has_value()},
                         {"stopped", summary.stopped ? Value(summary.stopped->message) : Value()}});
  if (summary.stopped || counts.failed > 0) {
    report.exit_code = 1;
    report.error = summary.stopped ? summary.stopped->message : "not everything could be imported";
  }
  return report;
}

bool ExportSummary::count(const Result<void>& added, const ExportItem& item) {
  if (added) {
    ++written;
    octets += item.entry.size;
    return true;
  }
  if (added.error().kind != ErrorKind::kNotFound) {
    stopped = added.error();
    return false;
  }
  ++lost;
  if (troubles.size() < kMostLinesTold) troubles.push_back(item.entry.uidl + ": " + added.error().message);
  return true;
}

Report report_of(const ExportSummary& summary) {
  std::string text = fmt::format("Exported {} ({}) of {} into {}.\n", counted(summary.written, "message"),
                                 size_text(summary.octets), summary.address, printable(summary.to));
  if (summary.there > 0) {
    text += fmt::format("{} {} exported before.\n", counted(summary.there, "message"),
                        summary.there == 1 ? "was" : "were");
  }
  text += lines_of(fmt::format("{} could not be read", counted(summary.lost, "message")), summary.troubles,
                   summary.lost);
  if (summary.stopped) text += fmt::format("Stopped: {}.\n", printable(summary.stopped->message));
  Report report =
      done(std::move(text),
           Value::Object{{"exported", summary.written},
                         {"octets", summary.octets},
                         {"exported_before", summary.there},
                         {"failed", summary.lost},
                         {"troubles", array_of(summary.troubles)},
                         {"complete", !summary.stopped.has_value()},
                         {"stopped", summary.stopped ? Value(summary.stopped->message) : Value()}});
  if (summary.stopped || summary.lost > 0) {
    report.exit_code = 1;
    report.error = summary.stopped ? summary.stopped->message : "not everything could be exported";
  }
  return report;
}

Error interrupted_error() {
  return Error{ErrorKind::kUnavailable, "interrupted; the same command goes on where it stopped"};
}

}  // namespace mailstead::admin
