// help [COMMAND], from the table of commands

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "admin/cli.h"
#include "admin/command_line.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kSummary = 36;  // where summaries begin
constexpr std::size_t kGap = 2;       // between a word of a list and what it means

constexpr std::string_view kOptions =
    "Options, before or after the command:\n"
    "  --data DIR     the data folder (MAILSTEAD_DATA; default /var/lib/mailstead)\n"
    "  --config FILE  the configuration (MAILSTEAD_CONFIG; default\n"
    "                 DIR/mailstead.toml, if it is there)\n"
    "  --json         print JSON\n"
    "  --version      print the version\n"
    "  -h, --help     print this, or the help of a command\n";

// The table's details are set for its source. Here a paragraph, or a word of a list with what it means, is
// filled up: what begins two columns in is such a word, what begins further in goes on with one.
std::string set_for_terminal(std::string_view text) {
  std::string block;
  std::string lines;
  const auto put = [&] {
    if (block.empty()) return;
    const std::size_t gap = block.starts_with("  ") ? block.find("  ", kGap) : std::string::npos;
    const std::size_t meaning = gap == std::string::npos ? 0 : block.find_first_not_of(' ', gap);
    lines +=
        block.substr(0, meaning) + filled(std::string_view(block).substr(meaning), meaning, meaning) + '\n';
    block.clear();
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t indent = line.find_first_not_of(' ');
    const bool goes_on = indent == 0 ? !block.starts_with(' ') : indent != kGap;
    if (indent == std::string_view::npos || !goes_on) put();
    if (indent == std::string_view::npos) {
      if (line.empty()) lines += '\n';
    } else {
      block += block.empty() ? std::string(line) : ' ' + std::string(line.substr(indent));
    }
  }
  put();
  return lines;
}

std::string list(std::string_view prefix) {
  std::string text;
  for (const Command& command : commands()) {
    if (!command.name.starts_with(prefix)) continue;
    std::string line = std::string(kGap, ' ') + filled(usage(command), kGap, 2 * kGap);
    // Of a long one the summary stands below.
    const bool is_long = line.size() + kGap > kSummary;
    if (is_long) line += '\n';
    line.append(is_long ? kSummary : kSummary - line.size(), ' ');
    text += line + filled(command.summary, kSummary, kSummary) + '\n';
  }
  return text;
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
  constexpr std::string_view kUsage = "Usage: mailstead ";
  std::string text = fmt::format("{}{}\n\n{}\n", kUsage, filled(usage(command), kUsage.size(), kUsage.size()),
                                 filled(command.summary, 0, 0));
  if (!command.detail.empty()) text += '\n' + set_for_terminal(command.detail);
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
