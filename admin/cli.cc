#include "admin/cli.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include "admin/command_line.h"
#include "admin/commands/config_commands.h"
#include "admin/dispatch.h"
#include "admin/doctor/doctor.h"
#include "admin/owner.h"
#include "admin/report.h"
#include "admin/text.h"
#include "admin/transfer/transfer.h"

namespace mailstead {

using namespace admin;

namespace {

int complain(const std::string& error, int exit_code) {
  std::fprintf(stderr, "mailstead: %s\n", error.c_str());
  return exit_code;
}

int print(const Report& report, OutputForm form) {
  if (report.exit_code != 0 && report.text.empty()) return complain(report.error, report.exit_code);
  const std::string out = form == OutputForm::kJson ? report.json + '\n' : report.text;
  const bool written = std::fwrite(out.data(), 1, out.size(), stdout) == out.size();
  if (!written || std::fflush(stdout) != 0) {
    return complain(fmt::format("cannot write the output: {}", std::strerror(errno)), 1);
  }
  return report.exit_code;
}

// The root of a container or a service binds the ports first: the server drops it later, by itself.
int run_server(const CommandLine& line, const std::function<int(const ServeRequest&)>& serve) {
  Result<Config> config = load_config({line.data, line.config_file});
  if (!config) return complain(printable(config.error().message), 1);
  return serve(ServeRequest{line.data, line.config_file, std::move(*config)});
}

Report run_config(const CommandLine& line) {
  if (const Result<void> became = become_owner(line.data); !became) return failed(became.error());
  const ConfigSource source{line.data, line.config_file};
  if (line.command->name == "config show") return show_config(source);
  if (line.command->name == "config check") return check_config(source);
  if (line.command->name == "config manual") return show_config_manual();
  return show_default_config();
}

// The server would have to wait for other people's name servers: so they are asked here.
Report run_dns_check(const CommandLine& line, const LookUp& look_up) {
  const Report records = dispatch(line);
  if (records.exit_code != 0) return records;
  const Result<Config> config = load_config({line.data, line.config_file});
  if (!config) return failed(config.error());
  return check_dns(records.json, config->resolver.servers, look_up);
}

Report run_client(const CommandLine& line, const CliServices& services) {
  const auto& arguments = line.request.arguments;
  if (line.command->name == "help") {
    return help_about(arguments.empty() ? "" : fmt::format("{}", fmt::join(arguments, " ")));
  }
  if (line.command->name == "completion") return completion_for(arguments[0]);
  if (line.command->name == "dns check")
    return run_dns_check(line, look_up_by(services.go_outside, kRoundPatience));
  if (line.command->name == "doctor") return doctor(line, {services.go_outside});
  if (line.command->needs == Needs::kTransfer) return run_transfer(line);
  return line.command->needs == Needs::kNothing ? run_config(line) : dispatch(line);
}

int run(int argc, char** argv, const CliServices& services) {
  const auto parsed = parse_command_line(argc, argv);
  if (const Report* end = std::get_if<Report>(&parsed)) return print(*end, OutputForm::kText);
  const CommandLine& line = std::get<CommandLine>(parsed);
  if (line.command->name == "serve") return run_server(line, services.serve);
  return print(run_client(line, services), line.form);
}

}  // namespace

int run_cli(int argc, char** argv, const CliServices& services) {
  try {
    return run(argc, argv, services);
  } catch (const std::exception& error) {
    return complain(printable(error.what()), 1);
  }
}

const char* version() {
  return MAILSTEAD_VERSION;
}

}  // namespace mailstead
