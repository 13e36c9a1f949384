#include "server/command_runner.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "admin/command_table.h"
#include "admin/request.h"
#include "admin/transfer/import_spools.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostLogged = 1000;  // octets of arguments

}  // namespace

CommandRunner::CommandRunner(Context context)
    : context_(std::move(context)), spools_(std::make_shared<admin::ImportSpools>()) {}

CommandRunner::~CommandRunner() = default;

bool CommandRunner::run(Request request, std::function<bool()> is_wanted,
                        std::function<void(const Report&)> done, std::string from) {
  const admin::Command* const command = admin::find_command(request.command);
  const admin::Besides besides = command == nullptr ? admin::Besides::kNothing : command->besides;
  if (besides == admin::Besides::kReadCertificates) context_.reload_certificates();
  auto report = std::make_shared<Report>();
  auto asked = std::make_shared<const Request>(std::move(request));
  const auto work = [report, asked, is_wanted = std::move(is_wanted), data = context_.data,
                     config = context_.config(), facts = context_.facts(), &bans = context_.bans,
                     &refusals = context_.refusals, spools = spools_,
                     web_links = context_.web_links](Store& store) {
    if (is_wanted && !is_wanted()) {
      report->exit_code = 1;
      report->error = "not done: the caller went away before its turn";
      return;
    }
    CommandContext context{store, config, data, &facts, &bans, &refusals, spools.get(), web_links};
    *report = run_command(*asked, context);
  };
  return context_.storage.post(work, [this, report, asked, besides, from = std::move(from),
                                      done = std::move(done)] {
    note(*asked, *report, from);
    done(*report);
    if (besides == admin::Besides::kTidyRemoved) context_.storage.tidy_removed();
    if (besides == admin::Besides::kRenewCertificate && report->exit_code == 0) {
      context_.renew(admin::has_flag(*asked, "force") ? Acme::Renewal::kInAnyCase : Acme::Renewal::kIfNeeded);
    }
    context_.done();
  });
}

// Of what goes on in pieces, the beginning is logged, and what goes wrong; of what a monitor or an open page
// asks for all the time, what goes wrong.
void CommandRunner::note(const Request& request, const Report& report, const std::string& from) {
  const bool goes_on = !request.after.empty() || (request.command != "transfer begin" &&
                                                  admin::find_transfer_request(request.command) != nullptr);
  const bool is_asked_often = request.command == "metrics" || request.command == "status";
  if ((goes_on || is_asked_often) && report.exit_code == 0) return;
  std::string arguments = fmt::format("{}", fmt::join(request.arguments, " "));
  if (arguments.size() > kMostLogged) arguments = arguments.substr(0, kMostLogged) + " ...";
  std::vector<LogField> fields = {
      {"command", request.command}, {"arguments", arguments}, {"exit", fmt::format("{}", report.exit_code)}};
  if (!from.empty()) fields.push_back({"from", from});
  if (!report.error.empty()) fields.push_back({"error", report.error});
  context_.log.info("command", fields);
}

}  // namespace mailstead
