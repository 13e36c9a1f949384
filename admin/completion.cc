// completion SHELL, from the table of commands. packaging/completion holds what it prints.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

#include "admin/command_line.h"
#include "admin/report.h"

namespace mailstead::admin {
namespace {

// The words that may follow "", "mailbox", "mailbox add": the last ones are a command's own options.
std::map<std::string, std::string> words_after() {
  std::map<std::string, std::string> after;
  const auto add = [&after](const std::string& place, const std::string& word) {
    std::string& words = after[place];
    if ((' ' + words + ' ').find(' ' + word + ' ') != std::string::npos) return;
    words += (words.empty() ? "" : " ") + word;
  };
  for (const Command& command : commands()) {
    const std::string name(command.name);
    const std::size_t space = name.find(' ');
    add("", name.substr(0, space));
    if (space != std::string::npos) {
      add(name.substr(0, space), name.substr(space + 1));
      // `help mailbox add`
      add("help " + name.substr(0, space), name.substr(space + 1));
    }
    add("help", name.substr(0, space));
    if (command.secret == Secret::kPassword) add(name, "--password-stdin");
    for (const std::string_view flag : command.flags) add(name, "--" + std::string(flag));
    for (const Choice& choice : command.choices) add(name, "--" + std::string(choice.name));
  }
  add("completion", "bash");
  return after;
}

// By option: "--only) COMPREPLY=…".
std::string values() {
  std::map<std::string, std::string> lines;
  for (const Command& command : commands()) {
    for (const Choice& choice : command.choices) {
      lines[std::string(choice.name)] =
          fmt::format("    --{}) COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n", choice.name,
                      fmt::join(choice.values, " "));
    }
  }
  std::string text;
  for (const auto& [name, line] : lines) text += line;
  return text;
}

// The options that take a value: "--data | --only".
std::string with_value() {
  std::set<std::string> names = {"--data", "--config"};
  for (const Command& command : commands()) {
    for (const Choice& choice : command.choices) names.insert("--" + std::string(choice.name));
  }
  return fmt::format("{}", fmt::join(names, " | "));
}

std::string bash() {
  std::string cases;
  for (const auto& [place, words] : words_after()) {
    cases += fmt::format("    '{}') candidates='{}' ;;\n", place, words);
  }
  return fmt::format(R"(# bash completion for mailstead; printed by 'mailstead completion bash'

_mailstead() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} place='' candidates='' i
  COMPREPLY=()
  case $previous in
    --data) COMPREPLY=($(compgen -d -- "$current")); return ;;
    --config) COMPREPLY=($(compgen -f -- "$current")); return ;;
{}  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      {}) ((i++)) ;;
      -*) ;;
      *) place=${{place:+$place }}${{COMP_WORDS[i]}} ;;
    esac
  done
  case $place in
{}  esac
  [[ $current == -* ]] && candidates="$candidates --data --config --json --help"
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}}
complete -F _mailstead mailstead
)",
                     values(), with_value(), cases);
}

}  // namespace

Report completion_for(const std::string& shell) {
  if (shell != "bash") return misused(fmt::format("there is no completion for '{}', only for bash", shell));
  std::string script = bash();
  const Value json = Value::Object{{"script", script}};
  return done(std::move(script), json);
}

}  // namespace mailstead::admin
