// The words and options of one call of the program. The only place that knows the option library.
#pragma once

#include <string>
#include <variant>

#include "admin/command_table.h"

namespace mailstead::admin {

enum class OutputForm { kText, kJson };

struct CommandLine {
  std::string data;         // --data, MAILSTEAD_DATA, /var/lib/mailstead
  std::string config_file;  // --config, MAILSTEAD_CONFIG; may be empty
  OutputForm form = OutputForm::kText;
  bool password_stdin = false;
  const Command* command = nullptr;
  Request request;  // checked; without a secret
};

// What is to be run, or the end already: help, the version, or what is wrong with the usage.
std::variant<CommandLine, Report> parse_command_line(int argc, char** argv);

// "mailbox", "mailbox add": what `help` says about it; exit code 2 for what is no command.
Report help_about(const std::string& topic);

// The completion script for `shell`; exit code 2 for one that there is none for.
Report completion_for(const std::string& shell);

}  // namespace mailstead::admin
