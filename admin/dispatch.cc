#include "admin/dispatch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>

#include "admin/control.h"
#include "admin/new_password.h"
#include "admin/owner.h"
#include "admin/report.h"
#include "admin/text.h"
#include "admin/transfer/store_access.h"
#include "admin/transfer/transfer.h"
#include "storage/accounts/password.h"

namespace mailstead::admin {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr std::size_t kSweptTogether = 1000;

void note(const std::string& text) {
  std::fprintf(stderr, "mailstead: %s\n", printable(text).c_str());
}

// Has all pieces of a report made, by `run`, and puts them together.
template <typename Run>
Result<Report> in_pieces(const CommandLine& line, Request request, Run run) {
  Result<Report> whole = run(request);
  const Pieces pieces = line.command->pieces;
  std::vector<std::string> parts;  // of the JSON, with Pieces::kParts
  if (whole && pieces == Pieces::kParts && !whole->next.empty()) parts.push_back(whole->json);
  // People are shown the first piece of a list.
  const bool is_enough = pieces == Pieces::kArray &&
                         (line.form != OutputForm::kJson || option_of(request, "newest").has_value());
  while (whole && whole->exit_code == 0 && !whole->next.empty() && pieces != Pieces::kNone && !is_enough) {
    request.after = whole->next;
    Result<Report> more = run(request);
    if (!more || more->exit_code != 0 || pieces == Pieces::kSteps) {
      whole = std::move(more);
      continue;
    }
    if (pieces == Pieces::kParts) {
      parts.push_back(std::move(more->json));
      whole->text += more->text;
      whole->next = std::move(more->next);
      continue;
    }
    whole->next = std::move(more->next);
    if (more->json.size() <= 2) continue;  // "[]": what was behind has gone meanwhile
    whole->json.back() = ',';
    whole->json.append(more->json, 1);
  }
  if (whole && whole->exit_code == 0 && !parts.empty()) whole->json = json_joined(parts);
  return whole;
}

// In this process. kInUse: a server has the folder after all.
Result<Report> run_here(const CommandLine& line, const Request& request) {
  const Result<Config> config = load_config({line.data, line.config_file});
  if (!config) return config.error();
  RecoveryReport recovery;
  Result<std::unique_ptr<Store>> store = Store::open(store_options(line.data, *config), recovery);
  if (!store) return std::move(store).error();
  for (const std::string& action : recovery.actions) note("recovery: " + action);
  CommandContext context{**store, *config, line.data, nullptr, nullptr};
  const auto run = [&context](const Request& piece) -> Result<Report> { return run_command(piece, context); };
  Report report = *in_pieces(line, request, run);
  // As a server does. The next command would call the removal an interrupted one.
  if (line.command->besides == Besides::kTidyRemoved) {
    for (auto more = Result<bool>(true); more && *more;) more = (*store)->sweep_removed(kSweptTogether);
  }
  // What the command did is durable already; an unmarked close costs the next start a look around.
  if (const Result<void> closed = (*store)->close(); !closed) note(closed.error().message);
  return report;
}

// A server that starts has the lock and no socket yet, one that stops has no socket and the lock still: so
// try both in turn.
Report run_somewhere(const CommandLine& line, const Request& request) {
  const auto deadline = Clock::now() + kPatience;
  while (true) {
    const auto call = [&line](const Request& piece) { return call_server(line.data, piece); };
    Result<Report> answer = in_pieces(line, request, call);
    if (answer) return std::move(*answer);
    const Error& error = answer.error();
    const bool lost = error.kind == ErrorKind::kIo;
    const bool late = error.kind == ErrorKind::kUnavailable;
    if ((lost || late) && line.command->again == Again::kUnsafe) {
      return failed(error.message + "; look whether it was done before you try again");
    }
    if (error.kind != ErrorKind::kNotFound && !lost) return failed(error);
    if (line.command->needs == Needs::kServer) return failed(lost ? error.message : no_server(line.data));
    Result<Report> report = run_here(line, request);
    if (report) return std::move(*report);
    if (report.error().kind != ErrorKind::kInUse || Clock::now() >= deadline) {
      return failed(lost ? error : report.error());
    }
    std::this_thread::sleep_for(kPause);
  }
}

// Nobody is asked for a password twice only to hear that there is no such mailbox, or that there is one. The
// command itself still decides.
std::optional<Report> in_vain(const CommandLine& line) {
  if (line.command->mailbox == Mailbox::kAny || line.password_stdin || ::isatty(STDIN_FILENO) != 1) return {};
  std::error_code problem;
  if (std::filesystem::is_empty(line.data, problem)) return {};  // to look would make the store
  CommandLine look = line;
  look.command = find_command("mailbox show");
  look.request.command = look.command->name;
  Report report = run_somewhere(look, look.request);
  const bool there = report.exit_code == 0;
  if (line.command->mailbox == Mailbox::kNew) {
    if (!there) return {};
    return failed(fmt::format("the mailbox {} exists already", line.request.arguments.front()));
  }
  if (there) return {};
  return report;
}

Report with_password(Report report, const std::string& password) {
  report.text += fmt::format("The password, shown only this once: {}\n", password);
  report.json = json_with(report.json, "password", password);
  return report;
}

}  // namespace

Report dispatch(const CommandLine& line) {
  const auto missing =
      line.command->needs == Needs::kFolder ? MissingFolder::kToBeMade : MissingFolder::kRefused;
  if (const Result<void> entered = enter_folder(line.data, missing); !entered) return failed(entered.error());
  if (line.command->secret == Secret::kNone) return run_somewhere(line, line.request);

  if (std::optional<Report> refusal = in_vain(line)) return *std::move(refusal);
  const Result<NewPassword> password =
      new_password(line.password_stdin ? PasswordSource::kStandardInput : PasswordSource::kTerminalOrNew);
  if (!password) {
    return password.error().kind == ErrorKind::kInvalid ? misused(password.error().message)
                                                        : failed(password.error());
  }
  Result<std::string> hash = hash_password(password->text);
  if (!hash) return failed(hash.error());
  Request request = line.request;
  request.secret = std::move(*hash);
  Report report = run_somewhere(line, request);
  const bool shown = report.exit_code == 0 && password->generated;
  return shown ? with_password(std::move(report), password->text) : report;
}

}  // namespace mailstead::admin
