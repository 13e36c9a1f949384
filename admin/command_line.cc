#include "admin/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "admin/cli.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr const char* kDefaultData = "/var/lib/mailstead";

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// Every option is known wherever it stands; whether the command has it is checked against the table
// afterwards.
struct Options {
  CommandLine line;
  std::vector<std::string> words;
  bool json = false, help = false, version = false;
  std::map<std::string, bool> flags;
  std::map<std::string, std::string> choices;  // empty: not given
};

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

bool is_group(const std::string& word) {
  const auto all = commands();
  return std::any_of(all.begin(), all.end(), [prefix = word + ' '](const Command& command) {
    return command.name.starts_with(prefix);
  });
}

Report unknown_command(const std::vector<std::string>& words) {
  if (words.empty()) return misused("a command is missing; see 'mailstead help'");
  const bool group = is_group(words[0]);
  if (group && words.size() == 1) {
    return misused(fmt::format("'{}' needs another word; see 'mailstead help {}'", words[0], words[0]));
  }
  std::set<std::string> known;
  for (const Command& command : commands()) {
    const std::string name(command.name);
    known.insert(group ? name : name.substr(0, name.find(' ')));
  }
  const std::string typed = group ? words[0] + ' ' + words[1] : words[0];
  const std::string near = nearest(typed, {known.begin(), known.end()});
  return misused(near.empty() ? fmt::format("unknown command '{}'; see 'mailstead help'", typed)
                              : fmt::format("unknown command '{}'; did you mean '{}'?", typed, near));
}

Report unknown_option(const std::string& option) {
  std::vector<std::string> known = {"--data", "--config",  "--json",
                                    "--help", "--version", "--password-stdin"};
  for (const Command& command : commands()) {
    for (const std::string_view flag : command.flags) known.push_back("--" + std::string(flag));
    for (const Choice& choice : command.choices) known.push_back("--" + std::string(choice.name));
  }
  const std::string near = nearest(option, known);
  return misused(near.empty() ? fmt::format("unknown option '{}'; see 'mailstead help'", option)
                              : fmt::format("unknown option '{}'; did you mean '{}'?", option, near));
}

// The library's exceptions end here. No report: parsed.
std::optional<Report> parse_options(int argc, char** argv, Options& options) {
  CLI::App app;
  app.set_help_flag();
  app.add_option("words", options.words);
  app.add_option("--data", options.line.data);
  app.add_option("--config", options.line.config_file);
  app.add_flag("--json", options.json);
  app.add_flag("-h,--help", options.help);
  app.add_flag("--version", options.version);
  app.add_flag("--password-stdin", options.line.password_stdin);
  for (const Command& command : commands()) {
    for (const std::string_view flag : command.flags) options.flags.try_emplace(std::string(flag), false);
    for (const Choice& choice : command.choices) options.choices.try_emplace(std::string(choice.name));
  }
  for (auto& [name, given] : options.flags) app.add_flag("--" + name, given);
  for (auto& [name, value] : options.choices) app.add_option("--" + name, value);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app.remaining();
    return unknown_option(extras.empty() ? "" : extras[0]);
  } catch (const CLI::ParseError& error) {
    return misused(error.what());
  }
  return std::nullopt;
}

// The command that the first word or two name, which are then taken away.
const Command* take_command(std::vector<std::string>& words) {
  for (const std::size_t count : {std::size_t{2}, std::size_t{1}}) {
    if (words.size() < count) continue;
    const auto end = words.begin() + static_cast<std::ptrdiff_t>(count);
    const Command* command = find_command(join({words.begin(), end}));
    if (command == nullptr) continue;
    words.erase(words.begin(), end);
    return command;
  }
  return nullptr;
}

}  // namespace

std::variant<CommandLine, Report> parse_command_line(int argc, char** argv) {
  Options options;
  options.line.data = from_environment("MAILSTEAD_DATA", kDefaultData);
  options.line.config_file = from_environment("MAILSTEAD_CONFIG", "");
  if (auto end = parse_options(argc, argv, options)) return std::move(*end);
  if (options.version)
    return done(fmt::format("mailstead {}\n", version()), Value::Object{{"version", version()}});

  CommandLine& line = options.line;
  if (options.help) {
    std::vector<std::string> topic = options.words;
    const Command* command = take_command(topic);
    return help_about(command == nullptr ? join(options.words) : std::string(command->name));
  }
  line.command = take_command(options.words);
  if (line.command == nullptr) return unknown_command(options.words);
  if (line.data.empty()) return misused("--data needs the path of a folder");

  line.form = options.json ? OutputForm::kJson : OutputForm::kText;
  line.request.command = line.command->name;
  line.request.arguments = std::move(options.words);
  for (const auto& [name, given] : options.flags) {
    if (given) line.request.flags.push_back(name);
  }
  for (const auto& [name, value] : options.choices) {
    if (!value.empty()) line.request.flags.push_back(name + '=' + value);
  }
  if (line.password_stdin && line.command->secret != Secret::kPassword) {
    return misused(fmt::format("'{}' has no option '--password-stdin'", line.command->name));
  }
  Report checked = check_request(*line.command, line.request);
  if (checked.exit_code != 0) return checked;
  return std::move(line);
}

}  // namespace mailstead::admin
