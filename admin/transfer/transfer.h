// import maildir | mbox | pop3, export maildir | mbox, backup, restore and verify: work of the command line,
// which asks the store's side (store_access.h) for each step. Blocking, for as long as it takes; Ctrl-C ends
// it between two steps.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/command_line.h"
#include "admin/progress.h"
#include "admin/report.h"
#include "admin/transfer/importer.h"
#include "admin/value.h"

namespace mailstead::admin {

// Of a command that is Needs::kTransfer.
Report run_transfer(const CommandLine& line);

Report import_maildir(const CommandLine& line);
Report import_mbox(const CommandLine& line);
Report import_pop3(const CommandLine& line);
Report export_maildir(const CommandLine& line);
Report export_mbox(const CommandLine& line);
Report verify(const CommandLine& line);
Report back_up(const CommandLine& line);
Report restore(const CommandLine& line);

// "folder=Sent" gives "Sent"; nullopt: the option was not given.
std::optional<std::string> option_of(const Request& request, std::string_view name);
Progress::Speech speech_of(const CommandLine& line);
// Is this place, which need not be there yet, the folder or in it?
bool is_inside(const std::string& place, const std::string& folder);
// kInvalid: it is. The next start would take an export there for mail, or for the configuration.
Result<void> check_export_place(const std::string& place, const std::string& data);

// What an import found and did, for its report.
struct ImportSummary {
  std::string from;     // "the maildir /home/anna/Maildir"
  std::string address;  // where to
  bool dry_run = false;
  ImportCounts counts = {};                // of a dry run: `brought` is what would be
  std::vector<std::string> skipped = {};   // what is no mail, and why
  std::vector<std::string> troubles = {};  // Importer::troubles()
  std::vector<std::string> remarks = {};   // sentences
  std::optional<Error> stopped = {};       // why it did not come to its end
};
Report report_of(const ImportSummary& summary);

struct ExportSummary {
  std::string address;
  std::string to;  // "the maildir /backup/anna"
  std::uint64_t written = 0;
  std::uint64_t octets = 0;  // of these, as they are here
  std::uint64_t there = 0;   // were exported before
  std::uint64_t lost = 0;    // deleted meanwhile, or not to be read
  std::vector<std::string> troubles = {};
  std::optional<Error> stopped = {};

  // Of one message. False: the export cannot go on.
  bool count(const Result<void>& added, const ExportItem& item);
};
Report report_of(const ExportSummary& summary);

Value::Array array_of(const std::vector<std::string>& lines);
// The title and, below it, the first of so many lines; empty when there are none.
std::string lines_of(std::string_view title, const std::vector<std::string>& lines, std::uint64_t count);

// The error of who was interrupted.
Error interrupted_error();

}  // namespace mailstead::admin
