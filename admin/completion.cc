// completion SHELL, from the table of commands. packaging/completion holds what it prints.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "admin/command_line.h"
#include "admin/report.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

struct Suggestion {
  std::string text;
  std::string about = {};  // a few words; may be empty
};

// What the details of a command say of its option, up to where they go into details themselves.
std::string words_about(std::string_view option, std::string_view detail) {
  std::string text;
  bool is_within = false;
  while (!detail.empty()) {
    std::string_view line = ascii::take_until(detail, '\n');
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    line.remove_prefix(indent);
    const bool is_item = indent == 2;
    if (is_within && (is_item || indent == 0)) break;
    if (is_item && line.starts_with(option) && line.substr(option.size()).starts_with("  ")) {
      is_within = true;
      line = ascii::trim(line.substr(option.size()));
    }
    if (is_within) text += (text.empty() ? "" : " ") + std::string(line);
  }
  // "implicit: from the start; stls: ..." begins with one of the values.
  const std::size_t colon = text.find(": ");
  const std::size_t end = std::min(text.find(';'), text.find(' ') < colon ? colon : std::string::npos);
  return text.substr(0, end);
}

// The words that may follow "", "mailbox", "mailbox add": the last ones are a command's own options.
std::map<std::string, std::vector<Suggestion>> words_after() {
  std::map<std::string, std::vector<Suggestion>> after;
  const auto add = [&after](const std::string& place, const std::string& text, std::string_view about = {}) {
    std::vector<Suggestion>& words = after[place];
    const auto known = std::ranges::find(words, text, &Suggestion::text);
    if (known == words.end()) words.push_back({text, std::string(about)});
  };
  for (const Command& command : commands()) {
    const std::string name(command.name);
    const std::size_t space = name.find(' ');
    const bool is_whole = space == std::string::npos;
    add("", name.substr(0, space), is_whole ? command.summary : std::string_view());
    if (!is_whole) {
      add(name.substr(0, space), name.substr(space + 1), command.summary);
      // `help mailbox add`
      add("help " + name.substr(0, space), name.substr(space + 1), command.summary);
    }
    add("help", name.substr(0, space));
    const auto add_option = [&](std::string_view option) {
      const std::string text = "--" + std::string(option);
      add(name, text, words_about(text, command.detail));
    };
    if (command.secret == Secret::kPassword) add_option("password-stdin");
    for (const std::string_view flag : command.flags) add_option(flag);
    for (const Choice& choice : command.choices) add_option(choice.name);
  }
  for (const char* shell : {"bash", "fish", "zsh"}) add("completion", shell);
  return after;
}

// An option that takes a value.
struct Valued {
  std::string command;
  std::string option;    // without the dashes
  std::string values;    // that it may be; empty: any
  bool is_list = false;  // of them, with commas between
};

std::vector<Valued> valued_options() {
  std::vector<Valued> options;
  for (const Command& command : commands()) {
    for (const Choice& choice : command.choices) {
      options.push_back({std::string(command.name), std::string(choice.name),
                         choice.listed == nullptr ? fmt::format("{}", fmt::join(choice.values, " "))
                                                  : fmt::format("{}", fmt::join(choice.listed(), " ")),
                         choice.listed != nullptr});
    }
  }
  return options;
}

// "--data | --only".
std::string options_with_value(std::string_view between) {
  std::set<std::string> names = {"--data", "--config"};
  for (const Valued& each : valued_options()) names.insert("--" + each.option);
  return fmt::format("{}", fmt::join(names, between));
}

// As one word of a shell, between single quotes.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += quote;
    } else {
      word += c;
    }
  }
  return word + '\'';
}

std::string texts_of(const std::vector<Suggestion>& words) {
  std::string texts;
  for (const Suggestion& word : words) texts += (texts.empty() ? "" : " ") + word.text;
  return texts;
}

std::string bash() {
  std::string cases;
  for (const auto& [place, words] : words_after())
    cases += fmt::format("    '{}') candidates='{}' ;;\n", place, texts_of(words));
  std::string values;
  for (const Valued& each : valued_options()) {
    if (each.values.empty()) continue;
    values +=
        each.is_list
            ? fmt::format("    '{}'*' --{}') _mailstead_list {}; return ;;\n", each.command, each.option,
                          each.values)
            : fmt::format("    '{}'*' --{}') COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n",
                          each.command, each.option, each.values);
  }
  return fmt::format(R"(# bash completion for mailstead; printed by 'mailstead completion bash'

# A list with commas between, of these words: those that are not in it yet.
_mailstead_list() {{
  local last=${{current##*,}} left=() word
  local before=${{current%"$last"}}
  for word; do [[ ,$before == *",$word,"* ]] || left+=("$word"); done
  COMPREPLY=($(compgen -P "$before" -W "${{left[*]}}" -- "$last"))
}}

_mailstead() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} place='' candidates='' i
  COMPREPLY=()
  # bash breaks --only=hos into three words.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      {}) [[ ${{COMP_WORDS[i+1]}} == '=' ]] && ((i++)); ((i++)) ;;
      -*) ;;
      *) place=${{place:+$place }}${{COMP_WORDS[i]}} ;;
    esac
  done
  case "$place $previous" in
    *' --data') COMPREPLY=($(compgen -d -- "$current")); return ;;
{}  esac
  case $previous in
    {}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case $place in
{}  esac
  [[ $current == -* ]] && candidates="$candidates --data --config --json --help"
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}}
complete -F _mailstead mailstead
)",
                     options_with_value(" | "), values, options_with_value(" | "), cases);
}

std::string fish_option(const std::string& command, const std::string& name) {
  for (const Valued& each : valued_options()) {
    if (each.command != command || each.option != name) continue;
    return each.values.empty() ? fmt::format("-l {} -r -F", name)
           : each.is_list      ? fmt::format("-l {} -x -a '(__fish_append , {})'", name, each.values)
                               : fmt::format("-l {} -x -a '{}'", name, each.values);
  }
  return "-l " + name;
}

// With what each word means. An option is offered at any place behind its command.
std::string fish() {
  const auto quote = [](std::string_view text) { return quoted(text, "\\'"); };
  std::string lines;
  for (const auto& [place, words] : words_after()) {
    for (const Suggestion& word : words) {
      const bool is_option = word.text.starts_with("--");
      const std::string begin =
          fmt::format("complete -c mailstead -n {} ",
                      quote(fmt::format("__mailstead_{} \"{}\"", is_option ? "within" : "at", place)));
      const std::string about = word.about.empty() ? "" : " -d " + quote(word.about);
      const std::string what = is_option ? fish_option(place, word.text.substr(2)) : "-a " + word.text;
      // What is said of an option would stand beside each of its values, too: so that is a line of its own.
      const bool has_values = is_option && what.find(" -a ") != std::string::npos;
      lines += fmt::format("{}{}{}\n", begin, what, has_values ? "" : about);
      if (has_values) lines += fmt::format("{}-l {} -x{}\n", begin, word.text.substr(2), about);
    }
  }
  return fmt::format(R"fish(# fish completion for mailstead; printed by 'mailstead completion fish'

function __mailstead_place
  set -l place
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case {}
        set skip 1
      case '-*'
      case '*'
        set -a place $word
    end
  end
  echo "$place"
end
function __mailstead_at
  test (__mailstead_place) = "$argv[1]"
end
function __mailstead_within
  string match -q -- "$argv[1] *" (__mailstead_place)" "
end
complete -c mailstead -f
complete -c mailstead -l data -x -a '(__fish_complete_directories)' -d 'the data folder'
complete -c mailstead -l config -r -F -d 'the configuration'
complete -c mailstead -l json -d 'for programs'
complete -c mailstead -l help -d 'what the command does'
{})fish",
                     options_with_value(" "), lines);
}

std::string zsh() {
  const auto quote = [](std::string_view text) { return quoted(text, "'\\''"); };
  std::string cases;
  for (const auto& [place, words] : words_after()) {
    cases += fmt::format("    ({})\n", quote(place));
    std::string options;
    for (const Suggestion& word : words) {
      if (word.text.starts_with("--")) {
        options += " " + word.text;
      } else {
        cases +=
            fmt::format("      candidates+={}\n",
                        "(" + quote(word.about.empty() ? word.text : word.text + ":" + word.about) + ")");
      }
    }
    if (!options.empty()) cases += fmt::format("      options+=({})\n", options.substr(1));
    cases += "      ;;\n";
  }
  std::string values;
  for (const Valued& each : valued_options()) {
    if (each.values.empty()) continue;
    values += fmt::format("    ('{}'*' --{}') {}compadd -- {}; return ;;\n", each.command, each.option,
                          each.is_list ? "compset -P '*,'; " : "", each.values);
  }
  return fmt::format(R"zsh(#compdef mailstead
# zsh completion for mailstead; printed by 'mailstead completion zsh'

_mailstead() {{
  local place='' word
  local -a candidates options
  integer i skip=0
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if ((skip)); then skip=0; continue; fi
    case $word in
      ({}) skip=1 ;;
      (-*) ;;
      (*) place=${{place:+$place }}$word ;;
    esac
  done
  case "$place $words[CURRENT-1]" in
    (*' --data') _files -/; return ;;
{}  esac
  case $words[CURRENT-1] in
    ({}) _files; return ;;
  esac
  options=(--data --config --json --help)
  case $place in
{}  esac
  if [[ $words[CURRENT] == -* ]]; then
    compadd -- $options
  elif (( $#candidates )); then
    _describe -t commands command candidates
  else
    compadd -- $options
  fi
}}
if [[ $funcstack[1] == _mailstead ]]; then _mailstead "$@"; else compdef _mailstead mailstead; fi
)zsh",
                     options_with_value("|"), values, options_with_value("|"), cases);
}

struct Shell {
  std::string_view name;
  std::string (*script)();
};
constexpr std::array kShells = {Shell{"bash", bash}, Shell{"fish", fish}, Shell{"zsh", zsh}};

}  // namespace

Report completion_for(const std::string& shell) {
  const auto found = std::ranges::find(kShells, std::string_view(shell), &Shell::name);
  if (found == kShells.end())
    return misused(fmt::format("there is no completion for '{}', only for bash, fish and zsh", shell));
  std::string script = found->script();
  const Value json = Value::Object{{"script", script}};
  return done(std::move(script), json);
}

}  // namespace mailstead::admin
