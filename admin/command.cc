#include "admin/command.h"

#include <fmt/format.h>

#include "admin/command_table.h"
#include "admin/report.h"

namespace mailstead {

// Requests come over the socket too: what the command line has checked is checked again.
Report run_command(const Request& request, CommandContext& context) {
  const admin::Command* command = admin::find_command(request.command);
  if (command == nullptr) command = admin::find_transfer_request(request.command);
  if (command == nullptr || command->run == nullptr) {
    return admin::misused(fmt::format("unknown command '{}'", request.command));
  }
  Report checked = admin::check_request(*command, request);
  if (checked.exit_code != 0) return checked;
  if (!request.after.empty() && command->pieces == admin::Pieces::kNone) {
    return admin::misused(fmt::format("'{}' is not run in pieces", request.command));
  }
  if (!request.content.empty() && admin::find_transfer_request(request.command) == nullptr) {
    return admin::misused(fmt::format("'{}' takes no content", request.command));
  }
  // A hash, never a password: "$scrypt$…".
  const bool hash = request.secret.starts_with('$') && request.secret.size() <= 1024;
  if (command->secret == admin::Secret::kPassword ? !hash : !request.secret.empty()) {
    return admin::misused(fmt::format("'{}' came with a wrong password hash", request.command));
  }
  return command->run(request, context);
}

}  // namespace mailstead
