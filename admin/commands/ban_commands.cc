// ban list | remove

#include <fmt/format.h>

#include <ctime>

#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {

Report list_bans(const Request&, CommandContext& context) {
  if (context.bans == nullptr) return failed(no_server(context.data));
  const std::vector<Ban> bans = context.bans->bans();
  if (bans.empty()) return done("Nobody is banned.\n", Value::Array{});
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kRight});
  table.add({"NETWORK", "SINCE", "ENDS IN", "WRONG LOGINS", "REFUSED SINCE"});
  Value::Array array;
  for (const Ban& ban : bans) {
    table.add({ban.network, time_text(ban.since), span_text(ban.until - std::time(nullptr)),
               std::to_string(ban.wrong_logins), std::to_string(ban.refused)});
    array.push_back(Value::Object{{"network", ban.network},
                                  {"since", time_value(ban.since)},
                                  {"until", time_value(ban.until)},
                                  {"wrong_logins", ban.wrong_logins},
                                  {"refused", ban.refused}});
  }
  return done(table.text(), array);
}

Report lift_ban(const Request& request, CommandContext& context) {
  if (context.bans == nullptr) return failed(no_server(context.data));
  std::string network = request.arguments[0];
  // As `ban list` prints it.
  if (network.ends_with("/64")) network.resize(network.size() - 3);
  if (!context.bans->lift(network)) return failed(fmt::format("{} is not banned", request.arguments[0]));
  return done(fmt::format("{} may log in again.\n", request.arguments[0]),
              Value::Object{{"network", request.arguments[0]}});
}

}  // namespace mailstead::admin
