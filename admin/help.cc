// help [COMMAND], from the table of commands

#include <fmt/format.h>

#include "admin/cli.h"
#include "admin/command_line.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::string_view kOptions =
    "Options, before or after the command:\n"
    "  --data DIR     the data folder (MAILSTEAD_DATA; default /var/lib/mailstead)\n"
    "  --config FILE  the configuration (MAILSTEAD_CONFIG; default DIR/mailstead.toml, if it is there)\n"
    "  --json         print JSON\n"
    "  --version      print the version\n"
    "  -h, --help     print this, or the help of a command\n";

std::string list(std::string_view prefix) {
  Table table({Align::kLeft, Align::kLeft});
  for (const Command& command : commands()) {
    if (command.name.starts_with(prefix)) table.add({usage(command), std::string(command.summary)});
  }
  return table.text(2);
}

std::string overview() {
  return fmt::format(
      "Mailstead {}, a mail server for SMTP and POP3.\n\n"
      "Usage: mailstead [--data DIR] [--config FILE] [--json] COMMAND\n\n"
      "Commands:\n{}\n{}\n"
      "Exit status: 0 done, 1 it could not be done, 2 wrong usage.\n",
      version(), list(""), kOptions);
}

std::string about(const Command& command) {
  std::string text = fmt::format("Usage: mailstead {}\n\n{}\n", usage(command), command.summary);
  if (!command.detail.empty()) text += fmt::format("\n{}\n", command.detail);
  return text;
}

}  // namespace

Report help_about(const std::string& topic) {
  std::string text;
  if (topic.empty()) {
    text = overview();
  } else if (const Command* command = find_command(topic)) {
    text = about(*command);
  } else {
    const std::string group = list(topic + ' ');
    if (group.empty()) return misused(fmt::format("there is no command '{}'; see 'mailstead help'", topic));
    text = fmt::format("Usage: mailstead {} ...\n\n{}", topic, group);
  }
  const Value json = Value::Object{{"help", text}};
  return done(std::move(text), json);
}

}  // namespace mailstead::admin
